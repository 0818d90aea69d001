"""A simulated STM32 board: what its serial line, BOOT0, NRST and power do."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from enum import Enum, StrEnum, auto

from benchrunner.board import Board
from benchrunner.errors import UsageError
from benchrunner.image import SIMULATED_UID
from benchrunner.simulator.application import PlayedFirmware
from benchrunner.simulator.bootloader import (
    GoError,
    HangError,
    Protection,
    RomBootloader,
    SystemResetError,
)
from benchrunner.simulator.clock import BoardClock
from benchrunner.simulator.faults import FaultCounters, Faults, LineNoise
from benchrunner.simulator.memory import MemoryMap, NorFlash
from benchrunner.simulator.program import BootloaderRequestedError, Firmware, Program, Surroundings
from benchrunner.simulator.uart import LineFormat, heard
from benchrunner.transport import Parity

_ROM_BAUD_HZ = range(
    1200, 1_000_001
)  # what the ROM's baud detection can measure (AN2606; >115200 unpromised)
_CHATTER = b"\x00\xfebye from the last program\r\n"  # has a "y", 0x79: a host must drop it before it syncs
# A program in RAM that does nothing but reset the chip: it names AIRCR and its key (ARMv7-M, B3.2.6).
_RESET_STUB_WORDS = (b"\x0c\xed\x00\xe0", b"\x04\x00\xfa\x05")


class Boot(StrEnum):
    """What the board starts in while nobody drives BOOT0 over the line."""

    AUTO = "auto"  # the application where flash holds one, else the bootloader
    ROM = "rom"
    APP = "app"


class Mode(Enum):
    HELD = auto()  # NRST is low
    ROM = auto()
    APPLICATION = auto()
    DEAD = auto()  # nothing that answers: no program, a crashed one, a fault


class SimulatedBoard:
    """One board. Bytes, lines and power go in; bytes come out; time is `clock`.

    Safe to use from several threads: a server's, and that of a test or a power switch. `flash` is what flash
    holds from its base on; `checksum` lets the ROM offer Get Checksum, which few parts have. `firmware` is
    what an application is made of: played by default; `uid` what the unique id register reads.
    """

    def __init__(
        self,
        board: Board,
        faults: Faults | None = None,
        clock: BoardClock | None = None,
        flash: bytes = b"",
        *,
        boot: Boot = Boot.AUTO,
        checksum: bool = False,
        firmware: Firmware | None = None,
        uid: bytes = SIMULATED_UID,
    ) -> None:
        if board.mcu is None:
            raise UsageError(f"board {board.id}: only microcontroller boards can be simulated")
        self.board, self.mcu, self.uid = board, board.mcu, uid
        self.faults = faults if faults is not None else Faults()
        self.clock = clock if clock is not None else BoardClock()
        self.flash = NorFlash(self.mcu, flash, self.faults.stuck_bits)
        self.memory = MemoryMap(self.mcu, self.flash, uid)
        self.mode = Mode.DEAD
        self._firmware = firmware if firmware is not None else PlayedFirmware()
        self._firmware.power_on(self.memory)
        self._boot, self._checksum = boot, checksum
        self._protection = Protection(self.faults.readout_protected)
        self._counters = FaultCounters(self.faults)
        self._noise_in, self._noise_out = LineNoise(self.faults), LineNoise(self.faults)
        self._program: Program | None = None
        self._format: LineFormat | None = None  # of the program's UART; None until the ROM has found the rate
        self._outbox: deque[tuple[float, LineFormat | None, bytes]] = deque()
        self._boot0, self._held, self._lines_driven = False, False, False
        self._deaf_until_s = float("-inf")
        self._on_output: Callable[[], None] = lambda: None
        self._lock = threading.RLock()
        self._start(rom=self._boots_rom())

    # --- the serial line ---------------------------------------------------------------------------------

    def receive(self, data: bytes, line: LineFormat | None = None) -> None:
        """Bytes from the host, sent with the format `line`; None is a line without formats (a pty)."""
        with self._lock:
            data = self._noise_in.apply(data)
            self._spend_line_time(len(data))
            if self.clock.now_s() < self._deaf_until_s:
                return
            if self.mode is Mode.ROM and self._format is None and line is not None:
                if line.baud_hz not in _ROM_BAUD_HZ:
                    return
                self._format = LineFormat(line.baud_hz, Parity.EVEN)
                data = heard(data, line, self._format, mark_errors=False)
                self._run(data)
                if isinstance(self._program, RomBootloader) and not self._program.synced:
                    self._format = None
                return
            if line is not None and self._format is not None:
                data = heard(data, line, self._format, mark_errors=False)
            self._run(data)

    def transmit(self, line: LineFormat | None = None) -> bytes:
        """The bytes that are due by now, as a host that listens with the format `line` gets them."""
        with self._lock:
            if self._program is not None and self._program.again_in_s == 0.0:
                self._let_run(self._program, b"")
            now_s = self.clock.now_s()
            parts = []
            while self._outbox and self._outbox[0][0] <= now_s:
                _, sent, data = self._outbox.popleft()
                if sent is not None and line is not None:
                    data = heard(data, sent, line, mark_errors=True)
                parts.append(data)
            return b"".join(parts)

    def next_output_in_s(self) -> float | None:
        """Real seconds until `transmit` has something, None when nothing is on its way."""
        with self._lock:
            waits = [self._program.again_in_s] if self._program is not None else []
            if self._outbox:
                waits.append(max(0.0, self._outbox[0][0] - self.clock.now_s()))
            return min((wait for wait in waits if wait is not None), default=None)

    @property
    def bits_per_byte(self) -> int:
        """On the wire: 11 with the ROM's even parity, 10 with the application's none."""
        return 11 if self.mode is Mode.ROM else 10

    def on_output(self, callback: Callable[[], None]) -> None:
        """Call `callback` when output may have appeared without `receive`; for servers that sleep."""
        self._on_output = callback

    # --- lines and power ---------------------------------------------------------------------------------

    def set_lines(self, *, boot0: bool, reset: bool) -> None:
        """Drive BOOT0, and hold (`reset=True`) or release NRST. BOOT0 is sampled when NRST is released."""
        with self._lock:
            self._boot0 = boot0
            if reset and not self._held:
                self._held = True
                self._stop()
                self.mode = Mode.HELD
            elif not reset and self._held:
                self._held, self._lines_driven = False, True
                self._start(rom=self._boots_rom())
        self._on_output()

    def power_cycle(self) -> None:
        """Switch the board off and on: RAM is lost, everything else as after a reset."""
        with self._lock:
            self._stop()
            self.memory.erase_ram()
            self._firmware.power_on(self.memory)
            if self._held:
                self.mode = Mode.HELD
            else:
                self._start(rom=self._boots_rom())
        self._on_output()

    # --- inside ------------------------------------------------------------------------------------------

    def _boots_rom(self) -> bool:
        if self._lines_driven:
            return self._boot0
        match self._boot:
            case Boot.ROM:
                return True
            case Boot.APP:
                return False
            case Boot.AUTO:
                return not self._firmware.can_start(self.memory, self.flash.base)

    def _stop(self) -> None:
        """What was being done is lost, and with it the bytes that were not yet on the line."""
        now_s = self.clock.now_s()
        self._outbox = deque(entry for entry in self._outbox if entry[0] <= now_s)
        self.clock.interrupt()
        self._deaf_until_s = float("-inf")
        self._program = None

    def _start(self, *, rom: bool, vectors: int | None = None) -> None:
        """Start the ROM, or the application whose vector table is at `vectors` (default: of the flash)."""
        self._deaf_until_s = self.clock.free_s()
        self._format, self._program = None, None
        if self.faults.stale_chatter:
            self._emit(_CHATTER)
        if rom:
            self.mode = Mode.ROM
            self._program = RomBootloader(
                self.mcu,
                self.memory,
                self._protection,
                self.clock,
                self._counters,
                self._emit,
                checksum=self._checksum,
            )
            return
        self.mode = Mode.DEAD
        address = self.flash.base if vectors is None else vectors
        if self._firmware.can_start(self.memory, address):
            self.mode = Mode.APPLICATION
            self._until_it_ends(lambda: self._boot_application(address))

    def _boot_application(self, vectors: int) -> None:
        around = Surroundings(self.mcu, self.memory, self.clock, self._counters, self._emit, self._tune)
        self._program = self._firmware.boot(around, vectors)

    def _tune(self, line: LineFormat | None) -> None:
        self._format = line

    def _run(self, data: bytes) -> None:
        if self._program is not None and data:
            self._let_run(self._program, data)

    def _let_run(self, program: Program, data: bytes) -> None:
        self._until_it_ends(lambda: program.feed(data))

    def _until_it_ends(self, action: Callable[[], None]) -> None:
        """Let the program run; where it ends, start what follows."""
        try:
            action()
        except SystemResetError:
            self._start(rom=self._boots_rom())
        except BootloaderRequestedError:
            self._start(rom=True)
        except HangError:
            self.mode, self._program = Mode.DEAD, None
        except GoError as go:
            if go.address == self.flash.base or self._firmware.can_start(self.memory, go.address):
                self._start(rom=False, vectors=go.address)
            elif self._is_reset_stub(go.address):
                self._start(rom=self._boots_rom())
            else:
                self.mode, self._program = Mode.DEAD, None  # code that is not an image cannot be played

    def _is_reset_stub(self, address: int) -> bool:
        code = self.memory.read(address, 64) or b""
        return all(word in code for word in _RESET_STUB_WORDS)

    def _emit(self, data: bytes) -> None:
        data = self._noise_out.apply(data)
        self._spend_line_time(len(data))
        if data:
            self._outbox.append((self.clock.free_s(), self._format, data))

    def _spend_line_time(self, count: int) -> None:
        if self.faults.slow_line is not None:
            self.clock.advance(count * self.bits_per_byte / self.faults.slow_line)
