"""Timers that ports use beside the cycle counter, and the independent watchdog."""

from __future__ import annotations

from collections.abc import Callable

_LSI_HZ = 32_000


class Timer:
    """A 32-bit general-purpose timer that counts up: TIM2 and TIM5. `ticks` is how far its clock has come."""

    def __init__(self, ticks: Callable[[], int]) -> None:
        self._ticks = ticks
        self._values = {0x2C: 0xFFFFFFFF}
        self._divider = 1  # PSC takes effect with the next update event
        self._base = 0
        self._held = 0

    def read(self, offset: int) -> int:
        if offset == 0x24:
            return self._count()
        if offset == 0x10:  # SR: UIF
            period = self._values[0x2C] + 1
            return self._values.get(0x10, 0) | (self._elapsed() >= period)
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        match offset:
            case 0x00:
                before = self._count()
                self._values[offset] = value
                self._set(before)
            case 0x14:  # EGR: UG
                if value & 1:
                    self._divider = (self._values.get(0x28, 0) & 0xFFFF) + 1
                    self._set(0)
            case 0x24:
                self._set(value)
            case 0x10:
                if not value & 1:
                    self._set(self._count())
            case _:
                self._values[offset] = value

    @property
    def _runs(self) -> bool:
        return bool(self._values.get(0, 0) & 1)

    def _elapsed(self) -> int:
        return self._held + ((self._ticks() - self._base) // self._divider if self._runs else 0)

    def _count(self) -> int:
        return self._elapsed() % (self._values[0x2C] + 1)

    def _set(self, count: int) -> None:
        self._held, self._base = count, self._ticks()


class Watchdog:
    """IWDG: counts the LSI down from the reload value; once started it cannot be stopped."""

    def __init__(self, elapsed_s: Callable[[], float]) -> None:
        self._elapsed_s = elapsed_s
        self._prescaler, self._reload = 0, 0xFFF
        self._unlocked = False
        self._fed_s: float | None = None

    @property
    def expired(self) -> bool:
        if self._fed_s is None:
            return False
        period_s = (self._reload + 1) * (4 << min(self._prescaler, 6)) / _LSI_HZ
        return self._elapsed_s() - self._fed_s > period_s

    @property
    def running(self) -> bool:
        return self._fed_s is not None

    def read(self, offset: int) -> int:
        return {0x04: self._prescaler, 0x08: self._reload, 0x10: 0xFFF}.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        match offset:
            case 0x00:
                self._unlocked = value == 0x5555
                if value == 0xCCCC or (value == 0xAAAA and self._fed_s is not None):
                    self._fed_s = self._elapsed_s()
            case 0x04 if self._unlocked:
                self._prescaler = value & 7
            case 0x08 if self._unlocked:
                self._reload = value & 0xFFF
            case _:
                pass
