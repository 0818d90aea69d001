"""benchrunner: on-device benchmarks of neural networks, with numbers that can be trusted."""

__version__ = "0.1.0"
