"""A case on a Linux board, from the model file to the stored record."""

from benchrunner.run.linux.case import run_linux_case

__all__ = ["run_linux_case"]
