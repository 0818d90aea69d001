"""Whole-process time of `benchrunner analyze`, against the parts that it cannot do without."""

from __future__ import annotations

import subprocess
import sys
import time

MODEL = "fdmobilenet_0.25_224_int8"
ROUNDS = 15
READ = f"""
from benchrunner.model import load_model
from benchrunner.model.cost import model_cost
from benchrunner.zoo import resolve_model
model_cost(load_model(resolve_model({MODEL!r})))
"""
PROCESSES = {
    "python -c pass": ["-c", "pass"],
    "read a 193 KiB model and add up its cost": ["-c", READ],
    "benchrunner boards": ["-m", "benchrunner", "boards"],
    "benchrunner analyze, fit on 14 boards": ["-m", "benchrunner", "analyze", MODEL],
    "import tflite, the generated accessors": ["-c", "import tflite"],
}


def main() -> None:
    took: dict[str, list[float]] = {name: [] for name in PROCESSES}
    for _ in range(ROUNDS):  # in turns, so that other work on the machine meets all of them
        for name, arguments in PROCESSES.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
            took[name].append(time.perf_counter() - start)
    whole = min(took["benchrunner analyze, fit on 14 boards"])
    print(f"{'process':45}{'least ms':>10}{'median ms':>11}{'of analyze':>12}")
    for name, times in took.items():
        times.sort()
        print(f"{name:45}{times[0] * 1e3:10.0f}{times[ROUNDS // 2] * 1e3:11.0f}{times[0] / whole:12.2f}")


if __name__ == "__main__":
    main()
