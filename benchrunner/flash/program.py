"""One image onto one board through the ROM bootloader: check, compare, erase, write, verify, recover."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from benchrunner.board import Board, Flash, Sector
from benchrunner.deadline import Deadline
from benchrunner.errors import DoesNotFitError, LinkError, ReadoutProtectedError, WrongChipError
from benchrunner.flash.journal import Journal, SectorState
from benchrunner.flash.reading import Reader
from benchrunner.flash.recovery import Recovery
from benchrunner.flash.rom import RomBootloader, erases_extended
from benchrunner.flash.sectors import Progress, SectorWriter, slice_of
from benchrunner.image import BLOCK_OFFSET
from benchrunner.protocol.an3155 import NackError
from benchrunner.protocol.an3155_frames import BLOCK_BYTES, Command
from benchrunner.record import Flashing

_SAMPLED_BLOCKS = 16  # a quick compare reads one block in so many
_SMALLEST_CHIP_KIB, _LARGEST_CHIP_KIB = 16, 8192


class Compare(StrEnum):
    """How much is read before a sector is taken as unchanged."""

    QUICK = "quick"  # samples, where the journal vouches for the rest (docs/decisions/reflash.md)
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Options:
    compare: Compare = Compare.QUICK
    checksum: bool = False  # verify by the device's CRC where it has one, instead of reading back
    allow_unprotect: bool = False  # lift readout protection, which erases the whole chip


def program(
    rom: RomBootloader,
    board: Board,
    image: bytes,
    *,
    deadline: Deadline,
    options: Options | None = None,
    journal: Journal | None = None,
    progress: Callable[[Progress], None] | None = None,
    power_cycle: Callable[[], None] | None = None,
    clean_entry: bool = True,
) -> Flashing:
    """Bring `image` to the start of `board`'s flash; the bootloader is entered already.

    The chip id and the flash size are checked before anything is erased. Sectors that hold what they should
    are left alone. The sector with the vector table is written last, so that an interrupted job never leaves
    a mixture that boots. `journal.summary()` says at any time, also after an exception, what is on the board.

    Raises `WrongChipError`, `DoesNotFitError` and `ReadoutProtectedError` with the flash untouched,
    `FlashError` for a place that does not take its content, `LinkError` when no recovery helps,
    `DeadlineExceededError` and `PortError`. Every exception carries a note with the state of the sectors.
    """
    job = FlashJob(
        rom,
        board,
        deadline=deadline,
        options=options,
        journal=journal,
        progress=progress,
        power_cycle=power_cycle,
        clean_entry=clean_entry,
    )
    return job.run(image)


class FlashJob:
    """The state of one `program` call; `recovery` and `journal` can be looked at afterwards."""

    def __init__(
        self,
        rom: RomBootloader,
        board: Board,
        *,
        deadline: Deadline,
        options: Options | None = None,
        journal: Journal | None = None,
        progress: Callable[[Progress], None] | None = None,
        power_cycle: Callable[[], None] | None = None,
        clean_entry: bool = True,
    ) -> None:
        if board.mcu is None:
            raise ValueError(f"{board.id} has no microcontroller to flash")
        self.recovery = Recovery(rom, board.mcu.chip.chip_id, power_cycle, deadline)
        self.journal = journal if journal is not None else Journal()
        self._reader = Reader(rom, self.recovery, board.id, deadline)
        self._rom = rom
        self._board = board
        self._chip_id = board.mcu.chip.chip_id
        self._flash: Flash = board.mcu.flash
        self._deadline = deadline
        self._options = options if options is not None else Options()
        self._progress = progress if progress is not None else lambda _: None
        self._clean_entry = clean_entry
        self._image_sha256 = ""
        self._writer = SectorWriter(
            rom,
            self._reader,
            self.recovery,
            self.journal,
            flash=self._flash,
            board_id=board.id,
            deadline=deadline,
            progress=self._progress,
        )

    def run(self, image: bytes) -> Flashing:
        """See `program`."""
        began_ns = time.monotonic_ns()
        try:
            data = self._padded(image)
            self._image_sha256 = hashlib.sha256(image).hexdigest()
            self._check_chip()
            self._check_size(len(data))
            sectors = {
                sector.index: sector
                for sector in self._flash.sector_list()
                if slice_of(data, sector, self._flash.base)
            }
            changed, by_sample = self._compare(data, list(sectors.values()))
            self.journal.begin(
                self._image_sha256,
                {i: SectorState.UNTOUCHED if i in changed else SectorState.KEPT for i in sectors},
            )
            self._writer.erase([sectors[index] for index in changed])
            self._writer.write([sectors[index] for index in changed], data)
            if not by_sample:
                self.journal.finish(self._chip_id)
        except BaseException as error:
            error.add_note(f"on the board: {self.journal.summary()}")
            raise
        return Flashing(
            route=f"ROM bootloader, {self._rom.transport.description}",
            image_bytes=len(image),
            written_bytes=self._writer.written_bytes,
            erased_sectors=self._writer.erased_sectors,
            skipped_sectors=len(sectors) - len(changed),
            retries=self.recovery.retries,
            link_errors=self.recovery.link_errors,
            duration_ns=time.monotonic_ns() - began_ns,
            verified_by="sample" if by_sample else "checksum" if self._reader.by_checksum else "read-back",
        )

    # --- checks before anything changes -----------------------------------------------------------------

    def _padded(self, image: bytes) -> bytes:
        if not image:
            raise DoesNotFitError("the image is empty")
        word = max(4, self._flash.write_bytes)
        return image + b"\xff" * (-len(image) % word)

    def _check_chip(self) -> None:
        try:
            capabilities = self._rom.capabilities(self._deadline)
            found = self._rom.identify(self._deadline)
        except LinkError as error:
            self.recovery.recover(error)
            capabilities = self._rom.capabilities(self._deadline)
            found = self._rom.identify(self._deadline)
        if found != self._chip_id:
            raise WrongChipError(
                f"{self._rom.transport.description}: chip id {found:#05x}, "
                f"{self._board.id} has {self._chip_id:#05x}",
                hint="another board is plugged in; nothing was erased",
            )
        self._writer.extended = erases_extended(capabilities)
        self._reader.by_checksum = self._options.checksum and Command.GET_CHECKSUM in capabilities.commands

    def _check_size(self, length: int) -> None:
        try:
            size_bytes = self._size_bytes()
        except ReadoutProtectedError:
            if not self._options.allow_unprotect:
                raise
            self._unprotect()
            size_bytes = self._size_bytes()
        if length > size_bytes:
            raise DoesNotFitError(
                f"{self._board.id}: the image has {length} bytes, the chip {size_bytes}; nothing was erased",
                hint="use a smaller model or a board with more flash",
            )

    def _size_bytes(self) -> int:
        """The chip's own flash size, never more than the board file's geometry describes."""
        try:
            word = self._size_word(self._flash.size_register)
        except NackError:
            return self._flash.size_bytes  # not readable from this core: the board file must do
        kib = int.from_bytes(word, "little")
        if not _SMALLEST_CHIP_KIB <= kib <= _LARGEST_CHIP_KIB:
            return self._flash.size_bytes  # engineering samples have it blank
        return min(kib * 1024, self._flash.size_bytes)

    def _size_word(self, register: int) -> bytes:
        try:
            return self._rom.read(register, 2, self._deadline)
        except NackError as error:
            if error.at != "command":  # some bootloaders give it only as part of a whole block
                return self._reader.read(register & ~0xFF, BLOCK_BYTES)[register & 0xFF :][:2]
        except LinkError as error:
            self.recovery.recover(error)
        return self._reader.read(register, 2)

    def _unprotect(self) -> None:
        self._rom.readout_unprotect(self._deadline)
        if self._rom.transport.has_lines:
            self._rom.reset_into_rom(self._deadline)
            return
        patience = self._deadline.at_most(self._rom.timings.unprotect_s)
        while True:  # it may erase for a while after its second ACK, deaf meanwhile
            try:
                self._rom.synchronise(self._deadline)
                return
            except LinkError:
                patience.check("the restart after lifting readout protection", hint="power-cycle the board")

    # --- compare ----------------------------------------------------------------------------------------

    def _compare(self, data: bytes, sectors: list[Sector]) -> tuple[list[int], bool]:
        """The sectors to write, and whether the verdict "all unchanged" rests on samples."""
        quick = (
            self._options.compare is Compare.QUICK
            and self._clean_entry
            and self.journal.vouches_for(self._image_sha256, self._chip_id)
        )
        if quick and all(
            self._sample_holds(sector, slice_of(data, sector, self._flash.base)) for sector in sectors
        ):
            return [], True
        changed, done = [], 0
        for sector in sectors:
            self._progress(Progress("compare", done, len(data)))
            part = slice_of(data, sector, self._flash.base)
            if not self._holds(sector.address, part):
                changed.append(sector.index)
            done += len(part)
        self._progress(Progress("compare", len(data), len(data)))
        return changed, False

    def _sample_holds(self, sector: Sector, part: bytes) -> bool:
        offsets = range(0, len(part), BLOCK_BYTES)
        picks = random.Random(f"{self._image_sha256} {sector.index}")  # other blocks for every image
        chosen = set(picks.sample(offsets, max(1, len(offsets) // _SAMPLED_BLOCKS)))
        if sector.address == self._flash.base:
            # The vector table, and the manifest block with the hash of everything.
            chosen |= {0, BLOCK_OFFSET} & set(offsets)
        return all(
            self._reader.first_mismatch(sector.address + offset, part[offset : offset + BLOCK_BYTES]) is None
            for offset in sorted(chosen)
        )

    def _holds(self, address: int, part: bytes) -> bool:
        return (
            self._reader.checksum_holds(address, part) or self._reader.first_mismatch(address, part) is None
        )
