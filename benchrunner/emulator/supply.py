"""Power control and the flash interface: what must be set before a fast clock may be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from benchrunner.emulator.clocks import Rcc


@dataclass(frozen=True, slots=True)
class Scale:
    """What one voltage scale allows: the fastest core, and by wait states the fastest flash clock."""

    name: str
    core_hz: int
    flash_hz: tuple[int, ...]


class Power(Protocol):
    """A PWR: registers, and what they amount to."""

    def read(self, offset: int) -> int: ...
    def write(self, offset: int, value: int) -> None: ...

    @property
    def scale(self) -> Scale: ...

    @property
    def holds_io2(self) -> bool:
        """Whether the pins on the second I/O supply (port G of L4 and U5) are declared powered."""
        ...


class FlashInterface:
    """FLASH_ACR and what else is written there: stored; the latency is what the clock check asks for."""

    def __init__(self, reset: int) -> None:
        self._values = {0: reset}

    def read(self, offset: int) -> int:
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        self._values[offset] = value

    @property
    def wait_states(self) -> int:
        return self._values[0] & 0xF


class PowerF4F7:
    """PWR of STM32F4 and F7 (RM0090, RM0410): VOS takes effect with the PLL; over-drive in two steps."""

    def __init__(
        self, rcc: Rcc, reset_cr: int, scales: dict[int, Scale], overdrive: dict[int, Scale]
    ) -> None:
        self._rcc, self._scales, self._overdrive = rcc, scales, overdrive
        self._values = {0: reset_cr}

    def read(self, offset: int) -> int:
        value = self._values.get(offset, 0)
        if offset == 4:  # CSR
            value &= ~(1 << 14 | 1 << 16 | 1 << 17)
            value |= self._rcc.is_ready("PLL") << 14 | self._od_ready << 16 | self._od_switched << 17
        return value

    def write(self, offset: int, value: int) -> None:
        if offset == 0 and self._rcc.registers.get(0, 0) & 1 << 24:  # VOS only while the PLL is off
            value = value & ~(3 << 14) | self._values[0] & 3 << 14
        self._values[offset] = value

    @property
    def scale(self) -> Scale:
        code = self._values[0] >> 14 & 3
        if self._od_switched and code in self._overdrive:
            return self._overdrive[code]
        return self._scales[code]

    @property
    def _od_ready(self) -> bool:
        return bool(self._overdrive) and bool(self._values[0] >> 16 & 1)

    @property
    def _od_switched(self) -> bool:
        return self._od_ready and bool(self._values[0] >> 17 & 1)

    @property
    def holds_io2(self) -> bool:
        return True


class PowerL4:
    """PWR of STM32L4 and L4+ (RM0351, RM0432): VOS, R1MODE, and IOSV for the second I/O supply."""

    def __init__(self, normal: Scale, low: Scale, boost: Scale | None) -> None:
        self._normal, self._low, self._boost = normal, low, boost
        self._values = {0: 0x200, 0x80: 0x100}

    def read(self, offset: int) -> int:
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        self._values[offset] = value

    @property
    def scale(self) -> Scale:
        if self._values[0] >> 9 & 3 == 2:
            return self._low
        if self._boost is not None and not self._values[0x80] >> 8 & 1:
            return self._boost
        return self._normal

    @property
    def holds_io2(self) -> bool:
        return bool(self._values.get(4, 0) >> 9 & 1)  # CR2, IOSV


class PowerU5:
    """PWR of STM32U5 (RM0456): VOSR with the range, its ready bits and the booster of the EPOD."""

    def __init__(self, rcc: Rcc, scales: dict[int, Scale]) -> None:
        self._rcc, self._scales = rcc, scales
        self._values = {0x0C: 0x8000}

    def read(self, offset: int) -> int:
        value = self._values.get(offset, 0)
        if offset == 0x0C:
            return value & ~(3 << 14) | 1 << 15 | self.boosted << 14
        if offset == 0x14:  # SVMSR: ACTVOS, ACTVOSRDY
            return value | 1 << 15 | (self._values[0x0C] & 3 << 16)
        return value

    def write(self, offset: int, value: int) -> None:
        self._values[offset] = value

    @property
    def boosted(self) -> bool:
        """The booster runs from the PLL's input clock, so that must be selected; ranges 1 and 2 only."""
        value = self._values[0x0C]
        return bool(value >> 18 & 1) and value >> 16 & 3 >= 2 and self._rcc.pll_source_ready

    @property
    def scale(self) -> Scale:
        scale = self._scales[self._values[0x0C] >> 16 & 3]
        if self.boosted:
            return scale
        return Scale(f"{scale.name} without booster", min(scale.core_hz, 55_000_000), scale.flash_hz)

    @property
    def holds_io2(self) -> bool:
        return bool(self._values.get(0x10, 0) >> 29 & 1)  # SVMCR, IO2SV


class PowerH7:
    """PWR of STM32H7 (RM0399, RM0433, RM0455): the supply is chosen once in CR3, then VOS can be raised.

    `smps` is how the board is wired: a supply that it does not have never becomes ready.
    """

    def __init__(
        self, smps: bool, scales: dict[int, Scale], reset_vos: int, boosted: Callable[[], bool]
    ) -> None:
        self._smps, self._scales, self._overdrive_on = smps, scales, boosted
        self._values = {0: 0xF000C000, 0x0C: 0x06, 0x18: reset_vos << 14}
        self._supplied = False

    def read(self, offset: int) -> int:
        value = self._values.get(offset, 0)
        if offset == 0x04:  # CSR1: ACTVOSRDY, ACTVOS
            return value & ~(7 << 13) | self._supplied << 13 | self._values[0x18] & 3 << 14
        if offset == 0x18:  # D3CR: VOSRDY
            return value & ~(1 << 13) | self._supplied << 13
        return value

    def write(self, offset: int, value: int) -> None:
        if offset == 0x0C:
            if self._supplied:  # the lower bits are written once after a power-on
                value = value & ~0x3F | self._values[offset] & 0x3F
            bypass, ldo, smps = value & 1, value >> 1 & 1, value >> 2 & 1
            self._supplied = not bypass and (bool(smps and not ldo) if self._smps else bool(ldo))
        elif offset == 0x18 and not self._supplied:
            return
        self._values[offset] = value

    @property
    def scale(self) -> Scale:
        code = self._values[0x18] >> 14 & 3 if self._supplied else min(self._scales)
        return self._scales[4 if code == 3 and self._overdrive_on() and 4 in self._scales else code]

    @property
    def holds_io2(self) -> bool:
        return True
