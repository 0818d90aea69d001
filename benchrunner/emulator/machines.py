"""QEMU's Cortex-M machines as boards: independent of ours, and the witness that both count the same.

They are described here and not in board files, because they have nothing of what a board file is about: no
flash to erase, no boot loader, no port of a debug probe. What cannot be known of them is 0.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from benchrunner import config
from benchrunner.board import (
    Board,
    BoardKind,
    Bootloader,
    Chip,
    Flash,
    Mcu,
    Memory,
    SectorRun,
    SerialPort,
    board_file_sha256,
    board_ids,
    load_board,
)
from benchrunner.errors import ConfigError, UnknownBoardError, UsageError

_MIB = 1 << 20
_UNMAPPED = 0x1FFF0000  # nothing is there on any of them: who jumps to the ROM gets a fault


@dataclass(frozen=True, slots=True)
class QemuMachine:
    """A machine of QEMU 7.2 or later."""

    id: str  # of the board, and of its header in firmware/ports
    machine: str  # as QEMU names it
    core: str
    fpu: str
    code_base: int
    code_bytes: int
    ram_base: int
    ram_bytes: int
    series: str = "MPS2"
    usart: str = "UART0"
    clock_hz: int = 25_000_000  # nominal: nothing takes a time there
    flash_wait_states: int = 0

    def board(self) -> Board:
        """A board that images can be built for; what it cannot have is 0."""
        mcu = Mcu(
            chip=Chip(
                part=self.machine,
                chip_id=0,
                core=self.core,
                clock_hz=self.clock_hz,
                fpu=self.fpu,
                icache_bytes=0,
                dcache_bytes=0,
                flash_wait_states=self.flash_wait_states,
                clock_source="none",
                clock_tolerance_ppm=0,
            ),
            flash=Flash(
                base=self.code_base,
                size_bytes=self.code_bytes,
                write_bytes=4,
                rewritable=True,
                sectors=(SectorRun(1, self.code_bytes),),
                size_register=0,
                uid_register=0,
                erase_sector_s=0.0,
                erase_mass_s=0.0,
            ),
            memories=(Memory("RAM", self.ram_base, self.ram_bytes),),
            bootloader=Bootloader(base=_UNMAPPED, version=0, usart="", ram_used_to=0),
            serial=SerialPort(self.usart, 115_200, (), boot_lines=False),
        )
        name = f"QEMU {self.machine}"
        return Board(self.id, name, self.series, BoardKind.MCU, ("aot",), mcu)


_PLAIN = (0x00000000, 4 * _MIB, 0x20000000, 4 * _MIB)
MACHINES = {
    machine.id: machine
    for machine in (
        QemuMachine("mps2-an386", "mps2-an386", "Cortex-M4", "single", *_PLAIN),
        QemuMachine("mps2-an500", "mps2-an500", "Cortex-M7", "double", *_PLAIN),
        QemuMachine(
            "mps2-an505", "mps2-an505", "Cortex-M33", "single", 0x10000000, 4 * _MIB, 0x38000000, 4 * _MIB
        ),
        QemuMachine(
            *("mps3-an547", "mps3-an547", "Cortex-M55", "double"),
            *(0x10000000, _MIB // 2, 0x30000000, _MIB // 2),
        ),
        QemuMachine(
            *("netduinoplus2", "netduinoplus2", "Cortex-M4", "single"),
            *(0x08000000, _MIB, 0x20000000, 131_072),
            series="STM32F4",
            usart="USART1",
            clock_hz=168_000_000,
            flash_wait_states=5,
        ),
    )
}


def machine(board_id: str) -> QemuMachine:
    """The machine of that id. Raises `UsageError` for others."""
    found = MACHINES.get(board_id)
    if found is None:
        raise UsageError(f"{board_id!r} is no machine of QEMU", hint="known: " + ", ".join(MACHINES))
    return found


def board_or_machine(board_id: str) -> Board:
    """The board of that file, or the machine of that name.

    Raises `UnknownBoardError` with close matches among both, and what `load_board` raises.
    """
    found = MACHINES.get(board_id)
    if found is None:
        try:
            return load_board(board_id)
        except UnknownBoardError as error:
            close = config.close_matches(board_id, [*board_ids(), *MACHINES])
            listed = "`benchrunner boards` lists all of them"
            raise UnknownBoardError(error.message, hint=f"{close} {listed}".strip()) from None
    if board_id in board_ids():
        raise ConfigError(
            f"board {board_id!r} is a machine of QEMU, and a board file has the same id",
            hint="rename the board file, and the id in it",
        )
    return found.board()


def flashable_board(board_id: str) -> Board:
    """The board of that file. Raises `UsageError` for a machine, which has no flash, and as `load_board`."""
    if board_id in MACHINES:
        raise UsageError(
            f"{board_id} is a machine of QEMU: it has neither a boot loader nor flash to write",
            hint=f"benchrunner run --board {board_id} loads and starts firmware",
        )
    return load_board(board_id)


def facts_sha256(board: Board) -> str:
    """SHA-256 of the board's file; of what is said here where the board is a machine."""
    found = MACHINES.get(board.id)
    return hashlib.sha256(repr(found).encode()).hexdigest() if found else board_file_sha256(board.id)
