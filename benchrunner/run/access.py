"""How a run reaches its board, and in which state it leaves it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchrunner import lab
from benchrunner.board import Mcu
from benchrunner.deadline import Deadline
from benchrunner.emulator.machines import MACHINES
from benchrunner.errors import (
    BenchrunnerError,
    LinkError,
    ReadoutProtectedError,
    UsageError,
    WrongChipError,
)
from benchrunner.flash.entry import Entry, enter
from benchrunner.flash.journal import Journal
from benchrunner.flash.program import Compare, Options, program
from benchrunner.flash.reading import Reader
from benchrunner.flash.recovery import Recovery
from benchrunner.flash.rom import SIMULATED, RomBootloader, Timings
from benchrunner.flash.sectors import Progress
from benchrunner.image import EMULATED_UID, SIMULATED_UID
from benchrunner.protocol.an3155 import NackError
from benchrunner.protocol.an3155_frames import BLOCK_BYTES
from benchrunner.protocol.messages import JumpToBootloader
from benchrunner.record import Fidelity, Flashing
from benchrunner.run.device import Device
from benchrunner.run.machine import start_machine
from benchrunner.run.request import Observer, RunRequest, Step
from benchrunner.session.clock import HostClock
from benchrunner.session.link import Link
from benchrunner.simulator.board import SimulatedBoard
from benchrunner.simulator.clock import BoardClock
from benchrunner.simulator.rfc2217 import serve_rfc2217
from benchrunner.transport import Lines, Parity, Transport
from benchrunner.transport.network import Rfc2217Transport
from benchrunner.transport.serial import open_transport

if TYPE_CHECKING:
    from benchrunner.run.prepare import Image

_JUMP_S = 2.0


class SystemClock:
    """The host's own clock."""

    def now_s(self) -> float:
        return time.monotonic()

    def sleep_s(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class _Way:
    """A port, and what is known about it."""

    url: str
    place: str
    lines: Lines | None
    baud_hz: int  # of the firmware
    clock: HostClock
    shares_clock: bool  # the board lives in this process, on the same clock
    timings: Timings


def _journal_path(url: str) -> Path:
    """Where it is kept which image was verified last on this port."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "benchrunner" / f"flash-{hashlib.sha256(url.encode()).hexdigest()[:16]}.json"


class Connection:
    """An identified board whose ROM bootloader listens; from `start_application` on, its firmware."""

    def __init__(self, request: RunRequest, mcu: Mcu, way: _Way, transport: Transport) -> None:
        self.mcu, self.transport = mcu, transport
        self.clock, self.shares_clock, self.baud_hz = way.clock, way.shares_clock, way.baud_hz
        self.place, self.port = way.place, transport.description
        self.uid: bytes | None = None  # of the chip; None where it is not readable
        self._request = request
        self._rom = RomBootloader(transport, timings=way.timings)
        # A simulated board of this process starts empty: nothing that an earlier run verified is on it.
        self._journal = Journal(None if way.shares_clock else _journal_path(way.url))
        self._entry = Entry.WAITING

    @property
    def simulated(self) -> bool:
        """True where no code runs on the chip: it plays the model file that its image carries."""
        return self.uid == SIMULATED_UID

    @property
    def fidelity(self) -> Fidelity:
        """What the chip is by its unique id, whatever its firmware will say."""
        if self.simulated:
            return Fidelity.SIMULATED
        return Fidelity.EMULATED if self.uid == EMULATED_UID else Fidelity.MEASURED

    def identify(self, deadline: Deadline) -> None:
        """Enter the bootloader and find out which chip this is, before anything changes.

        Raises `WrongChipError`, `ReadoutProtectedError`, `LinkError`, `DeadlineExceededError`.
        """
        self._entry = enter(self._rom, ask_to_jump=self._ask_to_jump, deadline=deadline)
        found, board = self._rom.identify(deadline), self._request.board
        if found != self.mcu.chip.chip_id:
            raise WrongChipError(
                f"{self.port}: chip id {found:#05x}, {board.id} has {self.mcu.chip.chip_id:#05x}",
                hint="another board is plugged in; nothing was erased",
            )
        self.uid = self._read_uid(deadline)

    def program(
        self, image: Image, progress: Callable[[int, int], None], deadline: Deadline, *, full: bool = False
    ) -> Flashing:
        """Bring the image to the board; see `flash.program`. `full` compares every byte."""

        def show(state: Progress) -> None:
            progress(state.done_bytes, state.total_bytes)

        return program(
            self._rom,
            self._request.board,
            image.data,
            deadline=deadline,
            options=Options(
                compare=Compare.FULL if full or self._request.reflash else Compare.QUICK,
                allow_unprotect=self._request.unprotect,
            ),
            journal=self._journal,
            progress=show,
            clean_entry=self._entry.clean,
        )

    def start_application(self, deadline: Deadline) -> None:
        """Start what was flashed; the port speaks the firmware's format from the first byte on."""
        if self.transport.has_lines:
            self.transport.set_lines(boot0=False, reset=True)
        else:
            self._rom.go(self.mcu.flash.base, deadline)
        self.transport.set_format(self.baud_hz, Parity.NONE)
        if self.transport.has_lines:
            self._rom.discard()
            self.transport.set_lines(boot0=False, reset=False)

    def leave_sane(self, step: Step) -> str:
        """After an early end: reset what may hang; say what is on the board. Never raises."""
        if step in (Step.CONNECT, Step.IMAGE, Step.FLASH):
            return f"the board was left in its ROM bootloader: {self._journal.summary()}"
        try:
            if self.transport.has_lines:
                self.transport.set_lines(boot0=False, reset=True)
                self.transport.set_lines(boot0=False, reset=False)
        except BenchrunnerError as error:
            return f"the new image is on the board; it could not be reset: {error.message}"
        how = "was reset into it" if self.transport.has_lines else "runs it, or hangs in it"
        return f"the new image is on the board, which {how}"

    def _ask_to_jump(self) -> None:
        self.transport.set_format(self.baud_hz, Parity.NONE)
        self.transport.discard_input()
        link = Link(self.transport, baud_hz=self.baud_hz)
        try:
            link.request(JumpToBootloader(), Deadline(_JUMP_S))
        except BenchrunnerError as error:
            raise LinkError(f"{self.port}: the firmware did not jump to its bootloader") from error

    def _read_uid(self, deadline: Deadline) -> bytes | None:
        """The chip's unique id; None where it is not readable."""
        register = self.mcu.flash.uid_register
        offset = register % BLOCK_BYTES
        recovery = Recovery(self._rom, self.mcu.chip.chip_id, None, deadline)
        reader = Reader(self._rom, recovery, self._request.board.id, deadline)
        try:
            # Some F4 and L0 answer only to reads that start on a block.
            return reader.read(register - offset, BLOCK_BYTES)[offset : offset + 12]
        except ReadoutProtectedError:
            if not self._request.unprotect:
                raise
            return None
        except NackError:
            return None


@contextmanager
def connect(request: RunRequest, observer: Observer) -> Iterator[Device]:
    """Lock the place, open its port, identify the board. Port and lock are released at the end.

    A machine of QEMU is started instead.

    Raises `PlaceLockedError`, `PortError`, `LabError` (no board found), and as `Connection.identify`.
    """
    mcu = request.board.mcu
    if mcu is None:
        raise UsageError(f"board {request.board.id} is not a microcontroller board")
    machine = MACHINES.get(request.board.id)
    if machine is not None:
        with start_machine(request, machine, mcu, SystemClock(), observer) as device:
            yield device
        return
    with ExitStack() as stack:
        local = request.simulate or request.emulate
        way = _started(request, mcu, stack) if local else _plugged_in(request, mcu)
        if not way.shares_clock:
            stack.enter_context(lab.place_lock(way.url, " ".join(("benchrunner", *request.command))))
        observer.note(f"{way.place or 'port'}: {way.url}")
        transport = open_transport(way.url, baud_hz=way.baud_hz, parity=Parity.NONE, lines=way.lines)
        stack.callback(transport.close)
        connection = Connection(request, mcu, way, transport)
        connection.identify(Deadline(request.limits.connect_s))
        yield connection


@dataclass(frozen=True, slots=True)
class Line:
    """An open port, and what is known about it. What is on the board has not been touched."""

    transport: Transport
    url: str
    place: str
    baud_hz: int
    server: str  # what a serial port server says it is; empty where there is none, or it does not say


@contextmanager
def open_line(request: RunRequest, observer: Observer) -> Iterator[Line]:
    """Lock the place and open its port, for firmware that is on the board already.

    Raises `PlaceLockedError`, `PortError`, `LabError` (no board found).
    """
    mcu = request.board.mcu
    if mcu is None:
        raise UsageError(f"board {request.board.id} is not a microcontroller board")
    if request.board.id in MACHINES:
        raise UsageError(
            f"{request.board.id} is a machine of QEMU: there is no firmware on it before a run",
            hint="take engine aot",
        )
    way = _plugged_in(request, mcu)
    with lab.place_lock(way.url, " ".join(("benchrunner", *request.command))):
        observer.note(f"{way.place or 'port'}: {way.url}")
        transport = open_transport(way.url, baud_hz=way.baud_hz, parity=Parity.NONE, lines=way.lines)
        try:
            server = transport.signature() if isinstance(transport, Rfc2217Transport) else ""
            yield Line(transport, way.url, way.place, way.baud_hz, server)
        finally:
            transport.close()


def _started(request: RunRequest, mcu: Mcu, stack: ExitStack) -> _Way:
    """Start a simulated or emulated board of this process, as new: with empty flash.

    The run takes the board's clock for its own: modelled durations count whether or not they are waited for,
    so the board's counter is checked in instant time, too, and against something its faults do not touch.
    """
    clock = BoardClock()
    if request.emulate:
        try:
            from benchrunner.emulator.board import emulated_board
        except ModuleNotFoundError as error:
            raise UsageError(
                f"an emulated board needs the package {error.name}, which is not installed",
                hint="pip install 'benchrunner[emulator]'; or use --sim",
            ) from error
        board = emulated_board(request.board, request.faults, clock)
    else:
        board = SimulatedBoard(request.board, request.faults, clock)
    url = stack.enter_context(serve_rfc2217(board))
    place = "emulated board" if request.emulate else "simulated board"
    return _Way(url, place, Lines(), mcu.serial.baud_hz, clock, True, SIMULATED)


def _plugged_in(request: RunRequest, mcu: Mcu) -> _Way:
    """The port that was named, the place of lab.toml, or the one board that is connected."""
    board, place = request.board, None
    if request.port is None:
        laboratory = lab.find_lab(request.lab_file)
        if request.place is not None:
            place = laboratory.place(request.place)
            if place.board != board.id:
                raise UsageError(
                    f"place {place.name} holds a {place.board}, not a {board.id}",
                    hint=f"use --board {place.board}, or another place",
                )
        else:
            places = laboratory.places_of(board.id)
            if len(places) > 1:
                raise UsageError(
                    f"{board.id} is at {len(places)} places: {', '.join(p.name for p in places)}",
                    hint="choose one with --place",
                )
            place = places[0] if places else None
    lines = Lines() if request.boot_lines or mcu.serial.boot_lines else None
    url, baud_hz = request.port, mcu.serial.baud_hz
    if place is not None:
        url, baud_hz = lab.port_of(place, board), place.app_baud_hz or baud_hz
        if place.has_lines:
            lines = Lines(place.lines_swapped, place.boot0_inverted, place.nrst_inverted)
    elif url is None:
        url = lab.find_port(board).device
    return _Way(url, place.name if place else "", lines, baud_hz, SystemClock(), False, Timings())
