"""paramiko, imported where it is used: it is an extra, and its import takes a quarter of a second."""

from __future__ import annotations

import logging
from types import ModuleType

from benchrunner.errors import UsageError


def paramiko_library() -> ModuleType:
    """The module; raises `UsageError` naming the extra where it is not installed."""
    try:
        import paramiko
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "paramiko":
            raise
        raise UsageError(
            "Linux boards are reached over SSH with paramiko, which is not installed",
            hint="pip install 'benchrunner[ssh]'",
        ) from error
    # Without a handler, Python prints paramiko's tracebacks of a lost connection on standard error. What
    # happened is in the exceptions.
    logger = logging.getLogger("paramiko")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    module: ModuleType = paramiko
    return module
