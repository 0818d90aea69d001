"""STM32L4 (RM0351) and L4+ (RM0432)."""

from __future__ import annotations

from collections.abc import Callable

from benchrunner.emulator.clocks import ClockSwitch, ClockTree, Oscillator, Pll, Registers
from benchrunner.emulator.families.family import (
    GPIO_RESET,
    MHZ,
    Family,
    UsartPlace,
    ahb,
    apb,
    bits,
    fixed,
    no_division,
    reset_causes,
    steps,
    timers,
)
from benchrunner.emulator.processor import Identity
from benchrunner.emulator.supply import Scale
from benchrunner.emulator.usart import Kind

_MSI_HZ = tuple(
    round(mhz * MHZ) for mhz in (0.1, 0.2, 0.4, 0.8, 1, 2, 4, 8, 16, 24, 32, 48)
)  # RCC_CR, MSIRANGE


def _l4_msi(registers: Registers) -> int:
    # MSIRANGE counts with MSIRGSEL; else the range after reset, 4 MHz
    code = bits(registers, 0x00, 4, 4) if bits(registers, 0x00, 3, 1) else 6
    return _MSI_HZ[min(code, len(_MSI_HZ) - 1)]


def _l4_pll(m_bits: int) -> Callable[[Registers], Pll]:
    def pll(registers: Registers) -> Pll:
        return Pll(
            (None, "MSI", "HSI", "HSE")[bits(registers, 0x0C, 0, 2)],
            divider=bits(registers, 0x0C, 4, m_bits) + 1,
            input_hz=(2_660_000, 16 * MHZ),  # datasheets; 4 MHz is their lower end for L475
            multiplier=bits(registers, 0x0C, 8, 7),
            vco_hz=(64 * MHZ, 344 * MHZ),
            output_divider=2 * (bits(registers, 0x0C, 25, 2) + 1) if bits(registers, 0x0C, 24, 1) else None,
        )

    return pll


def _l4_tree(m_bits: int) -> Callable[[int], ClockTree]:
    def tree(hse_hz: int) -> ClockTree:
        return ClockTree(
            reset={0x00: 0x63, 0x0C: 0x1000, 0x48: 0x100, 0x94: 0x600},
            oscillators=(
                Oscillator("MSI", 0, 1, _l4_msi),
                Oscillator("HSI", 8, 10, fixed(16 * MHZ)),
                Oscillator("HSE", 16, 17, fixed(hse_hz)),
            ),
            at_reset="MSI",
            pll=_l4_pll(m_bits),
            pll_locked={0x0C: ~(1 << 16 | 1 << 20 | 1 << 24)},  # all but the outputs' switches
            switch=ClockSwitch(0x08, 3, 2, ("MSI", "HSI", "HSE", "PLL")),
            core_divider=lambda registers: ahb(bits(registers, 0x08, 4, 4)),
            bus_divider=no_division,
            apb_dividers=lambda registers: {
                "APB1": apb(bits(registers, 0x08, 8, 3)),
                "APB2": apb(bits(registers, 0x08, 11, 3)),
            },
            cause_offset=0x94,
            cause_clear_bit=23,
            causes=reset_causes(0x0C000000),
        )

    return tree


def _l4(
    name: str, m_bits: int, scales: dict[int, Scale], fifo_bytes: int, gpio_reset: dict[str, int]
) -> Family:
    def usart(base: int, enable: tuple[int, int], bus: str, at: int, kind: Kind = Kind.NEW) -> UsartPlace:
        return UsartPlace(base, enable, kind, fifo_bytes, (bus, "SYSCLK", "HSI", None), (0x88, at, 2))

    return Family(
        name=name,
        tree=_l4_tree(m_bits),
        rcc=0x40021000,
        power=0x40007000,
        power_enable=(0x58, 28),
        scales=scales,
        overdrive={},
        power_reset=0,
        flash=0x40022000,
        flash_reset=0x600,
        gpio=0x48000000,
        gpio_enable=0x4C,
        gpio_reset=gpio_reset,
        gpio_reset_other=0xFFFFFFFF,
        usarts={
            "USART1": usart(0x40013800, (0x60, 14), "APB2", 0),
            "USART2": usart(0x40004400, (0x58, 17), "APB1", 2),
            "USART3": usart(0x40004800, (0x58, 18), "APB1", 4),
            "LPUART1": usart(0x40008000, (0x5C, 0), "APB1", 10, Kind.LOW_POWER),
        },
        timers=timers(0x58),
        watchdog=0x40003000,
        idcode=0xE0042000,
        revision=0x1000,
        identity=Identity(0x410FC241, dwt_locked=False, caches=False),
        plain={0x40010000: 0x400},  # SYSCFG
        backup=(0x40002800,),
    )


_L4_GPIO_RESET = {**GPIO_RESET, "H": 0x0000000F}
_LOW = Scale("range 2", 26 * MHZ, steps(6, 12, 18, 26))
L4X5 = _l4(
    "STM32L47", 3, {1: Scale("range 1", 80 * MHZ, steps(16, 32, 48, 64, 80)), 2: _LOW}, 0, _L4_GPIO_RESET
)
L4_PLUS = _l4(
    "STM32L4+",
    4,
    {
        1: Scale("range 1", 80 * MHZ, steps(20, 40, 60, 80)),
        2: Scale("range 2", 26 * MHZ, steps(8, 16, 26)),
        0: Scale("range 1 boost", 120 * MHZ, steps(20, 40, 60, 80, 100, 120)),
    },
    8,
    _L4_GPIO_RESET,
)
