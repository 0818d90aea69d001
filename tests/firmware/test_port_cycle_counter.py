"""The 64-bit cycle counter as compiled for a board, on an emulated core whose true count the test knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given, settings
from hypothesis import strategies as st
from port_build import build_with_gcc, lay_out, stm32_boards
from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, Uc
from unicorn.arm_const import (
    UC_ARM_REG_LR,
    UC_ARM_REG_R0,
    UC_ARM_REG_R1,
    UC_ARM_REG_SP,
    UC_CPU_ARM_CORTEX_M7,
)

FLASH, RAM, TIMER, PPB = 0x08000000, 0x20000000, 0x40000000, 0xE0000000
RETURN = 0x0801FFF0
TIM2_CNT, DWT_CTRL, DWT_CYCCNT, DWT_LAR, DEMCR = 0x24, 0x1000, 0x1004, 0x1FB0, 0xEDFC


class Core:
    """Runs single functions of the image. `cycles` is the truth; CYCCNT and the timer show parts of it."""

    def __init__(
        self, image: Path, *, skew_cycles: int = 0, phase_cycles: int = 0, locked: bool = True
    ) -> None:
        self.cycles = 0
        self.skew_cycles, self._phase_cycles = skew_cycles, phase_cycles
        self._locked, self._started_at = locked, 0
        self.timer_runs = True
        self.counted_at_read = 0
        self._words: dict[int, int] = {}
        self._uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        self._uc.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M7)
        self._uc.mem_map(FLASH, 0x20000)
        self._uc.mem_map(RAM, 0x20000)
        self._uc.mmio_map(TIMER, 0x1000, self._read_timer, None, self._write_timer, None)
        self._uc.mmio_map(PPB, 0x100000, self._read_core, None, self._write_core, None)
        with image.open("rb") as file:
            elf = ELFFile(file)
            for segment in elf.iter_segments():
                if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                    self._uc.mem_write(segment["p_paddr"], segment.data())
            table = elf.get_section_by_name(".symtab")
            self._symbols = {symbol.name: symbol["st_value"] for symbol in table.iter_symbols()}

    def call(self, function: str) -> int:
        self._uc.reg_write(UC_ARM_REG_SP, RAM + 0x1000)
        self._uc.reg_write(UC_ARM_REG_LR, RETURN | 1)
        self._uc.emu_start(self._symbols[function] | 1, RETURN)
        low, high = self._uc.reg_read(UC_ARM_REG_R0), self._uc.reg_read(UC_ARM_REG_R1)
        assert isinstance(low, int)
        assert isinstance(high, int)
        return high << 32 | low

    def _runs(self) -> bool:
        traced = self._words.get(DEMCR, 0) & 1 << 24
        return bool(traced and not self._locked and self._words.get(DWT_CTRL, 0) & 1)

    def _read_core(self, _uc: Uc, offset: int, _size: int, _user: object) -> int:
        if offset != DWT_CYCCNT:
            return self._words.get(offset, 0)
        self.cycles += self.skew_cycles  # time passes between the two readings
        self.counted_at_read = self.cycles - self._started_at if self._runs() else 0
        return self.counted_at_read & 0xFFFFFFFF

    def _write_core(self, _uc: Uc, offset: int, _size: int, value: int, _user: object) -> None:
        if offset == DWT_LAR:
            self._locked = value != 0xC5ACCE55
        elif offset == DWT_CYCCNT:
            self._started_at = self.cycles
        elif offset != DWT_CTRL or not self._locked:
            self._words[offset] = value

    def _read_timer(self, _uc: Uc, offset: int, _size: int, _user: object) -> int:
        assert offset == TIM2_CNT
        self.cycles += self.skew_cycles
        return (self.cycles + self._phase_cycles) >> 16 & 0xFFFFFFFF if self.timer_runs else 7

    def _write_timer(self, _uc: Uc, offset: int, _size: int, value: int, _user: object) -> None:
        raise AssertionError(f"the timer is written at {offset:#x}")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    board = stm32_boards()["stm32h747i-disco"]
    folder = lay_out(board, tmp_path_factory.mktemp("counter") / "project")
    return build_with_gcc(board, folder)


@pytest.fixture(scope="module")
def started(image: Path) -> Callable[..., Core]:
    def start(skew_cycles: int = 0, phase_cycles: int = 0) -> Core:
        core = Core(image, skew_cycles=1, phase_cycles=phase_cycles)  # a counter that stands is found dead
        assert core.call("cycle_counter_start") & 0xFF == 1
        core.skew_cycles = skew_cycles
        return core

    return start


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 1 << 42) | st.integers((1 << 32) - 70000, (1 << 32) + 70000), min_size=1),
    skew_cycles=st.integers(0, 20_000),
    phase_cycles=st.integers(0, 65_535),
)
def test_every_cycle_is_counted_however_long_nobody_looked(
    started: Callable[..., Core], gaps: list[int], skew_cycles: int, phase_cycles: int
) -> None:
    core = started(skew_cycles=skew_cycles, phase_cycles=phase_cycles)
    for gap in gaps:
        core.cycles += gap
        assert core.call("port_cycles") == core.counted_at_read


def test_a_slow_timer_that_wraps_does_not_matter(started: Callable[..., Core]) -> None:
    core = started()
    for _ in range(3):  # the timer's 32 bits of 2^16 cycles each
        core.cycles += (1 << 48) - (1 << 32)
        assert core.call("port_cycles") == core.counted_at_read
    assert core.counted_at_read > 1 << 49


def test_without_the_slow_timer_gaps_below_half_a_wrap_are_still_right(started: Callable[..., Core]) -> None:
    core = started()
    core.timer_runs = False
    core.call("port_cycles")
    for _ in range(10):
        core.cycles += (1 << 31) - 1
        assert core.call("port_cycles") == core.counted_at_read


def test_a_counter_that_cannot_be_unlocked_is_reported_dead(image: Path) -> None:
    class Stuck(Core):
        def _write_core(self, uc: Uc, offset: int, size: int, value: int, user: object) -> None:
            if offset != DWT_LAR:
                super()._write_core(uc, offset, size, value, user)

    assert Stuck(image, skew_cycles=10).call("cycle_counter_start") & 0xFF == 0
