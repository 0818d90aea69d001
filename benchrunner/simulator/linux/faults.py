"""Faults of a simulated Linux board as declared data, and the counters that place each of them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from benchrunner.errors import UsageError
from benchrunner.simulator.faults import At, Slowed, parse_into

STEPS = ("connect", "login", "exec", "put", "get", "remove", "run")
"""A TCP connection; a finished login; a command; a write, a read, a removal by SFTP; an inference."""

ANSWERS = ("huge", "binary", "json")
TOOLS = (
    *("benchmark_model", "nbg_benchmark", "onnxruntime_perf_test", "x-linux-ai", "x-linux-ai-benchmark"),
    *("python3", "sha256sum"),
)


@dataclass(frozen=True, slots=True)
class LinuxFaults:
    """What is wrong with a board. Everything is off by default; counts start at 1; a count hits once."""

    auth_refused: bool = False
    changed_host_key: bool = False  # the server has another key than the one that was announced
    drop_at_byte: int | None = None  # the connection ends after that many bytes, of both directions together
    drop_in: At | None = None  # the connection ends when this step is reached
    hang_in: At | None = None  # the step never ends
    reboot_in: At | None = None  # the board starts anew in this step
    runner_hang: bool = False  # the runner on the board says hello and then nothing
    disk_full: bool = False
    disk_free_bytes: int | None = None
    tool_missing: str | None = None
    tool_without_result: bool = False  # tools exit with status 0 and print no result
    silent_cpu_fallback: bool = False  # an accelerated run is a run on the CPU, with the board's own remark
    no_runtime: bool = False
    runtime_too_old: bool = False
    throttling: bool = False  # hot: the trip point is passed during inferences, the clock is lowered
    governor_change: str | None = None  # something sets this governor in the middle of a run
    governor_locked: bool = False  # the governor cannot be written
    wrong_device_tree: bool = False
    clock_step_s: float | None = None  # the wall clock jumps by that much in the middle of a run
    slow_link: int | None = None  # bytes in a second, both directions together
    wrong_output: bool = False
    load: float | None = None  # something else keeps this many CPUs busy
    slow_board: float | None = None  # every inference takes so many times as long
    slow_model: Slowed | None = None  # those of one model do
    hostile_answer: str | None = None  # what the runner on the board prints: huge, binary, json


class Interruption(Enum):
    DROP = auto()
    HANG = auto()
    REBOOT = auto()


class LinuxFaultCounters:
    """How often each step was reached: the state behind `LinuxFaults`. Shared by all connections."""

    def __init__(self, faults: LinuxFaults) -> None:
        self.faults = faults
        self._lock = threading.Lock()
        self._steps: dict[str, int] = {}
        self._bytes = 0

    def reach(self, step: str) -> Interruption | None:
        """Count `step`, and say what stops the board in it."""
        with self._lock:
            count = self._steps[step] = self._steps.get(step, 0) + 1
        faults = self.faults
        for at, interruption in (
            (faults.drop_in, Interruption.DROP),
            (faults.hang_in, Interruption.HANG),
            (faults.reboot_in, Interruption.REBOOT),
        ):
            if at is not None and at.hits(step, count):
                return interruption
        return None

    def passing(self, count: int) -> int:
        """How many of the next `count` bytes may pass; fewer than `count` just once, at `drop_at_byte`."""
        limit = self.faults.drop_at_byte
        if limit is None:
            return count
        with self._lock:
            before = self._bytes
            self._bytes += count
        return limit - before if before < limit <= before + count else count


def parse_linux(settings: Iterable[str]) -> LinuxFaults:
    """Faults from `name=value` texts, as for the other boards (`benchrunner.simulator.faults.parse`)."""
    faults = parse_into(LinuxFaults, settings, STEPS, ("put", "exec", "login"))
    _one_of("tool_missing", faults.tool_missing, TOOLS)
    _one_of("hostile_answer", faults.hostile_answer, ANSWERS)
    return faults


def _one_of(name: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise UsageError(f"--fault {name}={value}: expected one of {', '.join(known)}")
