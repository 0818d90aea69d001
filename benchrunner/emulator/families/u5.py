"""STM32U5 (RM0456)."""

from __future__ import annotations

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

_MSIS_HZ = tuple(
    round(mhz * MHZ)
    for mhz in (48, 24, 16, 12, 4, 2, 1.33, 1, 3.072, 1.536, 1.024, 0.768, 0.4, 0.2, 0.133, 0.1)
)  # RCC_ICSCR1, MSISRANGE


def _u5_msi(registers: Registers) -> int:
    selected = bits(registers, 0x08, 23, 1)  # MSIRGSEL; else the range after reset, 4 MHz
    return _MSIS_HZ[bits(registers, 0x08, 28, 4) if selected else 4]


def _u5_pll(registers: Registers) -> Pll:
    fraction = bits(registers, 0x38, 3, 13) / 8192 if bits(registers, 0x28, 4, 1) else 0.0
    low, high = ((4 * MHZ, 8 * MHZ), (4 * MHZ, 8 * MHZ), (4 * MHZ, 8 * MHZ), (8 * MHZ, 16 * MHZ))[
        bits(registers, 0x28, 2, 2)
    ]
    return Pll(
        (None, "MSIS", "HSI", "HSE")[bits(registers, 0x28, 0, 2)],
        divider=bits(registers, 0x28, 8, 4) + 1,
        input_hz=(low, high),
        multiplier=bits(registers, 0x34, 0, 9) + 1 + fraction,
        vco_hz=(128 * MHZ, 544 * MHZ),
        output_divider=bits(registers, 0x34, 24, 7) + 1 if bits(registers, 0x28, 18, 1) else None,
        q_divider=bits(registers, 0x34, 16, 7) + 1 if bits(registers, 0x28, 17, 1) else None,
    )


def _u5_tree(hse_hz: int) -> ClockTree:
    return ClockTree(
        reset={0x00: 0x35, 0x08: 0x44000000, 0x34: 0x01010280, 0x88: 0xD0200100, 0x8C: 0xC0000000},
        oscillators=(
            Oscillator("MSIS", 0, 2, _u5_msi),
            Oscillator("HSI", 8, 10, fixed(16 * MHZ)),
            Oscillator("HSE", 16, 17, fixed(hse_hz)),
        ),
        at_reset="MSIS",
        pll=_u5_pll,
        pll_locked={0x34: 0xFFFFFFFF},
        switch=ClockSwitch(0x1C, 3, 2, ("MSIS", "HSI", "HSE", "PLL")),
        core_divider=lambda registers: ahb(bits(registers, 0x20, 0, 4)),
        bus_divider=no_division,
        apb_dividers=lambda registers: {
            "APB1": apb(bits(registers, 0x20, 4, 3)),
            "APB2": apb(bits(registers, 0x20, 8, 3)),
            "APB3": apb(bits(registers, 0x24, 4, 3)),
        },
        cause_offset=0xF4,
        cause_clear_bit=23,
        causes=reset_causes(0x0C000000),
    )


def _u5_usart(
    base: int, enable: tuple[int, int], bus: str, select: tuple[int, int, int], kind: Kind = Kind.NEW
) -> UsartPlace:
    return UsartPlace(base, enable, kind, 8, (bus, "SYSCLK", "HSI", None), select)


U5 = Family(
    name="STM32U5",
    tree=_u5_tree,
    rcc=0x46020C00,
    power=0x46020800,
    power_enable=(0x94, 2),
    scales={
        0: Scale("range 4", 25 * MHZ, steps(12, 25)),
        1: Scale("range 3", 55 * MHZ, steps(24, 48, 55)),
        2: Scale("range 2", 110 * MHZ, steps(30, 60, 90, 110)),
        3: Scale("range 1", 160 * MHZ, steps(32, 64, 96, 128, 160)),
    },
    overdrive={},
    power_reset=0,
    flash=0x40022000,
    flash_reset=0x1,
    gpio=0x42020000,
    gpio_enable=0x8C,
    gpio_reset={**GPIO_RESET, "H": 0x0000000F},
    gpio_reset_other=0xFFFFFFFF,
    usarts={
        "USART1": _u5_usart(0x40013800, (0xA4, 14), "APB2", (0xE0, 0, 2)),
        "USART2": _u5_usart(0x40004400, (0x9C, 17), "APB1", (0xE0, 2, 2)),
        "USART3": _u5_usart(0x40004800, (0x9C, 18), "APB1", (0xE0, 4, 2)),
        "LPUART1": _u5_usart(0x46002400, (0xA8, 6), "APB3", (0xE8, 0, 3), Kind.LOW_POWER),
    },
    timers=timers(0x9C),
    watchdog=0x40003000,
    idcode=0xE0044000,
    revision=0x3001,
    identity=Identity(0x410FD214, dwt_locked=False, caches=False),
    plain={0x40030400: 0x400, 0x40030800: 0x400, 0x46000400: 0x400},  # ICACHE, DCACHE1, SYSCFG
    backup=(0x46007C00,),  # TAMP with its backup registers
)
