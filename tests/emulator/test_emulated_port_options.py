"""What a build may choose about a port takes effect, and is reported as read back and not as chosen."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from emulated import Host, make
from firmware.port_build import ANSWER, build_with_gcc, lay_out, stm32_boards

from benchrunner.emulator.board import EmulatedFirmware

BOARDS = ["stm32h747i-disco", "stm32f769i-disco", "nucleo-f401re", "b-l475e-iot01a", "nucleo-u575zi-q"]


def started(board_id: str, folder: Path, **options: int) -> tuple[Host, EmulatedFirmware, dict[str, int]]:
    board = stm32_boards()[board_id]
    project = lay_out(board, folder / "project")
    with (project / "board.h").open("a") as header:
        header.writelines(f"#define PORT_{name} {value}\n" for name, value in options.items())
    binary = folder / "image.bin"
    elf = build_with_gcc(board, project)
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", elf, binary], check=True)
    host, firmware = make(binary.read_bytes(), board_id)
    assert host.run() == b"R"
    words = struct.unpack_from(f"<{len(ANSWER)}I", host.say(b"x"))
    return host, firmware, dict(zip(ANSWER, words, strict=True))


@pytest.mark.parametrize("board_id", BOARDS)
def test_caches_that_a_build_leaves_off_are_reported_off_and_the_watchdog_runs_when_asked_for(
    board_id: str, tmp_path: Path
) -> None:
    _, firmware, answer = started(board_id, tmp_path, ICACHE=0, DCACHE=0, PREFETCH=0, WATCHDOG=1)
    assert (answer["icache"], answer["dcache"], answer["prefetch"]) == (0, 0, 0)
    assert firmware.machine is not None
    assert firmware.machine.watchdog.running


def test_the_watchdog_does_not_run_unless_asked_for(tmp_path: Path) -> None:
    _, firmware, answer = started("nucleo-f401re", tmp_path)
    assert (answer["icache"], answer["dcache"], answer["prefetch"]) == (1, 1, 1)
    assert firmware.machine is not None
    assert not firmware.machine.watchdog.running
