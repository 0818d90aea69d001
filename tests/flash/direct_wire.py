"""A transport that hands bytes to a simulated board in the same thread: a silent board costs no time.

Time is simulated for both: it moves on to the next thing that happens, a byte or the end of a deadline.
"""

from __future__ import annotations

from collections.abc import Callable

from benchrunner.board import Board
from benchrunner.deadline import Deadline
from benchrunner.flash.journal import Journal
from benchrunner.flash.program import FlashJob, Options
from benchrunner.flash.rom import SIMULATED, RomBootloader, Timings
from benchrunner.simulator.board import Boot, SimulatedBoard
from benchrunner.simulator.clock import REAL, BoardClock
from benchrunner.simulator.faults import Faults
from benchrunner.simulator.uart import LineFormat
from benchrunner.transport import Parity


class HostKilledError(BaseException):
    """The host process is gone at this byte."""


class Time:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class DirectWire:
    """The host's end of the line to `sim`."""

    def __init__(
        self, sim: SimulatedBoard, time: Time, *, lines: bool, kill_at_byte: int | None = None
    ) -> None:
        self.sim = sim
        self.sent_bytes = 0
        self.received_bytes = 0
        self.line_changes: list[tuple[bool, bool]] = []
        self._time = time
        self._lines = lines
        self._kill_at_byte = kill_at_byte
        self._format = LineFormat(115200, Parity.NONE)
        self._input = b""

    @property
    def description(self) -> str:
        return "direct wire"

    @property
    def has_lines(self) -> bool:
        return self._lines

    @property
    def wire_bytes(self) -> int:
        return self.sent_bytes + self.received_bytes

    def write(self, data: bytes) -> None:
        if self._kill_at_byte is not None and self.sent_bytes + len(data) > self._kill_at_byte:
            data = data[: self._kill_at_byte - self.sent_bytes]
            self.sim.receive(data, self._format)
            raise HostKilledError
        self.sent_bytes += len(data)
        self.sim.receive(data, self._format)

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        self._fill()
        while not self._input:
            wait_s, left_s = self.sim.next_output_in_s(), deadline.remaining_s()
            if wait_s is None or wait_s > left_s:
                self._time.now_s += left_s
                return b""
            self._time.now_s += wait_s + 1e-9
            self._fill()
        data, self._input = self._input[:max_bytes], self._input[max_bytes:]
        self.received_bytes += len(data)
        return data

    def discard_input(self) -> int:
        self._fill()
        dropped, self._input = len(self._input), b""
        return dropped

    def set_format(self, baud_hz: int, parity: Parity) -> None:
        self._format = LineFormat(baud_hz, parity)

    def set_lines(self, *, boot0: bool, reset: bool) -> None:
        assert self._lines
        self.line_changes.append((boot0, reset))
        self.sim.set_lines(boot0=boot0, reset=reset)

    def close(self) -> None:
        pass

    def _fill(self) -> None:
        self._input += self.sim.transmit(self._format)


class Bench:
    """A simulated board with a fault, and the host that flashes it."""

    def __init__(
        self,
        board: Board,
        faults: Faults | None = None,
        *,
        lines: bool = True,
        flash: bytes = b"",
        checksum: bool = False,
        timings: Timings = SIMULATED,
        boot: Boot = Boot.ROM,
    ) -> None:
        self.board = board
        self.time = Time()
        clock = BoardClock(REAL, monotonic=self.time)
        self.sim = SimulatedBoard(board, faults, clock, flash, boot=boot, checksum=checksum)
        self.wire = DirectWire(self.sim, self.time, lines=lines)
        self.timings = timings
        self.rom = self.host(self.wire)

    def host(self, wire: DirectWire) -> RomBootloader:
        return RomBootloader(wire, timings=self.timings, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.time.now_s += seconds

    def deadline(self, budget_s: float = 3600.0) -> Deadline:
        return Deadline(budget_s, clock=self.time)

    def restarted(self, *, kill_at_byte: int | None = None) -> None:
        """A new host process at the same board."""
        self.wire = DirectWire(self.sim, self.time, lines=self.wire.has_lines, kill_at_byte=kill_at_byte)
        self.rom = self.host(self.wire)

    def job(
        self,
        *,
        options: Options | None = None,
        journal: Journal | None = None,
        power_cycle: Callable[[], None] | None = None,
        budget_s: float = 3600.0,
        clean_entry: bool = True,
    ) -> FlashJob:
        return FlashJob(
            self.rom,
            self.board,
            deadline=self.deadline(budget_s),
            options=options,
            journal=journal,
            power_cycle=power_cycle,
            clean_entry=clean_entry,
        )

    def holds(self, image: bytes) -> bool:
        return self.sim.flash.content[: len(image)] == image
