"""What this process has open: threads and files of earlier tests may go at any time, so sets are compared."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def open_files() -> set[str]:
    """Every open file; sockets and pipes by numbers of their own."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the folder itself
            found.add(str(link.readlink()))
    return found
