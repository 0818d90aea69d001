"""The port of every STM32 board on the emulated one: two independent readings of the manuals must meet."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from emulated import Host, make
from firmware.port_build import build_with_gcc, lay_out, mcu, stm32_boards

from benchrunner.emulator.board import EmulatedFirmware
from benchrunner.emulator.machine import Machine
from benchrunner.simulator.board import Mode
from benchrunner.simulator.faults import Faults

BOARDS = stm32_boards()
HSE_BOARDS = ("stm32h747i-disco", "nucleo-h7a3zi-q", "stm32f746g-disco", "stm32f469i-disco", "nucleo-f401re")


def stub(board_id: str, folder: Path) -> bytes:
    elf = build_with_gcc(BOARDS[board_id], lay_out(BOARDS[board_id], folder / "project"))
    binary = folder / "stub.bin"
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", elf, binary], check=True)
    return binary.read_bytes()


def ask(host: Host, command: bytes) -> tuple[int, int, int, int]:
    """.data, .bss, core clock and cycles since the start, as the stub answers every byte."""
    initialised, calls, core_hz, cycles = struct.unpack("<4I", host.say(command, slices=20))
    return initialised, calls, core_hz, cycles


@pytest.mark.parametrize("board_id", sorted(BOARDS))
def test_the_port_of_a_board_starts_on_the_emulated_one(board_id: str, tmp_path: Path) -> None:
    host, firmware = make(stub(board_id, tmp_path), board_id)
    host.run()
    initialised, calls, core_hz, cycles = ask(host, b"x")
    chip = mcu(BOARDS[board_id]).chip
    assert (initialised, calls, core_hz) == (0x12345678, 0, chip.clock_hz)
    assert 0 < cycles < 10_000
    assert ask(host, b"y")[1] == 1
    machine = machine_of(firmware)
    assert machine.rcc.core_hz == chip.clock_hz
    assert machine.flash.wait_states == chip.flash_wait_states
    ask(host, b"r")
    host.run()
    assert ask(host, b"x")[1] == 0, "a system reset starts it anew"
    ask(host, b"b")
    assert host.sim.mode is Mode.ROM
    assert firmware.faults == []


@pytest.mark.parametrize("board_id", HSE_BOARDS)
def test_a_port_whose_crystal_is_dead_runs_on_its_own_oscillator_and_says_so(
    board_id: str, tmp_path: Path
) -> None:
    host, firmware = make(stub(board_id, tmp_path), board_id, faults=Faults(dead_crystal=True))
    host.run()
    _, _, core_hz, _ = ask(host, b"x")
    assert core_hz == machine_of(firmware).rcc.core_hz
    assert core_hz in (16_000_000, 64_000_000)
    assert firmware.faults == []


def machine_of(firmware: EmulatedFirmware) -> Machine:
    assert firmware.machine is not None
    return firmware.machine
