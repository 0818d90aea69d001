"""What a board runs: programs that are fed bytes, and the firmware that an application is started from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from benchrunner.board import Mcu
from benchrunner.simulator.clock import BoardClock
from benchrunner.simulator.faults import FaultCounters
from benchrunner.simulator.memory import MemoryMap
from benchrunner.simulator.uart import LineFormat


class BootloaderRequestedError(Exception):
    """The firmware starts the ROM bootloader."""


class Program(Protocol):
    """The ROM, or an application from one boot to the next reset.

    `feed` raises `SystemResetError`, `BootloaderRequestedError`, `HangError` or `GoError` where it ends.
    """

    @property
    def again_in_s(self) -> float | None:
        """In how many seconds it has more to do without new bytes: `feed(b"")` then lets it go on for a
        moment. None: never."""
        ...

    def feed(self, data: bytes) -> None:
        """Hand it bytes that it received."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a board offers to its application."""

    mcu: Mcu
    memory: MemoryMap
    clock: BoardClock
    counters: FaultCounters
    emit: Callable[[bytes], None]  # sends bytes with the format of the UART
    tune: Callable[[LineFormat | None], None]  # tells the format of the UART, None while it is not set up


class Firmware(Protocol):
    """How applications come about: played from the image, or executed."""

    def power_on(self, memory: MemoryMap) -> None:
        """The board was switched on."""
        ...

    def can_start(self, memory: MemoryMap, vectors: int) -> bool:
        """Whether something starts from the vector table at `vectors`."""
        ...

    def boot(self, around: Surroundings, vectors: int) -> Program: ...
