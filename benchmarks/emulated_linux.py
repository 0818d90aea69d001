"""Emulated Linux boards: time to fetch, build and boot, and how well a counted latency repeats."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchrunner.board import load_board
from benchrunner.linuxemu import EmulatedLinux, build_image, emulated_linux, target_of
from benchrunner.zoo import resolve_model

BOARDS = ("stm32mp257f-dk", "stm32mp157f-dk2")
MODELS = ("fdmobilenet_0.25_128_int8", "fdmobilenet_0.25_128_uint8")
BOOTS = 3
SCRIPT = """
import sys, time
from tflite_runtime.interpreter import Interpreter
interpreter = Interpreter(model_content=sys.stdin.buffer.read(), num_threads=1)
interpreter.allocate_tensors()
for _ in range(62):
    started = time.perf_counter_ns()
    interpreter.invoke()
    print(time.perf_counter_ns() - started)
"""


def command(board: EmulatedLinux, text: str, data: bytes = b"") -> str:
    options = ("-F", "none", "-o", f"UserKnownHostsFile={board.known_hosts}", "-i", str(board.private_key))
    words = ("ssh", *options, "-p", str(board.port), f"{board.user}@{board.host}", text)
    return subprocess.run(words, input=data, capture_output=True, check=True).stdout.decode()


def median_ns(board: EmulatedLinux, model: str) -> float:
    samples = command(board, f"python3 -c '{SCRIPT}'", resolve_model(model).read_bytes()).split()
    return statistics.median(int(sample) for sample in samples[2:])


def main() -> None:
    for board_id in BOARDS:
        board = load_board(board_id)
        with tempfile.TemporaryDirectory() as name:
            os.environ["BENCHRUNNER_LINUX_IMAGES"] = name
            times = []
            for _ in range(2):
                started = time.perf_counter()
                image = build_image(target_of(board))
                times.append(time.perf_counter() - started)
                mib = sum(path.stat().st_blocks for path in image.folder.iterdir()) * 512 / 2**20
                image.folder.rename(Path(name) / f"built{len(times)}")
            print(f"{board_id}: fetch and build {times[0]:.1f} s, build {times[1]:.1f} s, {mib:.0f} MiB")
        del os.environ["BENCHRUNNER_LINUX_IMAGES"]
        build_image(target_of(board))
        boots, commands = [], []
        medians: dict[str, list[float]] = {model: [] for model in MODELS}
        for _ in range(BOOTS):
            started = time.perf_counter()
            with emulated_linux(board) as running:
                boots.append(time.perf_counter() - started)
                started = time.perf_counter()
                command(running, "true")
                commands.append(time.perf_counter() - started)
                for model in MODELS:
                    medians[model].append(median_ns(running, model))
        resumes = []
        for _ in range(BOOTS + 1):  # the first one boots, and saves the state
            started = time.perf_counter()
            with emulated_linux(board, warm=True) as running:
                resumes.append(time.perf_counter() - started)
                medians[MODELS[0]].append(median_ns(running, MODELS[0]))
        print(f"  resume {min(resumes[1:]):.1f} to {max(resumes[1:]):.1f} s")
        print(f"  boot {min(boots):.1f} to {max(boots):.1f} s, `ssh ... true` {min(commands):.2f} s")
        for model, found in medians.items():
            spread = (max(found) - min(found)) / min(found)
            print(f"  {model}: {min(found):.0f} to {max(found):.0f} instructions, spread {spread:.1e}")


if __name__ == "__main__":
    main()
