"""One model on one emulated board, from its file to counts: built, flashed where there is flash, asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchrunner.board import Board, load_board
from benchrunner.deadline import Deadline
from benchrunner.emulator.board import EmulatedFirmware, emulated_board
from benchrunner.emulator.machines import machine
from benchrunner.emulator.qemu import serve_qemu
from benchrunner.firmware.aot import emit_project
from benchrunner.firmware.build import Firmware, build
from benchrunner.firmware.toolchain import ToolchainKind, find_toolchain
from benchrunner.flash.entry import enter
from benchrunner.flash.journal import Journal
from benchrunner.flash.program import Options, program
from benchrunner.flash.rom import SIMULATED, RomBootloader
from benchrunner.model import load_model
from benchrunner.protocol.messages import Manifest, Memory
from benchrunner.runtime import ORACLE, Interpreter, natural_input
from benchrunner.session import mcu
from benchrunner.session.link import Link
from benchrunner.simulator.rfc2217 import serve_rfc2217
from benchrunner.transport import Lines, Parity, Transport
from benchrunner.transport.serial import open_transport

BAUD_HZ = 115_200


@dataclass(frozen=True)
class Measured:
    manifest: Manifest
    instructions: tuple[int, ...]
    layers: tuple[int, ...]
    profile: int
    outputs: tuple[bytes, ...]
    expected: tuple[bytes, ...]  # the oracle's
    memory: Memory


def built(board: Board, model: Path, folder: Path, kind: ToolchainKind | None = None) -> Firmware:
    project = emit_project(board, load_model(model), folder)
    return build(project, folder, find_toolchain(kind))


@contextmanager
def on_stm32(
    board_id: str, model: Path, folder: Path, *, kind: ToolchainKind | None = None
) -> Iterator[tuple[Transport, EmulatedFirmware]]:
    """Flashed through the ROM boot loader over RFC 2217, then reset into the application."""
    board = load_board(board_id)
    image = built(board, model, folder, kind).binary
    firmware = EmulatedFirmware(board)
    with serve_rfc2217(emulated_board(board, firmware=firmware)) as url:
        transport = open_transport(url, baud_hz=BAUD_HZ, parity=Parity.EVEN, lines=Lines())
        try:
            rom = RomBootloader(transport, timings=SIMULATED)
            enter(rom, ask_to_jump=lambda: None, deadline=Deadline(60))
            rom.identify(Deadline(60))
            program(rom, board, image, deadline=Deadline(60), options=Options(), journal=Journal(None))
            transport.set_lines(boot0=False, reset=True)
            transport.set_format(BAUD_HZ, Parity.NONE)
            transport.set_lines(boot0=False, reset=False)
            yield transport, firmware
        finally:
            transport.close()


@contextmanager
def on_qemu(
    board_id: str,
    model: Path,
    folder: Path,
    *,
    deadline_s: float = 120.0,
    kind: ToolchainKind | None = None,
) -> Iterator[Transport]:
    found = machine(board_id)
    firmware = built(found.board(), model, folder, kind)
    with serve_qemu(found, firmware.elf_path, deadline_s=deadline_s) as url:
        transport = open_transport(url, baud_hz=BAUD_HZ, parity=Parity.NONE)
        try:
            yield transport
        finally:
            transport.close()


def measure(transport: Transport, model: Path) -> Measured:
    interpreter = Interpreter(model.read_bytes(), ORACLE)
    inputs = tuple(natural_input(tensor, 1 + index) for index, tensor in enumerate(interpreter.inputs))
    link = Link(transport, baud_hz=BAUD_HZ)
    manifest = link.wait_for_manifest(Deadline(30))
    mcu.load_inputs(link, inputs, chunk_bytes=256, deadline=Deadline(90))
    runs = [mcu.run_batch(link, 1, Deadline(60)).samples[0].cycles for _ in range(3)]
    outputs = mcu.read_outputs(link, manifest, chunk_bytes=256, deadline=Deadline(30))
    layers, profile = mcu.profile_layers(link, Deadline(60))
    memory = mcu.read_memory(link, Deadline(60))
    return Measured(manifest, tuple(runs), layers, profile, outputs, tuple(interpreter.run(inputs)), memory)
