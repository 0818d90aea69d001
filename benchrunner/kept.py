"""Images and models that ran, kept beside the results by their SHA-256, so that they can be run again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from benchrunner.durable import write_atomic

FOLDER: Final = "images"
LIMIT_BYTES: Final = (
    512 << 20
)  # a thousand images of half a megabyte: weeks of nights that change every image

LEAST_FREE_BYTES: Final = 64 << 20

Kind = Literal["bin", "tflite"]
IMAGE: Final[Kind] = "bin"
MODEL: Final[Kind] = "tflite"


def keep(results: Path, sha256: str, kind: Kind, data: bytes) -> str:
    """Keep these bytes; returns what went wrong, which must not cost the case that is about to run."""
    path = _path(results, sha256, kind)
    try:
        results.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(results).free < LEAST_FREE_BYTES:
            return f"{path}: not kept: the last {LEAST_FREE_BYTES >> 20} MiB are for results"
        if path.is_file() and path.stat().st_size == len(data):
            os.utime(path)  # the oldest are removed first
        else:
            write_atomic(path, data)
    except OSError as error:
        return f"{path}: not kept for later comparison: {error.strerror or error}"
    return ""


def find(results: Path, sha256: str, kind: Kind) -> Path | None:
    """The kept file of that hash."""
    path = _path(results, sha256, kind)
    return path if sha256 and path.is_file() else None


def prune(results: Path, pinned: Callable[[], Collection[str]], limit_bytes: int = LIMIT_BYTES) -> int:
    """Remove what was used longest ago until `limit_bytes` hold the rest; returns how many files.

    `pinned`, asked only where something must go, are the hashes that stay whatever their age.
    """
    found = []
    for path in (results / FOLDER).glob("*.*"):
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size, path))
    total = sum(size for _, size, _ in found)
    if total <= limit_bytes:
        return 0
    stay, removed = pinned(), 0
    for _, size, path in sorted(found):
        if total <= limit_bytes:
            break
        if path.stem not in stay:
            with suppress(OSError):
                path.unlink()
                total, removed = total - size, removed + 1
    return removed


def _path(results: Path, sha256: str, kind: Kind) -> Path:
    return results / FOLDER / f"{sha256}.{kind}"
