"""Where files are: those that ship with the project, and those that it keeps for itself between runs."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """The folder `name` (`boards`, `firmware`) that ships with the project.

    The wheel carries it as `benchrunner/_data/<name>`, a checkout at its top level.
    """
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def user_cache_folder() -> Path:
    """Where the project keeps what it can make again. What is in it may be deleted at any time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "benchrunner"
