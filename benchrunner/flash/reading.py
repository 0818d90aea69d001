"""Reading flash through a line that errs: retries, recovery, and what a repeated refusal means."""

from __future__ import annotations

from benchrunner.deadline import Deadline
from benchrunner.errors import LinkError
from benchrunner.flash.recovery import BLOCK_TRIES, Level, Recovery, refused
from benchrunner.flash.rom import RomBootloader
from benchrunner.protocol.an3155 import NackError
from benchrunner.protocol.an3155_frames import BLOCK_BYTES, flash_crc32


class _DiffersError(Exception):
    """A block does not read as it should."""


class Reader:
    """Reads and compares through `rom`. `by_checksum` starts as the wish to use the device's CRC, and is
    given up where the device's answer cannot be trusted."""

    def __init__(self, rom: RomBootloader, recovery: Recovery, name: str, deadline: Deadline) -> None:
        self._rom = rom
        self._recovery = recovery
        self._name = name
        self._deadline = deadline
        self.by_checksum = False
        # Whether blocks are asked for in one piece: not before one was read step by step, and no longer once
        # that failed (docs/decisions/reading-at-once.md).
        self._at_once: bool | None = None

    def read(self, address: int, count: int) -> bytes:
        """Up to 256 bytes.

        A refusal that repeats itself is raised as the `NackError` it is, or as `ReadoutProtectedError`.
        """
        refusals = 0
        for attempt in range(2 * BLOCK_TRIES):
            try:
                return self._rom.read(address, count, self._deadline)
            except LinkError as error:
                last = error
            refusals += isinstance(last, NackError)
            if refusals == BLOCK_TRIES:
                raise refused(last, self._name)
            self._recovery.recover(last, Level.BLOCK if attempt < BLOCK_TRIES else Level.RESYNC)
        raise last

    def first_mismatch(self, address: int, expected: bytes) -> int | None:
        """The first address that differs from `expected` in two readings; None where one reading is right."""
        offset = 0
        while True:
            equal_bytes, differs = self._equal_run(address + offset, expected[offset:])
            offset += equal_bytes
            wanted = expected[offset : offset + BLOCK_BYTES]
            if not wanted:
                return None
            found = self.read(address + offset, len(wanted))
            if found != wanted and not differs:  # its first whole reading
                differs = True
                found = self.read(address + offset, len(wanted))
            if found != wanted:
                return address + offset + next(i for i in range(len(wanted)) if found[i] != wanted[i])
            if differs:
                self._recovery.link_errors += 1
                self._recovery.retries += 1
            offset += len(wanted)

    def _equal_run(self, address: int, expected: bytes) -> tuple[int, bool]:
        """How many bytes read as expected up to the first block that does not, and whether such a block
        arrived (False: all are equal, or the line failed)."""
        equal_bytes = 0

        def check(block: bytes) -> None:
            nonlocal equal_bytes
            if block != expected[equal_bytes : equal_bytes + len(block)]:
                raise _DiffersError
            equal_bytes += len(block)

        def step_by_step(end: int) -> None:
            offsets = range(equal_bytes, end, BLOCK_BYTES)
            blocks = ((address + offset, min(BLOCK_BYTES, end - offset)) for offset in offsets)
            self._rom.read_blocks(blocks, self._deadline, check)

        at_once = False
        try:
            if self._at_once is None and len(expected) >= BLOCK_BYTES:
                step_by_step(BLOCK_BYTES)
                self._at_once = True
            if self._at_once:
                at_once = True
                whole = range(address + equal_bytes, address + len(expected) - BLOCK_BYTES + 1, BLOCK_BYTES)
                self._rom.read_blocks_at_once(whole, self._deadline, check)
                at_once = False
            step_by_step(len(expected))
        except _DiffersError:
            return equal_bytes, True
        except LinkError as error:
            if at_once:
                self._at_once = False
                self._recovery.recover(error)
            elif not isinstance(error, NackError):  # a refusal is looked into where the block is read alone
                self._recovery.recover(error)
        return equal_bytes, False

    def checksum_holds(self, address: int, expected: bytes) -> bool:
        """Whether the device's CRC says that `expected` is there; False also where it has none.

        It is believed after its CRC of a block that was also read back agrees; otherwise the command is not
        used again, because two forms of it are described.
        """
        if not self.by_checksum:
            return False
        first = self.read(address, min(BLOCK_BYTES, len(expected)))
        try:
            if self._rom.checksum(address, len(first), self._deadline) == flash_crc32(first):
                return self._rom.checksum(address, len(expected), self._deadline) == flash_crc32(expected)
        except LinkError as error:
            self._recovery.recover(error)
        self.by_checksum = False
        return False
