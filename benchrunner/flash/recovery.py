"""The ladder of recovery: drain, resynchronise, reset, power cycle (reference rules of AN3155 hosts)."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from benchrunner.deadline import Deadline
from benchrunner.errors import LinkError, ReadoutProtectedError, WrongChipError
from benchrunner.flash.rom import RomBootloader
from benchrunner.protocol.an3155 import NackError

BLOCK_TRIES = 3


class Level(IntEnum):
    """How far up the ladder a recovery went."""

    NONE = 0
    BLOCK = 1  # drain and try again
    RESYNC = 2  # push the device out of what it waits for
    RESET = 3  # NRST
    POWER = 4  # power cycle


class Recovery:
    """Brings the device back to its command loop and counts what that took.

    Whenever it comes back its product id is compared with `chip_id`, because whatever happened in between
    may have been somebody changing boards. Raises `WrongChipError` then, `LinkError` at the ladder's end.
    """

    def __init__(
        self, rom: RomBootloader, chip_id: int, power_cycle: Callable[[], None] | None, deadline: Deadline
    ) -> None:
        self._rom = rom
        self._chip_id = chip_id
        self._deadline = deadline
        self._power_cycle = power_cycle
        self.retries = 0
        self.link_errors = 0
        self.highest = Level.NONE

    def recover(self, error: LinkError, lowest: Level = Level.BLOCK) -> Level:
        """Climb from `lowest` until the device answers; the level that did it."""
        self.retries += 1
        self.link_errors += 1
        for level, step in self._ladder():
            if level < lowest:
                continue
            self.highest = max(self.highest, level)
            try:
                step()
                self._check_chip()
            except LinkError:
                continue
            return level
        raise LinkError(
            f"{self._rom.transport.description}: the bootloader does not come back: {error.message}",
            hint="power-cycle the board and flash again; if that fails, use its debug probe",
        ) from error

    def _ladder(self) -> list[tuple[Level, Callable[[], None]]]:
        steps: list[tuple[Level, Callable[[], None]]] = [(Level.BLOCK, self._realign)]
        if self._rom.transport.has_lines:
            steps.append((Level.RESET, self._reset))
        else:
            steps.append((Level.RESYNC, self._resynchronise))
        if self._power_cycle is not None:
            steps.append((Level.POWER, self._cycle_power))
        return steps

    def _realign(self) -> None:
        """Whatever is left on the wire runs out; half a command left in the device is completed."""
        self._rom.drain()
        try:
            self._rom.identify(self._deadline)
        except LinkError:
            self._rom.drain()
            self._rom.synchronise(self._deadline)

    def _resynchronise(self) -> None:
        try:
            self._rom.synchronise(self._deadline)
        except LinkError:
            self._rom.push_out(self._deadline)

    def _reset(self) -> None:
        self._rom.reset_into_rom(self._deadline)

    def _cycle_power(self) -> None:
        assert self._power_cycle is not None
        self._power_cycle()
        if self._rom.transport.has_lines:
            self._reset()
        else:
            self._rom.discard()
            self._rom.synchronise(self._deadline)

    def _check_chip(self) -> None:
        found = self._rom.identify(self._deadline)
        if found != self._chip_id:
            found = self._rom.identify(self._deadline)  # a byte may have been hit on the wire
        if found != self._chip_id:
            raise WrongChipError(
                f"{self._rom.transport.description}: chip id {found:#05x} after a recovery, "
                f"expected {self._chip_id:#05x}",
                hint="was the board exchanged? nothing was erased since",
            )


def refused(error: LinkError, what: str) -> LinkError | ReadoutProtectedError:
    """What a refusal that repeats itself means."""
    if isinstance(error, NackError) and error.at == "command":
        return ReadoutProtectedError(
            f"{what}: the chip refuses access to its flash (readout protection)",
            hint="lifting it erases the whole chip: --unprotect does so",
        )
    return error
