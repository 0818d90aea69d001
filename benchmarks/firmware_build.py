"""Whole-process time of `benchrunner build`: from a model to a verified ELF, and when nothing changed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BOARD = "stm32h747i-disco"
MODELS = ("fdmobilenet_0.25_224_int8", "fdmobilenet_0.25_128_int8")
ROUNDS = 5


def build_s(model: str, folder: Path, cache: Path) -> float:
    command = [sys.executable, "-m", "benchrunner", "build", "--board", BOARD, "--model", model]
    start = time.perf_counter()
    subprocess.run(
        [*command, "--out", str(folder)],
        env={**os.environ, "BENCHRUNNER_CACHE": str(cache)},
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - start


def main() -> None:
    print(f"{'least of ' + str(ROUNDS) + ', s':30}{'cold':>8}{'same folder':>14}{'new folder':>13}")
    for model in MODELS:
        cold, again, elsewhere = [], [], []
        for _ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                cold.append(build_s(model, folder / "a", folder / "cache"))
                again.append(build_s(model, folder / "a", folder / "cache"))
                elsewhere.append(build_s(model, folder / "b", folder / "cache"))
        print(f"{model:30}{min(cold):8.2f}{min(again):14.2f}{min(elsewhere):13.2f}")


if __name__ == "__main__":
    main()
