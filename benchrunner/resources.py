"""Where the files that ship with the project are: in the installed package or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """The folder `name` (`boards`, `firmware`) that ships with the project.

    The wheel carries it as `benchrunner/_data/<name>`, a checkout at its top level.
    """
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
