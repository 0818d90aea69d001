from dataclasses import replace

import pytest
import tflite_builder as built

from benchrunner.board import Board, load_board
from benchrunner.fit import CODE_ALLOWANCE_BYTES, LINUX_ALLOWANCE_BYTES, RAM_ALLOWANCE_BYTES, Verdict, fit
from benchrunner.model import parse_model
from benchrunner.model.cost import ModelCost, model_cost


@pytest.fixture(scope="module")
def cost() -> ModelCost:
    found = model_cost(parse_model(built.fd_mobilenet(128), "fd.tflite"))
    assert (found.constant_bytes, found.live.peak_bytes, found.live.least_bytes) == (131_412, 81_920, 49_152)
    return found


def board(*, flash_bytes: int = 1 << 20, ram_bytes: tuple[int, ...] = (1 << 20,)) -> Board:
    real = load_board("stm32h747i-disco")
    assert real.mcu is not None
    memories = tuple(
        replace(real.mcu.memories[0], name=f"R{i}", size_bytes=n) for i, n in enumerate(ram_bytes)
    )
    flash = replace(real.mcu.flash, size_bytes=flash_bytes)
    return replace(real, mcu=replace(real.mcu, flash=flash, memories=memories))


FLASH = 131_412 + CODE_ALLOWANCE_BYTES
RAM = 81_920 + RAM_ALLOWANCE_BYTES
LEAST = 49_152 + RAM_ALLOWANCE_BYTES


@pytest.mark.parametrize(
    ("flash_bytes", "ram_bytes", "verdict", "shortfalls"),
    [
        (2 * FLASH, 2 * RAM, Verdict.FITS, [0, 0]),
        (FLASH, 2 * RAM, Verdict.TIGHT, [0, 0]),
        (FLASH - 1, 2 * RAM, Verdict.DOES_NOT_FIT, [1, 0]),
        (2 * FLASH, RAM, Verdict.TIGHT, [0, 0]),
        (2 * FLASH, RAM - 1, Verdict.TIGHT, [0, 0]),
        (2 * FLASH, LEAST, Verdict.TIGHT, [0, 0]),
        (2 * FLASH, LEAST - 100, Verdict.DOES_NOT_FIT, [0, 100]),
        (FLASH // 2, LEAST - 100, Verdict.DOES_NOT_FIT, [FLASH - FLASH // 2, 100]),
    ],
)
def test_the_worst_memory_decides(
    cost: ModelCost, flash_bytes: int, ram_bytes: int, verdict: Verdict, shortfalls: list[int]
) -> None:
    answer = fit(cost, board(flash_bytes=flash_bytes, ram_bytes=(ram_bytes,)))
    assert answer.verdict is verdict
    assert [memory.shortfall_bytes for memory in answer.memories] == shortfalls


def test_the_largest_single_region_counts(cost: ModelCost) -> None:
    flash, ram = fit(cost, board(ram_bytes=(1000, 200_000, 3000))).memories
    assert (flash.memory, flash.need_bytes) == ("flash", FLASH)
    assert (ram.memory, ram.capacity_bytes, ram.need_bytes) == ("RAM R1", 200_000, RAM)


def test_a_linux_board_has_one_memory(cost: ModelCost) -> None:
    linux = load_board("stm32mp135f-dk")
    answer = fit(cost, linux)
    assert linux.linux is not None
    assert answer.verdict is Verdict.FITS
    (ram,) = answer.memories
    assert ram.need_bytes == 131_412 + 81_920 + LINUX_ALLOWANCE_BYTES
    assert ram.capacity_bytes == linux.linux.ram_bytes


def test_a_machine_whose_memory_nobody_knows_is_not_said_to_be_too_small(cost: ModelCost) -> None:
    answer = fit(cost, load_board("linux"))
    assert answer.verdict is Verdict.UNKNOWN
    assert answer.memories[0].shortfall_bytes == 0
