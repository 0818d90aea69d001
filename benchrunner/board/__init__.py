"""What a board is, and the board files: one TOML file describes one kind of board."""

from benchrunner.board.catalogue import (
    FOLDER_VARIABLE,
    board_file_sha256,
    board_ids,
    list_boards,
    load_board,
    load_board_file,
    require_mcu,
)
from benchrunner.board.description import (
    Board,
    BoardKind,
    Bootloader,
    Chip,
    Flash,
    LinuxSystem,
    Mcu,
    Memory,
    Sector,
    SectorRun,
    SerialPort,
)

__all__ = [
    "FOLDER_VARIABLE",
    "Board",
    "BoardKind",
    "Bootloader",
    "Chip",
    "Flash",
    "LinuxSystem",
    "Mcu",
    "Memory",
    "Sector",
    "SectorRun",
    "SerialPort",
    "board_file_sha256",
    "board_ids",
    "list_boards",
    "load_board",
    "load_board_file",
    "require_mcu",
]
