"""What the families of STM32 have in common: the shape of their data, and the meaning of common fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchrunner.emulator.clocks import ClockTree, Registers
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


TIMERS = (0x40000000, 0x40000C00)  # TIM2, TIM5


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
