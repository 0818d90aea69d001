"""Measuring firmware that speaks MLPerf Tiny's serial commands, by the rules of its performance mode."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchrunner.deadline import Deadline
from benchrunner.errors import (
    ClockInvalidError,
    DeadlineExceededError,
    DeviceFaultError,
    LinkError,
    MalformedMessageError,
    OutputMismatchError,
    WrongImageError,
)
from benchrunner.protocol import mlperf_tiny as tiny
from benchrunner.protocol.messages import ErrorCode
from benchrunner.session.clock import HostClock
from benchrunner.transport import Transport

REPLY_S = 5.0  # what the public runner allows for a line
NAME_S = 2.0
NAME_TRIES = 4
LOAD_TRIES = 3
WINDOW_TRIES = 3
TARGET_WINDOW_S = 12.0  # between 10.5 and 30, with room for inputs that take longer or shorter
WANTED_WINDOW_S = 10.5
LONGEST_WARMUP_S = 10.0
UNTIMED_INFERENCE_S = 600.0  # by the host's clock, of a device that is much slower than a board
PROBE_S = 0.2  # a shorter probe is repeated with more inferences: timers may have a resolution of 1 ms
CLOCK_LIMIT = 0.02  # device against host over one window of ten seconds; lines take milliseconds
CLOCK_SLACK_S = 0.2
HALF_DECIMAL = 0.0005 + 1e-6  # results are printed with three decimals
_READ_BYTES = 65536
_BITS_PER_BYTE = 10


@dataclass(frozen=True, slots=True)
class Case:
    """One input as `db` takes it, and what the firmware has to answer."""

    data: bytes
    expected: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """One `infer`, as the device timed it."""

    iterations: int
    warmups: int
    elapsed_us: int
    host_s: float  # between the arrivals of m-infer-start and m-infer-done
    results: tuple[float, ...]

    @property
    def inferences_per_s(self) -> float:
        return self.iterations / (self.elapsed_us / 1e6)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the benchmark, and whether this measurement keeps it."""

    text: str
    kept: bool
    found: str


@dataclass(frozen=True, slots=True)
class Announced:
    """What firmware says of itself. `fidelity` is empty where it does not say."""

    vendor: str
    profile: str
    model: str
    fidelity: str


@dataclass(frozen=True, slots=True)
class TinyMeasurement:
    """What one firmware did with one model."""

    announced: Announced
    first_us: int  # the first inference that was asked for; not since reset
    windows: tuple[Window, ...]
    largest_difference: float
    rules: tuple[Rule, ...]

    @property
    def median_per_s(self) -> float:
        """The benchmark's score, inferences per second."""
        return median(window.inferences_per_s for window in self.windows)


class TinyDevice:
    """Commands and their answers over a transport that may lose bytes. Time is the clock's."""

    def __init__(self, transport: Transport, clock: HostClock, *, baud_hz: int = 115_200) -> None:
        self._transport, self._clock, self._byte_s = transport, clock, _BITS_PER_BYTE / baud_hz
        self._decoder = tiny.LineDecoder()
        self._lines: list[str] = []

    def deadline(self, budget_s: float) -> Deadline:
        return Deadline(budget_s, clock=self._clock.now_s)

    def ask(
        self, text: str, deadline: Deadline, *, arrived: Callable[[str], None] = lambda _line: None
    ) -> list[str]:
        """The lines that answer a command, without `m-ready`; `arrived` is told each as it comes.

        Raises `DeadlineExceededError` when `m-ready` does not come, `PortError` when the port is lost.
        """
        self._transport.write(tiny.command(text))
        answer: list[str] = []
        while True:
            while self._lines:
                line = self._lines.pop(0)
                arrived(line)
                if tiny.READY in line:
                    return answer
                if line.strip():
                    answer.append(line)
            if deadline.expired:
                raise DeadlineExceededError(
                    f"{self._transport.description}: no {tiny.READY} after {text!r} within "
                    f"{deadline.budget_s:g} s; so far: {answer[:4]!r}",
                    hint="does the firmware speak MLPerf Tiny's commands, at this baud rate?",
                )
            self._lines += self._decoder.feed(self._transport.read(_READ_BYTES, deadline))

    def find(self) -> str:
        """The vendor's name, after whatever was on the line. Raises `DeadlineExceededError`, `LinkError`."""
        self._transport.discard_input()
        for attempt in range(NAME_TRIES):
            try:
                # From the second time on a '%' first: it ends what noise has begun in the device's buffer.
                lines = self.ask("name", self.deadline(NAME_S)) if not attempt else self._name_again()
                return tiny.name(lines)
            except (DeadlineExceededError, MalformedMessageError):
                if attempt + 1 == NAME_TRIES:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _name_again(self) -> list[str]:
        self._transport.write(b"%")
        pause = self.deadline(NAME_S / 4)
        while self._transport.read(_READ_BYTES, pause):
            pass
        self._lines.clear()
        self._decoder = tiny.LineDecoder()
        return self.ask("name", self.deadline(NAME_S))

    def load(self, data: bytes) -> None:
        """Bring an input to the device; all of it again when bytes were lost. Raises `LinkError`."""
        complaints: list[str] = []
        for _ in range(LOAD_TRIES):
            lines: list[str] = []
            for text in tiny.load_commands(data):
                lines += self.ask(text, self.deadline(REPLY_S))
                if complaints := tiny.errors(lines):
                    break
            if not complaints and "m-load-done" in (line.strip() for line in lines):
                return
            complaints = complaints or ["no m-load-done"]
        raise LinkError(
            f"{self._transport.description}: an input of {len(data)} bytes did not arrive in {LOAD_TRIES} "
            f"tries: {complaints[0]}",
            hint="another model's firmware, or a line that loses bytes: try a lower baud rate",
        )

    def infer(self, iterations: int, warmups: int, budget_s: float) -> Window:
        """One timed window. Raises `DeviceFaultError` for what the device refuses."""
        at: dict[str, float] = {}

        def note(line: str) -> None:
            for mark in ("m-infer-start", "m-infer-done"):
                if line.startswith(mark):
                    at[mark] = self._clock.now_s()

        lines = self.ask(f"infer {iterations} {warmups}", self.deadline(budget_s), arrived=note)
        if complaints := tiny.errors(lines):
            raise DeviceFaultError(
                f"{self._transport.description}: the device answered infer with {complaints[0]!r}",
                code=ErrorCode.BAD_ARGUMENT,
                text=complaints[0],
            )
        if len(at) != 2:
            raise MalformedMessageError(f"infer answered without m-infer-start and m-infer-done: {lines!r}")
        host_s = at["m-infer-done"] - at["m-infer-start"]
        return Window(iterations, warmups, tiny.window_us(lines), host_s, tiny.results(lines))


def identify(device: TinyDevice) -> Announced:
    """Ask who answers. Raises as `TinyDevice.find`."""
    vendor = device.find()
    lines = device.ask("profile", device.deadline(REPLY_S))
    return Announced(vendor, *tiny.profile(lines), tiny.fidelity(lines))


def measure(
    device: TinyDevice,
    announced: Announced,
    model: tiny.TinyModel,
    cases: Sequence[Case],
    *,
    tolerance: float,
    timed: bool = True,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> TinyMeasurement:
    """Five windows of at least ten seconds, one for each input, and whether the rules are kept.

    `tolerance` is the largest allowed difference of a result from what is expected, besides half of the last
    decimal that is printed. A device whose time is none is not `timed`: it answers each input once, and there
    are no rules to keep. Raises `WrongImageError` for firmware of another model, `OutputMismatchError` for
    a wrong answer, `ClockInvalidError` when the device's time differs from the host's, and as `TinyDevice`.
    """
    if announced.model != model.name:
        raise WrongImageError(
            f"the firmware runs {announced.model!r}, the model is {model.name!r}",
            hint="flash the firmware of this model",
        )
    windows: list[Window] = []
    first_us, largest = 0, 0.0
    for number, case in enumerate(cases):
        progress(number, len(cases))
        device.load(case.data)
        if not timed:
            window = device.infer(1, 0, UNTIMED_INFERENCE_S)
        else:
            if not windows:
                first_us, latest = _probe(device)
            window = latest = _window(device, latest, model.warmups)
        largest = max(largest, _compare(window.results, case.expected, number, tolerance))
        windows.append(window)
        if timed:
            _check_clock(window, number)
    progress(len(cases), len(cases))
    rules = _rules(cases, windows, largest, tolerance) if timed else ()
    return TinyMeasurement(announced, first_us, tuple(windows), largest, rules)


def _probe(device: TinyDevice) -> tuple[int, Window]:
    """Microseconds of one inference, and a window that is long enough to choose a number of inferences by."""
    window = device.infer(1, 0, 2 * tiny.LONGEST_WINDOW_S)
    first_us = window.elapsed_us
    while window.elapsed_us < PROBE_S * 1e6:
        more = math.ceil(window.iterations * min(1000.0, 1.5 * PROBE_S * 1e6 / window.elapsed_us))
        window = device.infer(more, 0, 2 * tiny.LONGEST_WINDOW_S)
    return first_us, window


def _fits(window: Window) -> bool:
    return WANTED_WINDOW_S <= window.elapsed_us / 1e6 < tiny.LONGEST_WINDOW_S


def _window(device: TinyDevice, latest: Window, warmups: int) -> Window:
    """A window that is long enough and not too long, if any number of inferences makes one."""
    for _ in range(WINDOW_TRIES):
        rate = latest.inferences_per_s
        # What has filled a window does so again, so that all have the same number.
        iterations = latest.iterations if _fits(latest) else max(1, math.ceil(TARGET_WINDOW_S * rate))
        some = min(warmups, max(1, int(LONGEST_WARMUP_S * rate)))
        latest = device.infer(iterations, some, tiny.LONGEST_WINDOW_S + 2 * (iterations + some) / rate)
        if _fits(latest) or iterations == 1:
            break
    return latest


def _compare(found: tuple[float, ...], expected: tuple[float, ...], number: int, tolerance: float) -> float:
    if len(found) != len(expected):
        raise OutputMismatchError(f"input {number}: {len(found)} results, expected {len(expected)}")
    differences = [abs(ours - theirs) for ours, theirs in zip(found, expected, strict=True)]
    difference = max(differences)
    if not all(each <= tolerance + HALF_DECIMAL for each in differences):  # written so that NaN fails
        raise OutputMismatchError(
            f"input {number}: results differ from the reference by up to {difference:.3f}, allowed "
            f"{tolerance:g}: device {found[:12]}, reference "
            f"{tuple(round(each, 3) for each in expected[:12])}",
            hint="a wrong answer has no throughput; if the engine is known to round differently, state it "
            "with --tolerance",
        )
    return difference


def _check_clock(window: Window, number: int) -> None:
    device_s = window.elapsed_us / 1e6
    if abs(window.host_s - device_s) > CLOCK_LIMIT * device_s + CLOCK_SLACK_S:
        raise ClockInvalidError(
            f"window {number + 1}: {device_s:.3f} s by the device's timer, "
            f"{window.host_s:.3f} s by the host's",
            hint="the firmware's timer has the wrong clock, or its answers are held up on the way",
        )


def _rules(
    cases: Sequence[Case], windows: Sequence[Window], largest: float, tolerance: float
) -> tuple[Rule, ...]:
    seconds = [window.elapsed_us / 1e6 for window in windows]
    counts = {window.iterations for window in windows}
    return (
        Rule("five windows", len(windows) == tiny.WINDOWS, str(len(windows))),
        Rule(
            "each on another input", len({case.data for case in cases}) == len(cases), f"{len(cases)} inputs"
        ),
        Rule(
            f"each at least {tiny.SHORTEST_WINDOW_S:g} s",
            min(seconds) >= tiny.SHORTEST_WINDOW_S,
            f"shortest {min(seconds):.3f} s",
        ),
        Rule(
            f"each shorter than the runner's limit of {tiny.LONGEST_WINDOW_S:g} s",
            max(seconds) < tiny.LONGEST_WINDOW_S,
            f"longest {max(seconds):.3f} s",
        ),
        Rule("the same number of inferences in each", len(counts) == 1, ", ".join(map(str, sorted(counts)))),
        Rule(
            f"results within {tolerance:g} of the reference",
            largest <= tolerance + HALF_DECIMAL,
            f"largest difference {largest:.4f}",
        ),
    )
