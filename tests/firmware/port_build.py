"""Builds the smallest program on a port, laid out as `benchrunner build` does: everything in one folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchrunner.board import Board, Mcu, list_boards
from benchrunner.resources import shipped

PORTS = shipped("firmware") / "ports"
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
CODE = ["-O2", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"]
GCC_CORES = {
    "Cortex-M7": ["-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16"],
    "Cortex-M4": ["-mcpu=cortex-m4"],
    "Cortex-M33": ["-mcpu=cortex-m33"],
}
ZIG_CORES = {
    "Cortex-M7": "cortex_m7+fp_armv8d16sp",
    "Cortex-M4": "cortex_m4+vfp4d16sp",
    "Cortex-M33": "cortex_m33+dsp+fp_armv8d16sp",
}


# What port_stub.c answers to every byte.
ANSWER = (
    "initialised", "cleared", "core_clock_hz", "clock_fallback", "counter_running", "fidelity", "icache",
    "dcache", "prefetch", "flash_wait_states", "chip_id", "reset_cause", "painted_bytes", "cycles",
)  # fmt: skip


def stm32_boards() -> dict[str, Board]:
    """Every board of an STM32 family that has a port here."""
    return {
        board.id: board
        for board in list_boards()
        if board.mcu and (PORTS / _family(board) / "boards").is_dir()
    }


def mcu(board: Board) -> Mcu:
    assert board.mcu is not None
    return board.mcu


def _family(board: Board) -> str:
    return board.series.lower()


def port_folders(board: Board) -> list[Path]:
    family = PORTS / _family(board)
    return [family, *(PORTS / name for name in (family / "uses.txt").read_text().split())]


def lay_out(board: Board, folder: Path) -> Path:
    """The sources of the port in `folder`, with `board.h`, `board_port.h`, `memory.ld` and the stub."""
    folder.mkdir(parents=True)
    for source in port_folders(board):
        for file in source.iterdir():
            if file.suffix in {".c", ".h", ".ld"}:
                assert not (folder / file.name).exists(), f"{file.name} is there twice"
                shutil.copy(file, folder)
    shutil.copy(PORTS / _family(board) / "boards" / f"{board.id}.h", folder / "board_port.h")
    shutil.copy(shipped("firmware") / "core" / "bench_port.h", folder)
    shutil.copy(Path(__file__).with_name("port_stub.c"), folder)
    (folder / "board.h").write_text(board_header(board))
    (folder / "memory.ld").write_text(_memory(mcu(board)))
    return folder


def board_header(board: Board) -> str:
    facts = mcu(board)
    usart = facts.serial.usart
    macros = {
        "BOARD_CHIP_ID": f"{facts.chip.chip_id:#x}u",
        "BOARD_CORE_CLOCK_HZ": f"{facts.chip.clock_hz}u",
        "BOARD_FLASH_WAIT_STATES": f"{facts.chip.flash_wait_states}u",
        "BOARD_BAUD_HZ": f"{facts.serial.baud_hz}u",
        "BOARD_UID_REGISTER": f"{facts.flash.uid_register:#x}u",
        "BOARD_BOOTLOADER_BASE": f"{facts.bootloader.base:#x}u",
        f"BOARD_USART_{usart}": "1",
    }
    return "".join(f"#define {name} {value}\n" for name, value in macros.items())


def _memory(facts: Mcu) -> str:
    first, largest = facts.memories[0], max(facts.memories, key=lambda memory: memory.size_bytes)
    regions = [
        ("FLASH (rx)", facts.flash.base, facts.flash.size_bytes),
        ("RAM (rw)", first.base, first.size_bytes),
    ]
    if largest is not first:
        regions.append(("ARENA (rw)", largest.base, largest.size_bytes))
    text = "".join(f"  {name} : ORIGIN = {base:#x}, LENGTH = {size}\n" for name, base, size in regions)
    arena = 'REGION_ALIAS("ARENA", RAM)\n' if largest is first else ""
    return f'MEMORY\n{{\n{text}}}\n{arena}REGION_ALIAS("KEPT", ARENA)\n'


def build_with_gcc(board: Board, folder: Path) -> Path:
    compiler = ["arm-none-eabi-gcc", *GCC_CORES[mcu(board).chip.core], "-mthumb", "-mfloat-abi=hard"]
    libraries = ["-nostdlib", "-nostartfiles", "-Wl,--fatal-warnings", "-lc", "-lgcc"]
    return _build(compiler, libraries, folder, "gcc.elf")


def build_with_zig(board: Board, folder: Path) -> Path:
    core = f"-mcpu={ZIG_CORES[mcu(board).chip.core]}"
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "thumb-freestanding-eabihf", core]
    return _build(compiler, ["-ffreestanding"], folder, "zig.elf")


def _build(compiler: list[str], libraries: list[str], folder: Path, name: str) -> Path:
    sources = sorted(file.name for file in folder.glob("*.c"))
    command = [*compiler, *WARNINGS, *CODE, "-T", "link.ld", *sources, *libraries, "-o", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # zig names its own entry symbol, which a bare-metal image does not have.
    told = [line for line in done.stderr.splitlines() if "cannot find entry symbol _start" not in line]
    assert told == [], told
    return folder / name
