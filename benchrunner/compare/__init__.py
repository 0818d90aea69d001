"""Which results may be compared, what the difference is, and whether it is real."""
