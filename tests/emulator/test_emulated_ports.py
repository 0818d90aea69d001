"""What the fault handler of every STM32 port reports, against what the emulated core knows."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from emulated import make
from firmware.port_build import ANSWER, build_with_gcc, lay_out, stm32_boards

BOARDS = stm32_boards()


def stub(board_id: str, folder: Path) -> bytes:
    elf = build_with_gcc(BOARDS[board_id], lay_out(BOARDS[board_id], folder / "project"))
    binary = folder / "stub.bin"
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", elf, binary], check=True)
    return binary.read_bytes()


FAULT = (
    "r0", "r1", "r2", "r3", "r12", "lr", "pc", "xpsr", "sp", "exception", "exc_return", "cfsr", "hfsr",
    "mmfar", "bfar",
)  # fmt: skip


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
