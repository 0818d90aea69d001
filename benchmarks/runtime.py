"""What the host's reference costs: import, load and run of the default model, by kernel set.

`python benchmarks/runtime.py`; every row is the median of fresh processes.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from benchrunner.runtime import KernelSet, select_runtime

PROCESSES = 11
STEPS = ("imports", "load", "input", "first run", "next run", "first answer")

# Runs in a process of its own: imports count, and only the first time.
ONCE = """
import sys, time
clock = [time.perf_counter()]
from benchrunner.runtime import Interpreter, KernelSet, natural_input
from benchrunner.zoo import default_model, resolve_model
clock.append(time.perf_counter())
interpreter = Interpreter(resolve_model(default_model()).read_bytes(), KernelSet(sys.argv[1]))
clock.append(time.perf_counter())
stimulus = natural_input(interpreter.inputs[0], 1)
clock.append(time.perf_counter())
for _ in range(2):
    interpreter.run([stimulus])
    clock.append(time.perf_counter())
print(*(b - a for a, b in zip(clock, clock[1:])), clock[-2] - clock[0])
"""


def measure(kernels: KernelSet) -> list[float]:
    """Milliseconds of each step."""
    rows = []
    for _ in range(PROCESSES):
        done = subprocess.run(
            [sys.executable, "-c", ONCE, kernels], capture_output=True, text=True, check=True
        )
        rows.append([float(word) * 1000 for word in done.stdout.split()])
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def main() -> None:
    runtime = select_runtime()
    print(f"{runtime.title} {runtime.version}: milliseconds; the ratio is of a run to XNNPACK's")
    print(f"{'kernel set':34}", *(f"{step:>12}" for step in STEPS), f"{'ratio':>7}")
    measured = {kernels: measure(kernels) for kernels in KernelSet}
    next_run = STEPS.index("next run")
    for kernels, row in measured.items():
        ratio = row[next_run] / measured[KernelSet.XNNPACK][next_run]
        print(f"{kernels:34}", *(f"{value:12.1f}" for value in row), f"{ratio:7.1f}")


if __name__ == "__main__":
    main()
