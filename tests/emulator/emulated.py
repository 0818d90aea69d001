"""Small images compiled for the emulator's tests, and a host that talks to a board without a server."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchrunner.board import load_board
from benchrunner.emulator.board import EmulatedFirmware, emulated_board
from benchrunner.simulator.board import Boot, SimulatedBoard
from benchrunner.simulator.faults import Faults
from benchrunner.simulator.uart import LineFormat
from benchrunner.transport import Parity

IMAGES = Path(__file__).parent / "images"
LINE = LineFormat(115_200, Parity.NONE)
_FLAGS = ("-mthumb", "-O2", "-ffreestanding", "-nostdlib", "-nostartfiles", "-Wl,--no-warn-rwx-segments")


def compile_image(source: str, folder: Path, *, cpu: str = "cortex-m7", ram: int = 0x20000000) -> bytes:
    """The binary of `source`, which may include the headers in images/."""
    text, elf, binary = (folder / name for name in ("image.c", "image.elf", "image.bin"))
    if "void hard_fault(void)" not in source:
        source += "void hard_fault(void) { for (;;) {} }\n"
    text.write_text(source)
    script = folder / "image.ld"
    script.write_text((IMAGES / "image.ld").read_text().replace("RAM_BASE", hex(ram)))
    command = ["arm-none-eabi-gcc", f"-mcpu={cpu}", *_FLAGS, f"-I{IMAGES}", f"-T{script}", "-o", str(elf)]
    subprocess.run([*command, str(text)], check=True)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", str(elf), str(binary)], check=True)
    return binary.read_bytes()


class Host:
    """Runs a board until it waits for the host, and keeps what it said."""

    def __init__(self, sim: SimulatedBoard, line: LineFormat | None = LINE) -> None:
        self.sim, self._line = sim, line

    def run(self, slices: int = 400) -> bytes:
        """What it says until it waits; `slices` bounds a program that never does."""
        said = b""
        for _ in range(slices):
            said += self.sim.transmit(self._line)
            if self.sim.next_output_in_s() != 0.0:
                return said
        return said

    def say(self, data: bytes, slices: int = 400) -> bytes:
        self.sim.receive(data, self._line)
        return self.run(slices)


def make(
    image: bytes,
    board_id: str = "stm32h747i-disco",
    *,
    faults: Faults | None = None,
    line: LineFormat | None = LINE,
) -> tuple[Host, EmulatedFirmware]:
    board = load_board(board_id)
    firmware = EmulatedFirmware(board)
    sim = emulated_board(board, faults, flash=image, boot=Boot.APP, firmware=firmware)
    return Host(sim, line), firmware
