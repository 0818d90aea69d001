"""How fast the emulated board executes: MIPS while it runs inferences, with each way of counting.

    python benchmarks/emulator.py [MODEL]

MODEL is a file or a name of the zoo; default fdmobilenet_0.25_128_int8. Needs [emulator] and an Arm compiler.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchrunner.board import load_board
from benchrunner.deadline import Deadline
from benchrunner.emulator import native as hooks
from benchrunner.emulator.board import EmulatedFirmware, emulated_board
from benchrunner.firmware.aot import emit_project
from benchrunner.firmware.build import build
from benchrunner.firmware.toolchain import find_toolchain
from benchrunner.model import load_model
from benchrunner.session import mcu
from benchrunner.session.link import Link
from benchrunner.simulator.board import SimulatedBoard
from benchrunner.zoo import resolve_model

BOARD = "stm32h747i-disco"


class Wire:
    """The board's line without a server in between."""

    description = "wire"
    has_lines = False

    def __init__(self, board: SimulatedBoard) -> None:
        self._board = board

    def write(self, data: bytes) -> None:
        self._board.receive(data)

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        return self._board.transmit()

    def discard_input(self) -> int:
        return 0


def measure(image: bytes, runs: int) -> tuple[int, float, float, float]:
    """Instructions of one inference, MIPS, bytes per second of input, seconds from reset to the manifest."""
    board = load_board(BOARD)
    firmware = EmulatedFirmware(board)
    started = time.perf_counter()
    link = Link(Wire(emulated_board(board, flash=image, firmware=firmware)), baud_hz=115_200)
    manifest = link.wait_for_manifest(Deadline(60))
    boot_s = time.perf_counter() - started
    inputs = [bytes(size) for size in manifest.input_bytes]
    started = time.perf_counter()
    mcu.load_inputs(link, inputs, chunk_bytes=256, deadline=Deadline(120))
    load_s = time.perf_counter() - started
    mcu.run_batch(link, 1, Deadline(120))
    machine = firmware.machine
    assert machine is not None
    before, started = machine.instructions, time.perf_counter()
    for _ in range(runs):
        samples = mcu.run_batch(link, 1, Deadline(120)).samples
    mips = (machine.instructions - before) / (time.perf_counter() - started) / 1e6
    return samples[0].cycles, mips, sum(map(len, inputs)) / load_s, boot_s


def main() -> None:
    model = resolve_model(sys.argv[1] if len(sys.argv) > 1 else "fdmobilenet_0.25_128_int8")
    with tempfile.TemporaryDirectory() as folder:
        project = emit_project(load_board(BOARD), load_model(model), Path(folder) / "project")
        image = build(project, Path(folder) / "project", find_toolchain()).binary
    native = measure(image, 50)
    hooks.library = lambda: None
    python = measure(image, 3)
    print(f"{model.name} on {BOARD}, emulated: {native[0]:,} instructions per inference")
    print("counting  instructions  MIPS  input kB/s  boot s  ratio")
    for name, (count, mips, rate, boot_s) in (("native", native), ("Python", python)):
        print(
            f"{name:8}  {count:12,}  {mips:4.0f}  {rate / 1e3:10.1f}  {boot_s:6.2f}  {mips / python[1]:5.1f}"
        )


if __name__ == "__main__":
    main()
