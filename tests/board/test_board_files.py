"""The board files that ship: each agrees with the published facts of its chip."""

import hashlib
from pathlib import Path

import pytest

from benchrunner.board import (
    Board,
    BoardKind,
    board_file_sha256,
    board_ids,
    list_boards,
    load_board,
    require_mcu,
)
from benchrunner.errors import ConfigError, UnknownBoardError, UsageError
from benchrunner.resources import shipped

KIB = 1024
# AN2606 and the reference manuals: chip id, flash KiB, sector sizes in KiB, flash word, size register, RAM
# that the ROM keeps, its base; then core, clock of the published results in MHz.
CHIPS = {
    "stm32h747i-disco": (0x450, 2048, [128] * 16, 32, 0x1FF1E880, 0x20004100, 0x1FF09800, "Cortex-M7", 400),
    "stm32f769i-disco": (
        *(0x451, 2048, [32] * 4 + [128] + [256] * 7, 4, 0x1FF0F442, 0x20004000, 0x1FF00000, "Cortex-M7", 216),
    ),
    "stm32f746g-disco": (
        *(0x449, 1024, [32] * 4 + [128] + [256] * 3, 4, 0x1FF0F442, 0x20004000, 0x1FF00000, "Cortex-M7", 216),
    ),
    "stm32l4r9i-disco": (0x470, 2048, [4] * 512, 8, 0x1FFF75E0, 0x20003200, 0x1FFF0000, "Cortex-M4", 120),
    "nucleo-l4r5zi": (0x470, 2048, [4] * 512, 8, 0x1FFF75E0, 0x20003200, 0x1FFF0000, "Cortex-M4", 120),
    "b-l475e-iot01a": (0x415, 1024, [2] * 512, 8, 0x1FFF75E0, 0x20003100, 0x1FFF0000, "Cortex-M4", 80),
    "nucleo-h7a3zi-q": (0x480, 2048, [8] * 256, 16, 0x08FFF80C, 0x20004100, 0x1FF0A000, "Cortex-M7", 280),
    "b-u585i-iot02a": (0x482, 2048, [8] * 256, 16, 0x0BFA07A0, 0x20004000, 0x0BF90000, "Cortex-M33", 160),
    "nucleo-u575zi-q": (0x482, 2048, [8] * 256, 16, 0x0BFA07A0, 0x20004000, 0x0BF90000, "Cortex-M33", 160),
    "stm32f469i-disco": (
        *(
            0x434,
            2048,
            ([16] * 4 + [64] + [128] * 7) * 2,
            4,
            0x1FFF7A22,
            0x20003000,
            0x1FFF0000,
            "Cortex-M4",
            180,
        ),
    ),
    "nucleo-f401re": (
        *(0x433, 512, [16] * 4 + [64] + [128] * 3, 4, 0x1FFF7A22, 0x20003000, 0x1FFF0000, "Cortex-M4", 84),
    ),
}
# Unique id beside the size register (reference manuals, device electronic signature).
UID_REGISTERS = {
    0x1FFF7A22: 0x1FFF7A10,
    0x1FF0F442: 0x1FF0F420,
    0x1FF1E880: 0x1FF1E800,
    0x08FFF80C: 0x08FFF800,
    0x1FFF75E0: 0x1FFF7590,
    0x0BFA07A0: 0x0BFA0700,
}
LINUX = {
    "stm32mp257f-dk": ("STM32MP257F", "Cortex-A35", 2, 1_500, 4096),
    "stm32mp157f-dk2": ("STM32MP157F", "Cortex-A7", 2, 800, 512),
    "stm32mp135f-dk": ("STM32MP135F", "Cortex-A7", 1, 1_000, 512),
}
# Flash words without an error-correcting code may be programmed again with the same data.
WITHOUT_ECC = {"stm32f769i-disco", "stm32f746g-disco", "stm32f469i-disco", "nucleo-f401re"}


def test_the_boards_are_the_fourteen_that_are_promised_and_any_linux_machine() -> None:
    assert set(board_ids()) == {*CHIPS, *LINUX, "linux"}
    assert [board.id for board in list_boards()] == sorted([*CHIPS, *LINUX, "linux"])


@pytest.mark.parametrize("board_id", CHIPS)
def test_a_board_agrees_with_the_facts_of_its_chip(board_id: str) -> None:
    chip_id, flash_kib, sectors_kib, word_bytes, size_register, ram_used_to, rom, core, mhz = CHIPS[board_id]
    mcu = load_board(board_id).mcu
    assert mcu is not None
    assert mcu.chip.chip_id == chip_id
    assert mcu.chip.core == core
    assert mcu.chip.clock_hz == mhz * 1_000_000
    assert mcu.flash.size_bytes == flash_kib * KIB
    assert [sector.size_bytes for sector in mcu.flash.sector_list()] == [kib * KIB for kib in sectors_kib]
    assert mcu.flash.write_bytes == word_bytes
    assert mcu.flash.rewritable is (board_id in WITHOUT_ECC)
    assert mcu.flash.size_register == size_register
    assert mcu.flash.uid_register == UID_REGISTERS[size_register]
    assert mcu.bootloader.ram_used_to == ram_used_to
    assert mcu.bootloader.base == rom


@pytest.mark.parametrize("board_id", CHIPS)
def test_the_sectors_of_a_board_cover_its_flash_without_a_gap(board_id: str) -> None:
    mcu = load_board(board_id).mcu
    assert mcu is not None
    sectors = mcu.flash.sector_list()
    assert sectors[0].address == mcu.flash.base
    assert [sector.end for sector in sectors[:-1]] == [sector.address for sector in sectors[1:]]
    assert sectors[-1].end == mcu.flash.base + mcu.flash.size_bytes


def test_bank_two_of_the_f469_starts_at_sector_twelve() -> None:
    mcu = load_board("stm32f469i-disco").mcu
    assert mcu is not None
    assert mcu.flash.sector_list()[12].address == 0x08100000


@pytest.mark.parametrize("board_id", LINUX)
def test_a_linux_board_agrees_with_the_facts_of_its_processor(board_id: str) -> None:
    board = load_board(board_id)
    assert board.kind is BoardKind.LINUX
    assert board.mcu is None
    linux = board.linux
    assert linux is not None
    ram_mib = linux.ram_bytes // KIB // KIB
    assert (linux.soc, linux.core, linux.cpus, linux.clock_hz // 1_000_000, ram_mib) == LINUX[board_id]
    assert f"STMicroelectronics {board.name} Discovery Board" in linux.device_tree
    assert ("nbg" in board.engines) is (board_id == "stm32mp257f-dk")


def test_where_a_microcontroller_is_needed_a_linux_board_is_refused() -> None:
    with pytest.raises(UsageError, match="runs Linux: expected a microcontroller board"):
        require_mcu(load_board("stm32mp257f-dk"))
    require_mcu(load_board("stm32h747i-disco"))


@pytest.mark.parametrize("board_id", [*CHIPS, *LINUX])
def test_the_name_of_a_board_is_its_id_in_capitals(board_id: str) -> None:
    assert load_board(board_id).name == board_id.upper()


@pytest.mark.parametrize("board_id", [*CHIPS, *LINUX])
def test_the_hash_of_a_board_file_is_that_of_its_bytes(board_id: str) -> None:
    content = (shipped("boards") / f"{board_id}.toml").read_bytes()
    assert board_file_sha256(board_id) == hashlib.sha256(content).hexdigest()


def test_a_misspelt_id_gets_close_matches() -> None:
    with pytest.raises(UnknownBoardError) as caught:
        load_board("STM32H747-DISCO")
    assert "'STM32H747-DISCO'" in caught.value.message
    assert "did you mean 'stm32h747i-disco'" in caught.value.hint


def test_an_id_like_no_other_gets_no_suggestion_but_the_list() -> None:
    with pytest.raises(UnknownBoardError) as caught:
        load_board("zzz")
    assert caught.value.hint == "`benchrunner boards` lists all of them"


@pytest.mark.parametrize(
    "board_id", ["stm32l053-disco", "STM32L0538-DISCO", "nucleo-l073rz", "b-l072z-lrwan1"]
)
def test_an_stm32l0_is_refused_with_the_reason(board_id: str) -> None:
    with pytest.raises(UsageError, match="192 KiB of flash and 20 KiB of RAM"):
        load_board(board_id)


def own_board(folder: Path, board_id: str, **replaced: str) -> Path:
    text = (shipped("boards") / "nucleo-f401re.toml").read_text().replace("nucleo-f401re", board_id)
    for old, new in replaced.items():
        text = text.replace(old, new)
    file = folder / f"{board_id}.toml"
    file.write_text(text)
    return file


def test_a_folder_of_the_user_adds_boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = own_board(tmp_path, "my-board")
    monkeypatch.setenv("BENCHRUNNER_BOARDS", str(tmp_path))
    board: Board = load_board("my-board")
    assert board.id == "my-board"
    assert board in list_boards()
    assert board_file_sha256("my-board") == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_board_of_the_user_cannot_replace_a_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = own_board(tmp_path, "nucleo-f401re")
    monkeypatch.setenv("BENCHRUNNER_BOARDS", str(tmp_path))
    with pytest.raises(ConfigError, match=f"{file}:1: id: expected an id of its own"):
        load_board("nucleo-f401re")


def test_a_folder_of_the_user_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHRUNNER_BOARDS", "/nowhere")
    with pytest.raises(ConfigError, match="BENCHRUNNER_BOARDS: expected a folder of board files"):
        list_boards()


def test_the_list_names_the_problems_of_every_bad_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = own_board(tmp_path, "first", **{"chip_id = 0x433": "chip_id = 0"})
    second = own_board(tmp_path, "second", **{'fpu = "single"': 'fpu = "half"'})
    monkeypatch.setenv("BENCHRUNNER_BOARDS", str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        list_boards()
    assert [line.split(": ")[0].rsplit(":", 2)[0] for line in caught.value.message.splitlines()] == [
        str(first),
        str(second),
    ]
