"""The port of every STM32 board on the emulated one: two independent readings of the manuals must meet."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from emulated import Host, make
from firmware.port_build import ANSWER, build_with_gcc, lay_out, mcu, stm32_boards

from benchrunner.emulator.board import EmulatedFirmware
from benchrunner.emulator.machine import Machine
from benchrunner.protocol.messages import FidelityCode
from benchrunner.simulator.board import Mode
from benchrunner.simulator.faults import Faults

BOARDS = stm32_boards()
HSE_BOARDS = ("stm32h747i-disco", "nucleo-h7a3zi-q", "stm32f746g-disco", "stm32f469i-disco", "nucleo-f401re")


def stub(board_id: str, folder: Path) -> bytes:
    elf = build_with_gcc(BOARDS[board_id], lay_out(BOARDS[board_id], folder / "project"))
    binary = folder / "stub.bin"
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", elf, binary], check=True)
    return binary.read_bytes()


FAULT = (
    "r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr", "sp", "exception", "exc_return", "cfsr", "hfsr",
    "mmfar", "bfar",
)  # fmt: skip


def ask(host: Host, command: bytes) -> dict[str, int]:
    """What the stub says of itself, as it answers every byte."""
    said = host.say(command, slices=20)
    words = struct.unpack_from(f"<{len(ANSWER)}I", said)
    return dict(zip(ANSWER, words, strict=True))


@pytest.mark.parametrize("board_id", sorted(BOARDS))
def test_the_port_of_a_board_starts_on_the_emulated_one(board_id: str, tmp_path: Path) -> None:
    host, firmware = make(stub(board_id, tmp_path), board_id)
    assert host.run() == b"R"
    chip = mcu(BOARDS[board_id]).chip
    answer = ask(host, b"x")
    expected = {
        "initialised": 0x12345678,
        "cleared": 0,
        "core_clock_hz": chip.clock_hz,
        "clock_fallback": 0,
        "counter_running": 1,
        "fidelity": FidelityCode.EMULATED,
        "icache": chip.icache_bytes > 0,
        "flash_wait_states": chip.flash_wait_states,
        "chip_id": chip.chip_id,
    }
    assert {name: answer[name] for name in expected} == expected
    assert 0 < answer["cycles"] < 20_000
    assert ask(host, b"y")["cleared"] == 1
    machine = machine_of(firmware)
    assert machine.rcc.core_hz == chip.clock_hz
    assert machine.rcc.pll_source == {"HSE": "HSE", "HSI16": "HSI"}[chip.clock_source]
    assert machine.flash.wait_states == chip.flash_wait_states
    power_on = answer["reset_cause"]
    ask(host, b"r")
    host.run()
    again = ask(host, b"x")
    assert again["cleared"] == 0, "a system reset starts it anew"
    assert again["reset_cause"] not in (0, power_on)
    ask(host, b"b")
    assert host.sim.mode is Mode.ROM
    assert firmware.faults == []


@pytest.mark.parametrize("board_id", sorted(BOARDS))
def test_a_fault_is_reported_by_the_port_as_the_host_saw_it(board_id: str, tmp_path: Path) -> None:
    host, firmware = make(stub(board_id, tmp_path), board_id)
    host.run()
    said = host.say(b"f", slices=20)
    report = dict(zip(FAULT, struct.unpack(f"<{len(FAULT)}I", said[4 * len(ANSWER) :]), strict=True))
    [fault] = firmware.faults
    assert (report["pc"], report["lr"], report["sp"]) == (fault.pc, fault.lr, fault.sp)
    assert (report["exception"], report["bfar"]) == (3, 0xC0000000)
    assert report["cfsr"] == 0x8200, "precise, with the address"


@pytest.mark.parametrize("board_id", HSE_BOARDS)
def test_a_port_whose_crystal_is_dead_runs_on_its_own_oscillator_and_says_so(
    board_id: str, tmp_path: Path
) -> None:
    host, firmware = make(stub(board_id, tmp_path), board_id, faults=Faults(dead_crystal=True))
    assert host.run(slices=200) == b"R"
    answer = ask(host, b"x")
    assert answer["clock_fallback"] == 1
    assert answer["core_clock_hz"] == machine_of(firmware).rcc.core_hz
    assert answer["core_clock_hz"] in (16_000_000, 64_000_000)
    assert firmware.faults == []


def machine_of(firmware: EmulatedFirmware) -> Machine:
    assert firmware.machine is not None
    return firmware.machine
