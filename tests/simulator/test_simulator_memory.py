"""NOR flash and the memory map of the simulated chip."""

from __future__ import annotations

from rom_host import make_board

from benchrunner.board import Board
from benchrunner.simulator.faults import StuckBits
from benchrunner.simulator.memory import MemoryMap, NorFlash

BASE = 0x08000000


def nor(board: Board, content: bytes = b"", stuck: StuckBits | None = None) -> NorFlash:
    assert board.mcu is not None
    return NorFlash(board.mcu, content, stuck)


def memory_of(board: Board) -> MemoryMap:
    assert board.mcu is not None
    return MemoryMap(board.mcu, nor(board))


def test_programming_only_clears_bits(board: Board) -> None:
    flash = nor(board)
    flash.program(BASE, b"\xf0\xf0\xf0\xf0")
    flash.program(BASE, b"\x0f\xff\x3c\x00")
    assert flash.read(BASE, 5) == b"\x00\xf0\x30\x00\xff"


def test_erase_sets_exactly_one_sector_to_ff(board: Board) -> None:
    flash = nor(board, bytes(0x80000))
    flash.erase(4)
    assert flash.read(0x08010000, 0x10000) == b"\xff" * 0x10000
    assert flash.content.count(0) == 0x80000 - 0x10000
    assert flash.erase_counts == [0, 0, 0, 0, 1, 0, 0, 0]


def test_a_flash_word_with_ecc_is_not_programmed_twice(ecc_board: Board) -> None:
    flash = nor(ecc_board)
    flash.program(BASE, b"\x11" * 32)
    flash.program(BASE, b"\x11" * 32 + b"\x22" * 32)
    assert flash.read(BASE, 64) == b"\x11" * 32 + b"\x22" * 32, "the erased word behind it is programmed"
    assert flash.programming_errors == 1


def test_a_part_of_an_ecc_word_spends_the_whole_word(ecc_board: Board) -> None:
    flash = nor(ecc_board)
    flash.program(BASE + 4, b"\x11" * 4)
    flash.program(BASE + 16, b"\x22" * 4)
    assert flash.read(BASE, 32) == b"\xff" * 4 + b"\x11" * 4 + b"\xff" * 24
    assert flash.programming_errors == 1


def test_stuck_bits_read_zero_after_erase_and_programming(board: Board) -> None:
    flash = nor(board, stuck=StuckBits(BASE + 5, 0x81))
    flash.erase(0)
    assert flash.read(BASE + 4, 3) == b"\xff\x7e\xff"
    flash.program(BASE + 4, b"\x81\x81\x81\x81")
    assert flash.read(BASE + 4, 4) == b"\x81\x00\x81\x81"


def test_a_protected_sector_keeps_its_content(board: Board) -> None:
    flash = nor(board, bytes(0x4000))
    flash.protected.add(0)
    flash.erase(0)
    flash.program(BASE + 0x3FFC, b"\x00" * 4)
    assert flash.read(BASE, 0x4000) == bytes(0x4000)


def test_the_size_register_and_the_unique_id_are_readable(ecc_board: Board) -> None:
    memory = memory_of(ecc_board)
    assert memory.read(0x1FF1E880, 2) == (2048).to_bytes(2, "little")
    assert memory.read(0x1FF1E800, 12) == b"BENCHRUN-SIM", (
        "no factory writes this: the chip says that it is simulated"
    )
    assert memory.read(0x1FF1E7FE, 1) == b"\x31", "the bootloader's version byte"


def test_an_f4_answers_for_its_size_only_from_an_aligned_address(board: Board) -> None:
    memory = memory_of(board)
    assert not memory.is_readable(0x1FFF7A22)
    assert memory.is_readable(0x1FFF7A00)
    page = memory.read(0x1FFF7A00, 256)
    assert page is not None
    assert page[0x22:0x24] == (512).to_bytes(2, "little")


def test_ram_below_the_roms_limit_is_not_for_the_host(board: Board) -> None:
    memory = memory_of(board)
    assert not memory.is_writable(0x20000000)
    assert memory.is_writable(0x20003000)
    assert memory.write(0x20003000, b"abcd")
    assert memory.read(0x20003000, 4) == b"abcd"


def test_a_range_that_leaves_its_memory_is_refused(board: Board) -> None:
    memory = memory_of(board)
    assert memory.read(0x0807FFFF, 2) is None
    assert not memory.write(0x0807FFFC, bytes(8))
    assert memory.read(0x40000000, 1) is None


def test_vectors_are_plausible_only_with_a_stack_in_ram_and_a_thumb_address(board: Board) -> None:
    def words(stack: int, reset: int) -> bytes:
        return stack.to_bytes(4, "little") + reset.to_bytes(4, "little")

    good = (0x20018000, 0x08000201)
    for stack, reset, plausible in (
        (*good, True),
        (0x20018004, good[1], False),
        (0x20000000, good[1], False),
        (0x20017FFE, good[1], False),
        (good[0], 0x08000200, False),
        (good[0], 0x08080001, False),
        (0xFFFFFFFF, 0xFFFFFFFF, False),
    ):
        assert board.mcu is not None
        memory = MemoryMap(board.mcu, nor(board, words(stack, reset)))
        assert (memory.vectors_at(BASE) is not None) == plausible, f"{stack:#x} {reset:#x}"


def test_banks_exist_only_on_parts_with_two() -> None:
    two = nor(make_board(chip_id=0x450))
    assert (two.bank(1), two.bank(2)) == (range(4), range(4, 8))
    assert nor(make_board(chip_id=0x433)).bank(1) is None
