"""What a run is asked to do, how it tells where it is, and what it leaves."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from benchrunner.board import Board
from benchrunner.emulator.machines import MACHINES
from benchrunner.errors import UsageError
from benchrunner.record import Fidelity, Measurement
from benchrunner.session.linux.preflight import FitLimits, Policy

if TYPE_CHECKING:
    from benchrunner.run.linux.kept import KeptConnection
    from benchrunner.simulator.faults import Faults
    from benchrunner.simulator.linux import LinuxFaults
    from benchrunner.transport.ssh_target import SshTarget


class Step(StrEnum):
    """The steps of a run, in their order (docs/architecture.md says what ends each)."""

    ANALYSE = "analyse"
    CONNECT = "connect"
    CONDITIONS = "conditions"  # of a Linux board, before
    COPY = "copy"  # to a Linux board
    START = "start"  # of the program under test on a Linux board, with everything from init to timed
    AFTER = "conditions after"
    IMAGE = "image"
    FLASH = "flash"
    BOOT = "boot"
    MANIFEST = "manifest"
    INPUT = "input"
    COLD = "cold"
    OUTPUT = "output"
    WARM_UP = "warm-up"
    TIMED = "timed"
    CLOCK = "clock"
    LAYERS = "layers"
    MEMORY = "memory"
    STORE = "store"


ONLY_LINUX = frozenset({Step.CONDITIONS, Step.COPY, Step.START, Step.AFTER})
"""Steps that a microcontroller does not have."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Longest times, in seconds, for what a board may do."""

    command_s: float = 120.0  # a short command of a Linux board, which may be an emulated one
    copy_s: float = 900.0  # 50 MB over a link of 1 Mbit/s come near it
    tool_s: float = 3600.0  # all calls of a tool of the board
    runtime_s: float = 180.0  # Python and a runtime from a slow card, until they say hello
    connect_s: float = 30.0
    leaving_s: float = 3.0  # after Ctrl-C, to put a Linux board back
    flash_s: float = 900.0  # 2 MB at 57600 baud, written and verified
    boot_s: float = 5.0
    request_s: float = 2.0
    first_inference_s: float = 120.0  # nothing is known yet; later ones get three times the first


_UNSAID: Final = Limits()
COMPUTED: Final = Limits(boot_s=30.0, request_s=20.0)
"""Of a board that this computer computes: it is as slow as others leave it processors."""


@dataclass(frozen=True, slots=True)
class LinuxOptions:
    """What is asked of a Linux board beyond a run of a microcontroller."""

    host: str | None = None  # `user@host:port` or an alias of ~/.ssh/config; None: the place's
    target: SshTarget | None = None  # instead of `host`, all settled
    key_file: Path | None = None
    jump: str | None = None
    password_variable: str | None = None
    ask: Callable[[str], str | None] | None = field(default=None, compare=False)
    kept: KeptConnection | None = field(default=None, compare=False, repr=False)  # None: one for each case
    threads: int = 1
    affinity: tuple[int, ...] | None = None
    delegate: str | None = None  # path of a library on the board
    starts: int = 1
    tune: bool = False  # pin the frequency for the length of the case
    policy: Policy = Policy.WARN
    fit: FitLimits = field(default_factory=FitLimits)
    python: str = "python3"  # of the board
    runtime: str = "auto"
    kernels: str = "default"
    timing: str = "auto"
    xnnpack: bool | None = None  # of benchmark_model; None: its build's default
    system_root: str = ""  # where the board's /proc and /sys are


def parse_cpus(text: str) -> tuple[int, ...]:
    """`0-1,3` as (0, 1, 3). Raises `UsageError`."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise UsageError(f"--affinity {text!r}: expected CPUs such as 0 or 0-1,3, found {part!r}")
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One case and how to reach the board. At most one of `port`, `simulate` and `emulate`."""

    board: Board
    board_file_sha256: str
    model: Path
    engine: str = "aot"
    runs: int = 10
    warmups: int | None = None  # None: until stable
    port: str | None = None
    boot_lines: bool = False  # RTS and DTR of the port drive BOOT0 and NRST, whatever the board file says
    simulate: bool = False  # a simulated board of this process
    emulate: bool = False  # an emulated one: it executes the image that a real board would get
    faults: Faults | None = None
    stated_fidelity: Fidelity | None = None  # of foreign firmware, which cannot be asked
    input_file: Path | None = None
    tolerance_lsb: int = 0
    tolerance_stated: bool = False  # False: a Linux board's answer may be off by what its data type allows
    image: Path | None = None  # flashed as it is, instead of building one
    reflash: bool = False  # compare every byte of flash instead of trusting what is known to be there
    unprotect: bool = False
    lab_file: Path | None = None
    place: str | None = None
    results: Path = Path("results")
    command: tuple[str, ...] = ()
    run_id: str | None = (
        None  # of the record, where whoever asks has chosen one (benchrunner.store.new_run_id)
    )
    suite_run: str = ""  # the run of a suite that the case belongs to
    stopped_by: str = "Ctrl-C"  # what a KeyboardInterrupt means, for the record
    limits: Limits = _UNSAID
    linux: LinuxOptions = field(default_factory=LinuxOptions)
    linux_faults: LinuxFaults | None = None

    def __post_init__(self) -> None:
        if self.limits is _UNSAID and (self.simulate or self.emulate or self.board.id in MACHINES):
            object.__setattr__(self, "limits", COMPUTED)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A measurement and where it is stored; `path` is None when it could not be, and `problem` says why."""

    measurement: Measurement
    path: Path | None
    exit_status: int
    hint: str  # what to do about an outcome that is not ok
    problem: str = ""


class Observer(Protocol):
    """Who is told where a run is. Called from the thread that runs it; must not raise."""

    def step(self, step: Step, detail: str) -> None:
        """A step begins."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """How far the current step is."""

    def note(self, text: str) -> None:
        """Something a person should know."""


class StepTimer:
    """Which step is running, and the wall time of each so far."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.current = Step.ANALYSE
        self.elapsed_ns: dict[str, int] = {}

    @contextmanager
    def __call__(self, step: Step, detail: str = "") -> Iterator[None]:
        self.current = step
        self._observer.step(step, detail)
        began_ns = time.perf_counter_ns()
        try:
            yield
        finally:
            self.elapsed_ns[step] = self.elapsed_ns.get(step, 0) + time.perf_counter_ns() - began_ns


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and a scheduler's SIGTERM wait until the block is done."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python interrupts the main thread alone
        return
    # Not by the mask of this thread: the kernel then gives the signal to another one (a simulated board and
    # the worker of a suite have several), and Python raises its KeyboardInterrupt here all the same.
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda which, _: came.append(which))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for which in dict.fromkeys(came):
            signal.raise_signal(which)
