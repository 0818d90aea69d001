"""Boards of the simulator's tests."""

from __future__ import annotations

import pytest
from rom_host import make_board

from benchrunner.board import Board, SectorRun


@pytest.fixture
def board() -> Board:
    return make_board()


@pytest.fixture
def ecc_board() -> Board:
    """An STM32H743-like board: flash words of 32 bytes with ECC, two banks."""
    return make_board(
        chip_id=0x450,
        core="Cortex-M7",
        series="STM32H7",
        sectors=(SectorRun(16, 0x20000),),
        write_bytes=32,
        rewritable=False,
        size_register=0x1FF1E880,
        uid_register=0x1FF1E800,
        rom_base=0x1FF09800,
    )
