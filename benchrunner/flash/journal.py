"""What is on the board, sector by sector, while an image is brought to it and after an interruption."""

from __future__ import annotations

import json
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from benchrunner.durable import write_atomic

_SCHEMA = 1


class SectorState(StrEnum):
    UNTOUCHED = "untouched"  # to be written, still as it was found
    KEPT = "kept"  # holds what it should, left alone
    ERASING = "being erased"
    ERASED = "erased"
    WRITING = "being written"
    WRITTEN = "written"
    VERIFIED = "verified"


class Journal:
    """The state of every sector of one image. With a `path` it outlives the process.

    The file says which image was verified last on this place. It is taken back before the first erase, so
    an interrupted job leaves no claim behind.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.image_sha256 = ""
        self.sectors: dict[int, SectorState] = {}

    def vouches_for(self, image_sha256: str, chip_id: int) -> bool:
        """True where the last job on this place verified every byte of this image."""
        if self.path is None:
            return False
        try:
            stored = json.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return False
        return isinstance(stored, dict) and stored == _claim(image_sha256, chip_id)

    def begin(self, image_sha256: str, sectors: dict[int, SectorState]) -> None:
        """The job of this image starts; an earlier claim is withdrawn if flash is going to change."""
        self.image_sha256 = image_sha256
        self.sectors = dict(sectors)
        if self.path is not None and SectorState.UNTOUCHED in sectors.values():
            self.path.unlink(missing_ok=True)

    def mark(self, sectors: list[int], state: SectorState) -> None:
        for sector in sectors:
            self.sectors[sector] = state

    def finish(self, chip_id: int) -> None:
        """Every sector holds what it should. Raises `OSError` when the file cannot be written."""
        if self.path is not None:
            write_atomic(self.path, json.dumps(_claim(self.image_sha256, chip_id)).encode())

    def summary(self) -> str:
        """One line for people: `sectors 0 kept, 1-3 verified, 4 being written`."""
        if not self.sectors:
            return "flash was not touched"
        parts = []
        for state, group in groupby(sorted(self.sectors), key=lambda sector: self.sectors[sector]):
            numbers = list(group)
            span = f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
            parts.append(f"{span} {state}")
        return f"image {self.image_sha256[:12]}: sectors {', '.join(parts)}"


def _claim(image_sha256: str, chip_id: int) -> dict[str, object]:
    return {"schema": _SCHEMA, "verified_image_sha256": image_sha256, "chip_id": chip_id}
