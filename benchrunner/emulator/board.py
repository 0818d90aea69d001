"""An emulated STM32 board: the simulated one, whose application is the flashed image, executed."""

from __future__ import annotations

import random
from collections.abc import Callable

from benchrunner.board import Board
from benchrunner.emulator.clocks import ResetCause
from benchrunner.emulator.core import CoreFault
from benchrunner.emulator.machine import Ends, Machine, Memory, family_of
from benchrunner.emulator.wiring import wiring_of
from benchrunner.errors import UsageError
from benchrunner.image import EMULATED_UID
from benchrunner.simulator.board import Boot, SimulatedBoard
from benchrunner.simulator.bootloader import SystemResetError
from benchrunner.simulator.clock import BoardClock
from benchrunner.simulator.faults import Faults
from benchrunner.simulator.memory import MemoryMap
from benchrunner.simulator.program import Surroundings

_NOISE_SEED = 20_240_117  # RAM at power-on: not zero, and the same every time


class EmulatedFirmware:
    """Executes what is in flash. Keeps what outlives a reset, and the faults of the core that it saw.

    `on_fault` is called for each of them, when it happens, from the thread that serves the board.
    """

    def __init__(self, board: Board, on_fault: Callable[[CoreFault], None] = lambda _: None) -> None:
        if board.mcu is None:
            raise UsageError(f"board {board.id}: only microcontroller boards can be emulated")
        self._wiring = wiring_of(board)
        family_of(board.mcu)
        self._on_fault = on_fault
        self._memory = Memory({})
        self._next_cause = ResetCause.POWER
        self.machine: Machine | None = None  # of the last boot
        self.faults: list[CoreFault] = []

    def power_on(self, memory: MemoryMap) -> None:
        noise = random.Random(_NOISE_SEED)
        for ram in memory.rams.values():
            ram[:] = noise.randbytes(len(ram))
        self._memory = Memory({})
        self._next_cause = ResetCause.POWER

    def can_start(self, memory: MemoryMap, vectors: int) -> bool:
        return memory.vectors_at(vectors) is not None

    def boot(self, around: Surroundings, vectors: int) -> _Run:
        cause, self._next_cause = self._next_cause, ResetCause.PIN
        around.tune(None)
        ends = Ends(around.emit, around.tune, self._report)
        faults = around.counters.faults
        self.machine = Machine(
            around.mcu, self._wiring, around.memory, self._memory, vectors, cause, faults, ends
        )
        return _Run(self.machine, self._ended)

    def _ended(self, cause: ResetCause) -> None:
        self._next_cause = cause

    def _report(self, fault: CoreFault) -> None:
        self.faults.append(fault)
        self._on_fault(fault)


class _Run:
    """A machine as a program of the board; tells why it ended."""

    def __init__(self, machine: Machine, ended: Callable[[ResetCause], None]) -> None:
        self._machine, self._ended = machine, ended

    @property
    def again_in_s(self) -> float | None:
        return self._machine.again_in_s

    def feed(self, data: bytes) -> None:
        try:
            self._machine.feed(data)
        except SystemResetError:
            self._ended(self._machine.cause)
            raise


def emulated_board(
    board: Board,
    faults: Faults | None = None,
    clock: BoardClock | None = None,
    flash: bytes = b"",
    *,
    boot: Boot = Boot.AUTO,
    checksum: bool = False,
    firmware: EmulatedFirmware | None = None,
) -> SimulatedBoard:
    """A board that executes its image, to be served like any simulated one.

    Faults of the line, of the ROM and of the chip work as on the simulated board; those that a played
    application acts out (`wrong_output` and its like) do not, because here the firmware is the real one.
    `firmware` gives access to the core's faults and counts. Raises `UsageError` for a board that cannot be
    emulated.
    """
    executed = firmware if firmware is not None else EmulatedFirmware(board)
    return SimulatedBoard(
        *(board, faults, clock, flash), boot=boot, checksum=checksum, firmware=executed, uid=EMULATED_UID
    )
