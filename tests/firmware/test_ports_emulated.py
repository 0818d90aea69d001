"""Every board's image on the emulated board: registers that take only what the reference manuals allow."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from emulator.emulated import Host, make
from port_build import ANSWER, build_with_gcc, lay_out, mcu, stm32_boards

from benchrunner.simulator.board import Mode
from benchrunner.simulator.faults import Faults

BOARDS = stm32_boards()


def image_of(board_id: str, folder: Path) -> bytes:
    elf = build_with_gcc(BOARDS[board_id], lay_out(BOARDS[board_id], folder / "project"))
    binary = folder / "image.bin"
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", elf, binary], check=True)
    return binary.read_bytes()


def ask(host: Host, command: bytes) -> dict[str, int]:
    said = host.say(command)[: 4 * len(ANSWER)]
    return dict(zip(ANSWER, struct.unpack(f"<{len(ANSWER)}I", said), strict=True))


@pytest.mark.parametrize("board_id", sorted(BOARDS))
def test_a_board_comes_up_as_its_file_says_resets_and_finds_its_boot_loader(
    board_id: str, tmp_path: Path
) -> None:
    host, firmware = make(image_of(board_id, tmp_path), board_id)
    assert host.run() == b"R"
    answer, facts, series = ask(host, b"r"), mcu(BOARDS[board_id]), BOARDS[board_id].series
    assert answer["core_clock_hz"] == facts.chip.clock_hz
    assert answer["clock_fallback"] == 0
    assert answer["flash_wait_states"] == facts.chip.flash_wait_states
    assert answer["chip_id"] == facts.chip.chip_id
    assert answer["icache"] == 1
    assert answer["dcache"] == (series != "STM32U5")  # its data cache is for external memories
    assert answer["prefetch"] == (series != "STM32H7")  # has none
    assert answer["counter_running"] == 1
    assert answer["fidelity"] == 1  # emulated: known by the unique id
    assert firmware.machine is not None
    assert firmware.machine.rcc.core_hz == facts.chip.clock_hz

    software = 1 << (24 if series == "STM32H7" else 28)  # RCC_RSR or RCC_CSR, SFTRSTF
    assert answer["reset_cause"] & software == 0
    answer = ask(host, b"b")
    assert answer["reset_cause"] & software
    assert answer["cleared"] == 0

    assert host.sim.mode is Mode.ROM
    assert firmware.faults == []


@pytest.mark.parametrize(
    ("board_id", "hsi_hz"),
    [("stm32h747i-disco", 64_000_000), ("stm32f746g-disco", 16_000_000), ("nucleo-f401re", 16_000_000)],
)
def test_a_dead_crystal_is_a_reported_fallback_that_still_talks(
    board_id: str, hsi_hz: int, tmp_path: Path
) -> None:
    host, firmware = make(image_of(board_id, tmp_path), board_id, faults=Faults(dead_crystal=True))
    assert host.run() == b"R"
    answer = ask(host, b"x")
    assert answer["clock_fallback"] == 1
    assert answer["core_clock_hz"] == hsi_hz
    assert firmware.faults == []
