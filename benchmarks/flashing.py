"""Flashing through the ROM bootloader, measured: (a) against stm32flash, (b) against what the wire allows.

(a) 512 KiB to a simulated board on a pty at full speed, written and verified, ours and `stm32flash -w -v` in
turns; every run meets a freshly started board in its bootloader. (b) A throttled line of 115200 baud, where a
block of 256 bytes needs 268 bytes of 11 bits each way round.

Run: python benchmarks/flashing.py [--rounds N] [--kib SIZE] [--throttled-kib SIZE]
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchrunner.board import load_board
from benchrunner.deadline import Deadline
from benchrunner.flash.entry import enter
from benchrunner.flash.program import program
from benchrunner.flash.rom import BITS_PER_BYTE, BLOCK_WIRE_BYTES, SIMULATED, RomBootloader
from benchrunner.flash.sectors import Progress
from benchrunner.transport import Parity
from benchrunner.transport.serial import open_transport

BOARD = "stm32h747i-disco"
BAUD_HZ = 115200
_SERVE = """
import sys
from benchrunner.board import load_board
from benchrunner.simulator.board import Boot, SimulatedBoard
from benchrunner.simulator.pty import serve_pty
throttle = int(sys.argv[2]) or None
with serve_pty(SimulatedBoard(load_board(sys.argv[1]), boot=Boot.ROM), throttle_baud=throttle) as path:
    print(path, flush=True)
    sys.stdin.read()
"""


@contextmanager
def board_on_a_pty(throttle_baud: int = 0) -> Iterator[str]:
    """A simulated board in a process of its own, so that its Python does not share ours."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, BOARD, str(throttle_baud)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parent.parent,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("")


def flash_ours(image: bytes, throttle_baud: int = 0) -> dict[str, float]:
    """Seconds of the whole job, and of its writing and verifying without entry and erase."""
    import benchrunner.transport.tty  # noqa: F401 - the time of a first import is not what is measured

    board = load_board(BOARD)
    with board_on_a_pty(throttle_baud) as path:
        written_at: list[float] = []

        def note(progress: Progress) -> None:
            if progress.phase == "write":
                written_at.append(time.perf_counter())

        began = time.perf_counter()
        transport = open_transport(path, baud_hz=BAUD_HZ, parity=Parity.EVEN)
        rom = RomBootloader(transport, baud_hz=BAUD_HZ, timings=SIMULATED)
        deadline = Deadline(600)
        enter(rom, deadline=deadline)
        program(rom, board, image, deadline=deadline, progress=note)
        ended = time.perf_counter()
        transport.close()
    return {"total": ended - began, "write": written_at[-1] - written_at[0]}


def flash_stm32flash(image: bytes) -> float:
    """Seconds of `stm32flash -w -v`, process and all."""
    with tempfile.NamedTemporaryFile(suffix=".bin") as file, board_on_a_pty() as path:
        file.write(image)
        file.flush()
        began = time.perf_counter()
        done = subprocess.run(
            ["stm32flash", "-m", "8n1", "-b", str(BAUD_HZ), "-w", file.name, "-v", path],
            capture_output=True,
            text=True,
            check=False,
        )
        ended = time.perf_counter()
    if done.returncode != 0 or "100.00%" not in done.stdout:
        raise SystemExit(f"stm32flash failed: {done.stdout[-300:]} {done.stderr}")
    return ended - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kib", type=int, default=512)
    parser.add_argument("--throttled-kib", type=int, default=32)
    arguments = parser.parse_args()

    ours, theirs = [], []
    for round_number in range(arguments.rounds):
        image = random.Random(round_number).randbytes(arguments.kib << 10)
        ours.append(flash_ours(image)["total"])
        theirs.append(flash_stm32flash(image))
    print(f"(a) {arguments.kib} KiB written and verified on a pty, {arguments.rounds} rounds in turns")
    for name, times in (("benchrunner", ours), ("stm32flash -w -v", theirs)):
        median = statistics.median(times)
        print(
            f"    {name:<18} median {median:6.3f} s  (min {min(times):.3f}, max {max(times):.3f})"
            f"  {arguments.kib / median:6.0f} KiB/s"
        )
    paired = statistics.median(their / our for their, our in zip(theirs, ours, strict=True))
    medians = statistics.median(theirs) / statistics.median(ours)
    print(
        f"    stm32flash / benchrunner: of medians {medians:.3f}, of minimums {min(theirs) / min(ours):.3f},"
    )
    print(f"    median of pairs {paired:.3f}")

    image = random.Random(99).randbytes(arguments.throttled_kib << 10)
    blocks = len(image) // 256
    allowed_s = 2 * blocks * BLOCK_WIRE_BYTES * BITS_PER_BYTE / BAUD_HZ
    took_s = flash_ours(image, BAUD_HZ)["write"]
    print(f"(b) {arguments.throttled_kib} KiB at {BAUD_HZ} baud, written and read back")
    print(f"    the wire allows {allowed_s:.3f} s, taken {took_s:.3f} s: {100 * allowed_s / took_s:.2f} %")


if __name__ == "__main__":
    main()
