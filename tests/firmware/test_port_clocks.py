"""The clock settings of every board, worked out on the host, and the limits in manuals and datasheets."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from port_build import PORTS, lay_out, mcu, stm32_boards

MHZ = 1_000_000
BOARDS = stm32_boards()
HSI_HZ = {
    "STM32H7": 64 * MHZ,
    "STM32F7": 16 * MHZ,
    "STM32F4": 16 * MHZ,
    "STM32L4": 16 * MHZ,
    "STM32U5": 16 * MHZ,
}
BAUDS_HZ = (115_200, 921_600)


@dataclass(frozen=True)
class Limits:
    """Of a part at the voltage scale that its port sets. Sources beside the rows."""

    reference_hz: tuple[int, int]
    vco_hz: tuple[int, int]
    core_hz: int
    apb_hz: tuple[int, int]  # APB1, APB2
    flash_step_hz: int  # one wait state more for each started step, at 2.7 to 3.6 V
    flash_divider: int = 1  # of the core's clock


def mhz(low: float, high: float) -> tuple[int, int]:
    return round(low * MHZ), round(high * MHZ)


_F4 = ((1 * MHZ, 2 * MHZ), mhz(192, 432))  # RM0368, RM0386
_F7 = ((1 * MHZ, 2 * MHZ), mhz(100, 432))  # RM0385, RM0410
_L4 = (mhz(4, 16), mhz(64, 344))  # DS10969, DS12023: PLL characteristics, range 1
_U5 = (mhz(4, 16), mhz(128, 544))  # DS13737, DS13086: PLL characteristics
LIMITS = {
    # DS12930: PLL1 wide; AXI 200 MHz at VOS1. RM0399 has 70, 140, 210 MHz for 0, 1, 2 wait states.
    "stm32h747i-disco": Limits(mhz(2, 16), mhz(192, 836), 400 * MHZ, mhz(100, 100), 70 * MHZ, 2),
    # DS13195; RM0455 at VOS0: 42 MHz per wait state.
    "nucleo-h7a3zi-q": Limits(mhz(2, 16), mhz(128, 560), 280 * MHZ, mhz(140, 140), 42 * MHZ),
    "stm32f746g-disco": Limits(*_F7, 216 * MHZ, mhz(54, 108), 30 * MHZ),  # RM0385
    "stm32f769i-disco": Limits(*_F7, 216 * MHZ, mhz(54, 108), 30 * MHZ),  # RM0410
    "stm32f469i-disco": Limits(*_F4, 180 * MHZ, mhz(45, 90), 30 * MHZ),  # RM0386
    "nucleo-f401re": Limits(*_F4, 84 * MHZ, mhz(42, 84), 30 * MHZ),  # RM0368
    "b-l475e-iot01a": Limits(*_L4, 80 * MHZ, mhz(80, 80), 16 * MHZ),  # RM0351, range 1
    "nucleo-l4r5zi": Limits(*_L4, 120 * MHZ, mhz(120, 120), 20 * MHZ),  # RM0432, range 1 boost
    "stm32l4r9i-disco": Limits(*_L4, 120 * MHZ, mhz(120, 120), 20 * MHZ),
    "nucleo-u575zi-q": Limits(*_U5, 160 * MHZ, mhz(160, 160), 32 * MHZ),  # RM0456, range 1
    "b-u585i-iot02a": Limits(*_U5, 160 * MHZ, mhz(160, 160), 32 * MHZ),
}


@dataclass(frozen=True)
class Clocks:
    reference_hz: int
    vco_hz: int
    core_hz: int
    apb_hz: tuple[int, int]
    usart_hz: int
    fifo_bytes: int
    lpuart: bool


def macros_of(board_id: str, folder: Path) -> dict[str, str]:
    """What the preprocessor makes of the board's headers."""
    lay_out(BOARDS[board_id], folder)
    (folder / "all.c").write_text(
        '#include "board.h"\n#include "board_port.h"\n#include "family_registers.h"\n'
    )
    told = subprocess.run(
        ["gcc", "-E", "-dM", "all.c"], cwd=folder, check=True, capture_output=True, text=True
    )
    return dict(re.findall(r"^#define (\w+) (.+)$", told.stdout, re.MULTILINE))


def clocks_of(board_id: str, folder: Path) -> Clocks:
    macros, board = macros_of(board_id, folder), BOARDS[board_id]

    def number(name: str, default: int | None = None) -> int:
        return int(macros[name].rstrip("u")) if name in macros else default or 0

    reference_hz = number("PORT_HSE_HZ", HSI_HZ[board.series]) // number("PORT_PLL_M")
    vco_hz = reference_hz * number("PORT_PLL_N")
    core_hz = vco_hz // (number("PORT_PLL_P") or number("PORT_PLL_R"))
    if board.series == "STM32H7":
        apb_hz = (core_hz // number("PORT_AHB_DIVIDER") // 2,) * 2
    else:
        apb_hz = (core_hz // number("PORT_APB1_DIVIDER", 1), core_hz // number("PORT_APB2_DIVIDER", 1))
    on_apb2 = "APB2" in macros["USART_ENR"]
    return Clocks(
        reference_hz, vco_hz, core_hz, apb_hz, apb_hz[on_apb2],
        number("USART_FIFO_BYTES"), number("USART_IS_LPUART") == 1,
    )  # fmt: skip


def baud_error(usart_hz: int, baud_hz: int, *, lpuart: bool) -> float:
    scale = 256 if lpuart else 1
    divider = (scale * usart_hz + baud_hz // 2) // baud_hz
    assert (0x300 if lpuart else 16) <= divider < (1 << 20 if lpuart else 1 << 16)
    return scale * usart_hz / divider / baud_hz - 1


@pytest.mark.parametrize("board_id", sorted(BOARDS))
def test_every_clock_is_within_the_limits_of_its_part(board_id: str, tmp_path: Path) -> None:
    clocks, limits, chip = clocks_of(board_id, tmp_path / "p"), LIMITS[board_id], mcu(BOARDS[board_id]).chip
    assert clocks.core_hz == chip.clock_hz <= limits.core_hz
    assert limits.reference_hz[0] <= clocks.reference_hz <= limits.reference_hz[1]
    assert limits.vco_hz[0] <= clocks.vco_hz <= limits.vco_hz[1]
    assert clocks.apb_hz[0] <= limits.apb_hz[0]
    assert clocks.apb_hz[1] <= limits.apb_hz[1]
    flash_hz = clocks.core_hz // limits.flash_divider
    fewest = next(states for states in count() if flash_hz <= limits.flash_step_hz * (states + 1))
    assert chip.flash_wait_states == fewest


@pytest.mark.parametrize("board_id", sorted(BOARDS))
def test_the_baud_rate_is_near_enough_also_after_a_fallback(board_id: str, tmp_path: Path) -> None:
    clocks = clocks_of(board_id, tmp_path / "p")
    for baud_hz in BAUDS_HZ:
        assert abs(baud_error(clocks.usart_hz, baud_hz, lpuart=clocks.lpuart)) < 0.01
    # 8N1 with 16-fold oversampling tolerates 3.75 % between both ends (RM0399).
    fallback_hz = HSI_HZ[BOARDS[board_id].series]
    assert abs(baud_error(fallback_hz, 115_200, lpuart=clocks.lpuart)) < 0.01
    assert abs(baud_error(fallback_hz, 921_600, lpuart=clocks.lpuart)) < 0.025


def test_the_table_of_cycle_budgets_is_what_follows_from_the_settings(tmp_path: Path) -> None:
    rows = []
    for board_id in sorted(BOARDS):
        clocks = clocks_of(board_id, tmp_path / board_id)
        cycles = clocks.core_hz * 10 // 921_600
        fallback = HSI_HZ[BOARDS[board_id].series] * 10 // 921_600
        error = baud_error(clocks.usart_hz, 921_600, lpuart=clocks.lpuart)
        rows.append(
            f"| `{board_id}` | {clocks.core_hz // MHZ} | {clocks.fifo_bytes} | {cycles:,} "
            f"| {cycles * clocks.fifo_bytes:,} | {fallback} | {error:+.2%} |"
        )
    text = (PORTS / "README.md").read_text()
    assert [row for row in rows if row not in text] == []
