"""`benchrunner site`; it shares its work with `benchrunner report`."""

from benchrunner.cli.report import site as command

__all__ = ["command"]
