"""What the families of STM32 have in common: the shape of their data, and the meaning of common fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchrunner.emulator.clocks import ClockTree, Registers, ResetCause
from benchrunner.emulator.processor import Identity
from benchrunner.emulator.supply import Scale
from benchrunner.emulator.usart import Kind

MHZ = 1_000_000


@dataclass(frozen=True, slots=True)
class UsartPlace:
    base: int
    enable: tuple[int, int]  # offset in the RCC, bit
    kind: Kind
    fifo_bytes: int  # 0: none
    clocks: tuple[str | None, ...]  # by the code of its kernel clock selection
    select: tuple[int, int, int] | None = None  # offset, lowest bit, width; None: always the first


@dataclass(frozen=True, slots=True)
class Family:
    """One row per family, or per part of it where the parts differ."""

    name: str
    tree: Callable[[int], ClockTree]  # from the frequency of the board's HSE
    rcc: int
    power: int
    power_enable: tuple[int, int] | None
    scales: dict[int, Scale]
    overdrive: dict[int, Scale]
    power_reset: int
    flash: int
    flash_reset: int
    gpio: int
    gpio_enable: int
    gpio_reset: dict[str, int]
    gpio_reset_other: int
    usarts: dict[str, UsartPlace]
    timers: dict[int, tuple[int, int]]  # base: enable offset, bit; all on APB1
    watchdog: int
    idcode: int
    revision: int
    identity: Identity
    plain: dict[int, int] = field(default_factory=dict)  # stored and nothing else: base, size
    backup: tuple[int, ...] = ()  # keep their content over a reset


GPIO_RESET = {"A": 0xABFFFFFF, "B": 0xFFFFFEBF}  # GPIOx_MODER but of F4 and F7: analog, except the debug pins
_TIM2, _TIM5 = 0x40000000, 0x40000C00


def timers(enable_offset: int) -> dict[int, tuple[int, int]]:
    """TIM2 and TIM5, switched on by bits 0 and 3 of RCC_APB1ENR everywhere."""
    return {_TIM2: (enable_offset, 0), _TIM5: (enable_offset, 3)}


def reset_causes(
    at_power_on: int, *, pin: int = 26, software: int = 28, watchdog: int = 29, always: int = 0
) -> dict[ResetCause, int]:
    """RCC_CSR by cause, from the bits' positions; all but a power-on pull the pin, and set `always`."""
    pulled = 1 << pin | always
    return {
        ResetCause.POWER: at_power_on,
        ResetCause.PIN: pulled,
        ResetCause.SOFTWARE: 1 << software | pulled,
        ResetCause.WATCHDOG: 1 << watchdog | pulled,
    }


def bits(registers: Registers, offset: int, at: int, width: int) -> int:
    return registers.get(offset, 0) >> at & (1 << width) - 1


def ahb(code: int) -> int:
    """HPRE of every family: 8 to 15 are 2, 4, 8, 16, 64, 128, 256, 512."""
    return (2, 4, 8, 16, 64, 128, 256, 512)[code - 8] if code >= 8 else 1


def apb(code: int) -> int:
    return 2 << (code - 4) if code >= 4 else 1


def fixed(hz: int) -> Callable[[Registers], int]:
    return lambda _: hz


def no_division(_: Registers) -> int:
    return 1


def steps(mhz: int, *more: int) -> tuple[int, ...]:
    return tuple(limit * MHZ for limit in (mhz, *more))
