"""Files that a command was asked to write beside what it prints."""

from __future__ import annotations

from pathlib import Path

from benchrunner.durable import write_atomic
from benchrunner.errors import StoreError


def write_output(path: Path, data: bytes) -> None:
    """Write `path` whole or not at all. Raises `StoreError`."""
    try:
        write_atomic(path, data)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written: {error.strerror or error}",
            hint="choose another file; the results themselves are stored",
        ) from error
