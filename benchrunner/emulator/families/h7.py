"""STM32H7: H743, H747 (RM0433, RM0399) and H7A3 (RM0455)."""

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
    reset_causes,
    steps,
    timers,
)
from benchrunner.emulator.processor import Identity
from benchrunner.emulator.supply import Scale
from benchrunner.emulator.usart import Kind


def _h7_pll(registers: Registers) -> Pll:
    ranges = ((1, 2), (2, 4), (4, 8), (8, 16))
    low, high = ranges[bits(registers, 0x2C, 2, 2)]
    medium = bits(registers, 0x2C, 1, 1)
    fraction = bits(registers, 0x34, 3, 13) / 8192 if bits(registers, 0x2C, 0, 1) else 0.0
    return Pll(
        ("HSI", "CSI", "HSE", None)[bits(registers, 0x28, 0, 2)],
        divider=bits(registers, 0x28, 4, 6),
        input_hz=(low * MHZ, high * MHZ),
        multiplier=bits(registers, 0x30, 0, 9) + 1 + fraction,
        vco_hz=(150 * MHZ, 420 * MHZ) if medium else (128 * MHZ, 960 * MHZ),
        output_divider=bits(registers, 0x30, 9, 7) + 1 if bits(registers, 0x2C, 16, 1) else None,
        q_divider=bits(registers, 0x30, 16, 7) + 1 if bits(registers, 0x2C, 17, 1) else None,
    )


def _h7_alias(offset: int) -> int:
    """The registers of the core that asks (0x130 on) are those at 0xD0 on (RM0433, RCC register map)."""
    return offset - 0x60 if 0x130 <= offset <= 0x15C else offset


def _h7_tree(alias: Callable[[int], int]) -> Callable[[int], ClockTree]:
    def tree(hse_hz: int) -> ClockTree:
        return ClockTree(
            reset={0x00: 0x83, 0x28: 0x02020200, 0x2C: 0x01FF0000, 0x30: 0x01010280},
            oscillators=(
                Oscillator("HSI", 0, 2, lambda registers: 64 * MHZ >> bits(registers, 0x00, 3, 2)),
                Oscillator("CSI", 7, 8, fixed(4 * MHZ)),
                Oscillator("HSE", 16, 17, fixed(hse_hz)),
            ),
            at_reset="HSI",
            pll=_h7_pll,
            pll_locked={0x28: 0xFFFFFFFF, 0x30: 0xFFFFFFFF},
            switch=ClockSwitch(0x10, 7, 3, ("HSI", "CSI", "HSE", "PLL")),
            core_divider=lambda registers: ahb(bits(registers, 0x18, 8, 4)),
            bus_divider=lambda registers: ahb(bits(registers, 0x18, 0, 4)),
            apb_dividers=lambda registers: {
                "APB1": apb(bits(registers, 0x1C, 4, 3)),
                "APB2": apb(bits(registers, 0x1C, 8, 3)),
                "APB3": apb(bits(registers, 0x18, 4, 3)),
                "APB4": apb(bits(registers, 0x20, 4, 3)),
            },
            cause_offset=alias(0x130),
            cause_clear_bit=16,
            causes=reset_causes(0x00FA0000, pin=22, software=24, watchdog=26, always=1 << 17),
            aliases=alias,
        )

    return tree


def _h7(
    name: str, alias: Callable[[int], int], scales: dict[int, Scale], reset_vos: int, revision: int
) -> Family:
    clocks = (None, "PLLQ", None, "HSI", "CSI", None)

    def usart(base: int, enable: tuple[int, int], bus: str, at: int) -> UsartPlace:
        return UsartPlace(base, enable, Kind.NEW, 16, (bus, *clocks[1:]), (0x54, at, 3))

    return Family(
        name=name,
        tree=_h7_tree(alias),
        rcc=0x58024400,
        power=0x58024800,
        power_enable=None,
        scales=scales,
        overdrive={},
        power_reset=reset_vos,
        flash=0x52002000,
        flash_reset=0x37,
        gpio=0x58020000,
        gpio_enable=0x140,
        gpio_reset=GPIO_RESET,
        gpio_reset_other=0xFFFFFFFF,
        usarts={
            "USART1": usart(0x40011000, (0x150, 4), "APB2", 3),
            "USART2": usart(0x40004400, (0x148, 17), "APB1", 0),
            "USART3": usart(0x40004800, (0x148, 18), "APB1", 0),
            "USART6": usart(0x40011400, (0x150, 5), "APB2", 3),
        },
        timers=timers(0x148),
        watchdog=0x58004800,
        idcode=0x5C001000,
        revision=revision,
        identity=Identity(0x411FC271, dwt_locked=True, caches=True),
        plain={0x58000400: 0x400},  # SYSCFG
        backup=(0x58004000,),
    )


def _same(offset: int) -> int:
    return offset


H74 = _h7(
    "STM32H74",
    _h7_alias,
    {
        0: Scale("VOS3", 200 * MHZ, steps(45, 90, 135, 180, 225)),
        1: Scale("VOS3", 200 * MHZ, steps(45, 90, 135, 180, 225)),
        2: Scale("VOS2", 300 * MHZ, steps(55, 110, 165, 225)),
        3: Scale("VOS1", 400 * MHZ, steps(70, 140, 210, 225)),
        4: Scale("VOS0", 480 * MHZ, steps(70, 140, 210, 225, 240)),
    },
    1,
    0x2003,
)
H7A3 = _h7(
    "STM32H7A3",
    _same,  # one core: the registers are at 0x130 on only (RM0455)
    {
        0: Scale("VOS3", 88 * MHZ, steps(22, 44, 66, 88)),
        1: Scale("VOS2", 160 * MHZ, steps(34, 68, 102, 136, 160)),
        2: Scale("VOS1", 225 * MHZ, steps(38, 76, 114, 152, 190, 225)),
        3: Scale("VOS0", 280 * MHZ, steps(42, 84, 126, 168, 210, 252, 280)),
    },
    0,
    0x1000,
)
