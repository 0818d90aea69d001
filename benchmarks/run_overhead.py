"""Where the time of `benchrunner run --sim` goes: by step, and how much of it is the host's own.

Device time is what the host spends blocked, waiting for the board's bytes; the simulated board works in a
thread of the same process, so its work is in there. The rest is the host's overhead.

    python benchmarks/run_overhead.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchrunner.board import board_file_sha256, load_board
from benchrunner.deadline import Deadline
from benchrunner.run import RunRequest, access, run_case
from benchrunner.transport import Transport
from benchrunner.zoo import resolve_model

BOARD, MODEL, REPEATS, LIMIT_S = "stm32h747i-disco", "fdmobilenet_0.25_128_int8", 9, 0.5


class Silent:
    def step(self, step: object, detail: str) -> None:
        pass

    def progress(self, done: int, total: int, unit: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class Waiting:
    """A transport that adds up how long it waits for the device."""

    def __init__(self, inner: Transport) -> None:
        self.inner, self.waited_s = inner, 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        began_s = time.perf_counter()
        try:
            return self.inner.read(max_bytes, deadline)
        finally:
            self.waited_s += time.perf_counter() - began_s


def one_run(results: Path) -> tuple[float, float, dict[str, int]]:
    opened: list[Waiting] = []
    original = access.open_transport

    def open_waiting(*arguments: object, **settings: object) -> Waiting:
        opened.append(Waiting(original(*arguments, **settings)))
        return opened[-1]

    access.open_transport = open_waiting
    try:
        began_s = time.perf_counter()
        result = run_case(
            RunRequest(
                load_board(BOARD),
                board_file_sha256(BOARD),
                resolve_model(MODEL),
                simulate=True,
                results=results,
            ),
            Silent(),
        )
        wall_s = time.perf_counter() - began_s
    finally:
        access.open_transport = original
    assert result.exit_status == 0, result.measurement.reason
    return wall_s, opened[0].waited_s, result.measurement.steps_ns


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        one_run(results)  # imports
        runs = [one_run(results) for _ in range(REPEATS)]
        processes = []
        for _ in range(5):
            began_s = time.perf_counter()
            command = [sys.executable, "-m", "benchrunner", "run", "--board", BOARD, "--sim", "--quiet"]
            subprocess.run([*command, "--out", folder], check=True, capture_output=True)
            processes.append(time.perf_counter() - began_s)
    wall_s = statistics.median(run[0] for run in runs)
    device_s = statistics.median(run[1] for run in runs)
    host_s = statistics.median(run[0] - run[1] for run in runs)
    print(f"run --sim of {MODEL} on {BOARD}, median of {REPEATS}")
    for step in runs[0][2]:
        print(f"  {step:<10} {statistics.median(run[2][step] for run in runs) / 1e6:8.1f} ms")
    print(f"  {'case':<10} {wall_s * 1e3:8.1f} ms, of which waiting for the device {device_s * 1e3:.1f} ms")
    print(f"  host       {host_s * 1e3:8.1f} ms, limit {LIMIT_S * 1e3:.0f} ms: {host_s / LIMIT_S:.2f} of it")
    print(f"  process    {statistics.median(processes) * 1e3:8.1f} ms from its start to its end")
    return 0 if host_s <= LIMIT_S else 1


if __name__ == "__main__":
    sys.exit(main())
