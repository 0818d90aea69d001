"""The terminal that a command prints to."""

from __future__ import annotations

import shutil
import sys


def width() -> int | None:
    """Columns of the terminal behind standard output; None where it goes to a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
