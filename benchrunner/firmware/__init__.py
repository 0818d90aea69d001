"""From a model to what is flashed."""
