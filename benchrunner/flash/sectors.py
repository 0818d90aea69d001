"""Sectors of flash: erased, written, verified, and repaired where a block was lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchrunner.board import Flash, Sector
from benchrunner.deadline import Deadline
from benchrunner.errors import FlashError, LinkError, ReadoutProtectedError
from benchrunner.flash.journal import Journal, SectorState
from benchrunner.flash.reading import Reader
from benchrunner.flash.recovery import BLOCK_TRIES, Level, Recovery, refused
from benchrunner.flash.rom import RomBootloader
from benchrunner.protocol.an3155 import NackError
from benchrunner.protocol.an3155_frames import BLOCK_BYTES, ERASE_LIST_LIMIT

_REPLAYS = 3  # erase and write of one sector again, before it is given up
_ERASE_BATCH_S = 4.0  # typical time of one erase command: short enough for progress and its own deadline
_PROGRESS_BLOCKS = 16
_ERASED = b"\xff" * BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Progress:
    """What is being done: "compare", "erase" or "write" (which includes the read-back)."""

    phase: str
    done_bytes: int
    total_bytes: int


class _SectorLostError(Exception):
    """A sector must be erased and written again."""

    def __init__(self, address: int, *, content_wrong: bool) -> None:
        super().__init__(address)
        self.address = address
        self.content_wrong = content_wrong


def slice_of(data: bytes, sector: Sector, base: int) -> bytes:
    """What of `data`, which starts at `base`, lies in `sector`."""
    start = sector.address - base
    return data[start : start + sector.size_bytes]


class SectorWriter:
    """Brings sectors to new content; `extended` says which erase command the bootloader has."""

    def __init__(
        self,
        rom: RomBootloader,
        reader: Reader,
        recovery: Recovery,
        journal: Journal,
        *,
        flash: Flash,
        board_id: str,
        deadline: Deadline,
        progress: Callable[[Progress], None],
    ) -> None:
        self._rom = rom
        self._reader = reader
        self._recovery = recovery
        self._journal = journal
        self._flash = flash
        self._board_id = board_id
        self._deadline = deadline
        self._progress = progress
        self.extended = True
        self.erased_sectors = 0
        self.written_bytes = 0

    def erase(self, sectors: Sequence[Sector]) -> None:
        """Erase `sectors`; raises `FlashError` for one that refuses, `LinkError` when no recovery helps."""
        batch = max(1, min(ERASE_LIST_LIMIT, int(_ERASE_BATCH_S / self._flash.erase_sector_s)))
        if len(sectors) == len(self._flash.sector_list()):
            batch = len(sectors)  # one mass erase takes less time than all sectors after each other
        total, done = sum(sector.size_bytes for sector in sectors), 0
        for at in range(0, len(sectors), batch):
            self._progress(Progress("erase", done, total))
            part = sectors[at : at + batch]
            self._erase_once(part)
            done += sum(sector.size_bytes for sector in part)
        if sectors:
            self._progress(Progress("erase", total, total))

    def _erase_once(self, sectors: Sequence[Sector]) -> None:
        numbers = [sector.index for sector in sectors]
        self._journal.mark(numbers, SectorState.ERASING)
        refusals = 0
        for attempt in range(2 * BLOCK_TRIES):
            try:
                self._command_erase(numbers)
                break
            except LinkError as error:
                refusals += isinstance(error, NackError)
                if refusals == BLOCK_TRIES or attempt == 2 * BLOCK_TRIES - 1:
                    raise self._refused_error(error, sectors[0].address, sectors[0]) from error
                self._recovery.recover(error, Level.BLOCK if attempt < BLOCK_TRIES else Level.RESYNC)
        self.erased_sectors += len(sectors)
        self._journal.mark(numbers, SectorState.ERASED)

    def _command_erase(self, numbers: list[int]) -> None:
        if len(numbers) == len(self._flash.sector_list()):
            mass_s = self._flash.erase_mass_s
            self._rom.erase_everything(self._deadline, mass_s=mass_s, extended=self.extended)
        else:
            sector_s = self._flash.erase_sector_s
            self._rom.erase(numbers, self._deadline, sector_s=sector_s, extended=self.extended)

    def write(self, sectors: Sequence[Sector], data: bytes) -> None:
        """Write and verify the parts of `data` that belong into erased `sectors`, the vector table last.

        Raises `FlashError` for a place that does not take its content, `LinkError` when no recovery helps.
        """
        total = sum(len(slice_of(data, sector, self._flash.base)) for sector in sectors)
        done = 0
        for sector in [*sectors[1:], *sectors[:1]]:  # the vector table last
            part = slice_of(data, sector, self._flash.base)
            self._write_sector(sector, part, done, total)
            done += len(part)
        if sectors:
            self._progress(Progress("write", total, total))

    def _write_sector(self, sector: Sector, part: bytes, done: int, total: int) -> None:
        wrong: set[int] = set()
        for _ in range(_REPLAYS + 1):
            try:
                self._journal.mark([sector.index], SectorState.WRITING)
                self._fill(sector, part, done, total)
                self._journal.mark([sector.index], SectorState.WRITTEN)
                self._verify(sector, part)
            except _SectorLostError as lost:
                if lost.content_wrong and lost.address in wrong:
                    raise FlashError(
                        f"{self._board_id}: flash at {lost.address:#010x} (sector {sector.index}) does not "
                        "take its content after an erase and a second write",
                        address=lost.address,
                        sector=sector.index,
                        hint="the flash cell is worn or the part is damaged: take the board out of service",
                    ) from lost
                if lost.content_wrong:
                    wrong.add(lost.address)
                self._erase_once([sector])
            else:
                self._journal.mark([sector.index], SectorState.VERIFIED)
                return
        raise FlashError(
            f"{self._board_id}: sector {sector.index} at {sector.address:#010x} was lost "
            f"{_REPLAYS + 1} times while it was written",
            address=sector.address,
            sector=sector.index,
            hint="check cable and supply; if they are good, the part is damaged",
        )

    def _fill(self, sector: Sector, part: bytes, done: int, total: int) -> None:
        """Write every block of `part` that is not erased flash anyway; that is read back with the rest."""
        blocks = [
            (sector.address + offset, part[offset : offset + BLOCK_BYTES])
            for offset in range(0, len(part), BLOCK_BYTES)
            if part.count(b"\xff", offset, offset + BLOCK_BYTES) < len(part[offset : offset + BLOCK_BYTES])
        ]
        at = 0

        def acknowledged(_: bytes) -> None:
            nonlocal at
            if at % _PROGRESS_BLOCKS == 0:
                self._progress(Progress("write", done + blocks[at][0] - sector.address, total))
            self.written_bytes += len(blocks[at][1])
            at += 1

        while at < len(blocks):
            try:
                self._rom.write_blocks(blocks[at:], self._deadline, acknowledged)
            except LinkError as error:
                self._repair_block(sector, *blocks[at], error)
                acknowledged(b"")

    def _repair_block(self, sector: Sector, address: int, block: bytes, error: LinkError) -> None:
        """Bring a block whose Write failed into flash, or give up the sector."""
        last = error
        for _ in range(BLOCK_TRIES):
            if self._recovery.recover(last) > Level.BLOCK:
                raise _SectorLostError(address, content_wrong=False)
            # The block may have been written although its ACK is missing. On flash with ECC a second write
            # of a written word is an error, so it is looked at first.
            found = self._reader.read(address, len(block))
            if found == block:
                return
            if found != _ERASED[: len(block)]:
                raise _SectorLostError(address, content_wrong=False)
            try:
                self._rom.write(address, block, self._deadline)
                return
            except LinkError as again:
                last = again
        if isinstance(last, NackError):
            raise self._refused_error(last, address, sector) from last
        self._recovery.recover(last, Level.RESYNC)
        raise _SectorLostError(address, content_wrong=False)

    def _verify(self, sector: Sector, part: bytes) -> None:
        if self._reader.checksum_holds(sector.address, part):
            return
        wrong = self._reader.first_mismatch(sector.address, part)
        if wrong is not None:
            raise _SectorLostError(wrong, content_wrong=True)

    def _refused_error(self, error: LinkError, address: int, sector: Sector) -> Exception:
        reason = refused(error, self._board_id)
        if isinstance(reason, ReadoutProtectedError) or not isinstance(error, NackError):
            return reason
        return FlashError(
            f"{self._board_id}: sector {sector.index} at {address:#010x}: "
            f"{error.message} {BLOCK_TRIES} times",
            address=address,
            sector=sector.index,
            hint="is the sector write-protected? see the option bytes",
        )
