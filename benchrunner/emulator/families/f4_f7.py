"""STM32F4 (RM0090, RM0368, RM0386) and STM32F7 (RM0385, RM0410): one RCC layout."""

from __future__ import annotations

from collections.abc import Callable

from benchrunner.emulator.clocks import ClockSwitch, ClockTree, Oscillator, Pll, Registers
from benchrunner.emulator.families.family import (
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


def _f4_f7_pll(registers: Registers) -> Pll:
    source = "HSE" if bits(registers, 0x04, 22, 1) else "HSI"
    return Pll(
        source,
        divider=bits(registers, 0x04, 0, 6),
        input_hz=(950_000, 2_100_000),
        multiplier=bits(registers, 0x04, 6, 9),
        vco_hz=(100 * MHZ, 432 * MHZ),
        output_divider=2 * (bits(registers, 0x04, 16, 2) + 1),
        q_divider=bits(registers, 0x04, 24, 4) or None,
    )


def _f4_f7_tree(hse_hz: int) -> ClockTree:
    return ClockTree(
        reset={0x00: 0x83, 0x04: 0x24003010, 0x30: 0x00100000},
        oscillators=(
            Oscillator("HSI", 0, 1, fixed(16 * MHZ)),
            Oscillator("HSE", 16, 17, fixed(hse_hz)),
        ),
        at_reset="HSI",
        pll=_f4_f7_pll,
        pll_locked={0x04: 0xFFFFFFFF},
        switch=ClockSwitch(0x08, 3, 2, ("HSI", "HSE", "PLL", None)),
        core_divider=lambda registers: ahb(bits(registers, 0x08, 4, 4)),
        bus_divider=no_division,
        apb_dividers=lambda registers: {
            "APB1": apb(bits(registers, 0x08, 10, 3)),
            "APB2": apb(bits(registers, 0x08, 13, 3)),
        },
        cause_offset=0x74,
        cause_clear_bit=24,
        causes=reset_causes(0x0E000000),
    )


# Base, offset and bit of the enable in the RCC, bus, and where the F7 selects its clock in RCC_DCKCFGR2.
_USARTS = {
    "USART1": (0x40011000, (0x44, 4), "APB2", 0),
    "USART2": (0x40004400, (0x40, 17), "APB1", 2),
    "USART3": (0x40004800, (0x40, 18), "APB1", 4),
    "USART6": (0x40011400, (0x44, 5), "APB2", 10),
}
_Usarts = Callable[[int, tuple[int, int], str, int], UsartPlace]
_WAITS = steps(30, 60, 90, 120, 150, 180, 210, 216)  # 2.7 V to 3.6 V


def _f4_usart(base: int, enable: tuple[int, int], bus: str, _: int) -> UsartPlace:
    return UsartPlace(base, enable, Kind.F4, 0, (bus,))


def _f7_usart(base: int, enable: tuple[int, int], bus: str, at: int) -> UsartPlace:
    return UsartPlace(base, enable, Kind.NEW, 0, (bus, "SYSCLK", "HSI", None), (0x90, at, 2))


def _f4_f7(
    name: str, scales: dict[int, int], overdrive: dict[int, int], vos: int, cpu: Identity, usarts: _Usarts
) -> Family:
    """`scales` and `overdrive`: the highest core clock in MHz by the code of PWR_CR.VOS."""
    return Family(
        name=name,
        tree=_f4_f7_tree,
        rcc=0x40023800,
        power=0x40007000,
        power_enable=(0x40, 28),
        scales={code: Scale(f"VOS {code:#x}", mhz * MHZ, _WAITS) for code, mhz in scales.items()},
        overdrive={code: Scale(f"VOS {code:#x} OD", mhz * MHZ, _WAITS) for code, mhz in overdrive.items()},
        power_reset=vos << 14,
        flash=0x40023C00,
        flash_reset=0,
        gpio=0x40020000,
        gpio_enable=0x30,
        gpio_reset={"A": 0xA8000000, "B": 0x00000280},
        gpio_reset_other=0,
        usarts={name: usarts(*where) for name, where in _USARTS.items()},
        timers=timers(0x40),
        watchdog=0x40003000,
        idcode=0xE0042000,
        revision=0x1001,
        identity=cpu,
        plain={0x40013800: 0x400},  # SYSCFG
        backup=(0x40002800,),  # RTC with its backup registers
    )


_M4 = Identity(0x410FC241, dwt_locked=False, caches=False)
_M7 = Identity(0x411FC270, dwt_locked=True, caches=True)
F401 = _f4_f7("STM32F401", {0: 60, 1: 60, 2: 84, 3: 84}, {}, 2, _M4, _f4_usart)
F469 = _f4_f7("STM32F42/F46", {0: 120, 1: 120, 2: 144, 3: 168}, {2: 168, 3: 180}, 3, _M4, _f4_usart)
F7 = _f4_f7("STM32F7", {0: 144, 1: 144, 2: 168, 3: 180}, {2: 180, 3: 216}, 3, _M7, _f7_usart)
