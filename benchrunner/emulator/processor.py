"""The private peripherals of a Cortex-M: SCB, NVIC, SysTick, DWT and debug (ARMv7-M ARM, B3, C1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchrunner.emulator.core import FaultStatus

_KEY, _SYSRESETREQ = 0x05FA0000, 1 << 2
_TRCENA = 1 << 24
_LOCK_KEY = 0xC5ACCE55

_DWT_CTRL, _DWT_CYCCNT, _DWT_LAR, _DWT_LSR = 0x000, 0x004, 0xFB0, 0xFB4
_STK_CTRL, _STK_LOAD, _STK_VAL = 0x010, 0x014, 0x018
_CPUID, _VTOR, _AIRCR, _CCR = 0xD00, 0xD08, 0xD0C, 0xD14
_CFSR, _HFSR, _BFAR, _CPACR, _DEMCR = 0xD28, 0xD2C, 0xD38, 0xD88, 0xDFC
_CLIDR, _CCSIDR, _MPU_TYPE = 0xD78, 0xD80, 0xD90
_ISER, _ICER = range(0x100, 0x140, 4), range(0x180, 0x1C0, 4)
# L1 caches of the Cortex-M7 parts: lines of 32 bytes; 16 KiB as 4 ways of 128 sets (Cortex-M7 TRM, CCSIDR).
_CACHE_LEVELS, _CACHE_SIZE = 0x09000003, 0xF00FE019
_CONSTANTS = {
    _AIRCR: 0xFA050000,  # VECTKEYSTAT
    _MPU_TYPE: 8 << 8,  # 8 regions
    _CLIDR: _CACHE_LEVELS,
    _CCSIDR: _CACHE_SIZE,
}


@dataclass(frozen=True, slots=True)
class Identity:
    cpuid: int
    dwt_locked: bool  # the Cortex-M7 wants DWT_LAR before it takes writes (Cortex-M7 TRM)
    caches: bool


class Processor:
    """What a counter of cycles counts here are instructions. `frozen` is a counter that never runs."""

    def __init__(
        self,
        identity: Identity,
        vectors: int,
        instructions: Callable[[], int],
        reset: Callable[[], None],
        *,
        frozen: bool = False,
    ) -> None:
        self._identity, self._instructions, self._reset = identity, instructions, reset
        self._frozen = frozen
        self._scs: dict[int, int] = {_VTOR: vectors, _CCR: 0x00000200}  # STKALIGN
        self._dwt: dict[int, int] = {_DWT_CTRL: 0x40000000}
        self._locked = identity.dwt_locked
        self._count_base = 0  # the counter is the instructions minus this while it runs
        self._count_held = 0
        self._last_read = (-1, 0)  # instructions, value
        self._tick_base = 0

    @property
    def vector_table(self) -> int:
        return self._scs[_VTOR]

    def set_fault(self, status: FaultStatus) -> None:
        self._scs[_CFSR] = self._scs.get(_CFSR, 0) | status.cfsr
        self._scs[_HFSR] = self._scs.get(_HFSR, 0) | status.hfsr
        self._scs[_BFAR] = status.bfar

    # --- SCS, 0xE000E000 ---------------------------------------------------------------------------------

    def read(self, offset: int) -> int:
        """The word at `offset` from 0xE000E000."""
        if offset == _STK_CTRL:
            return self._tick_control()
        if offset == _STK_VAL:
            return self._tick_value()
        if offset in (_CLIDR, _CCSIDR) and not self._identity.caches:
            return 0
        if offset == _CPUID:
            return self._identity.cpuid
        return _CONSTANTS.get(offset, self._scs.get(offset, 0))

    def write(self, offset: int, value: int) -> None:
        """Write the word at `offset` from 0xE000E000; what has no effect here is stored."""
        if offset == _AIRCR:
            if value & 0xFFFF0000 == _KEY and value & _SYSRESETREQ:
                self._reset()
        elif offset in (_CFSR, _HFSR):
            self._scs[offset] = self._scs.get(offset, 0) & ~value  # written ones clear
        elif offset in _ICER:
            enabled = offset - _ICER.start + _ISER.start
            self._scs[enabled] = self._scs.get(enabled, 0) & ~value
        elif offset in _ISER:
            self._scs[offset] = self._scs.get(offset, 0) | value
        elif offset == _DEMCR:
            running = self._is_counting
            self._scs[offset] = value
            self._counting_changed(running)
        elif offset in (_STK_CTRL, _STK_VAL, _STK_LOAD):
            if offset != _STK_LOAD:
                self._tick_base = self._instructions()
            self._scs[offset] = value & (0x7 if offset == _STK_CTRL else 0xFFFFFF)
        elif offset not in (_CPUID, _MPU_TYPE, _CLIDR, _CCSIDR):
            self._scs[offset] = value

    def _tick_period(self) -> int:
        return (self._scs.get(_STK_LOAD, 0) & 0xFFFFFF) + 1

    def _ticks(self) -> int:
        divider = 1 if self._scs.get(_STK_CTRL, 0) & 4 else 8  # the external reference is HCLK / 8
        return (self._instructions() - self._tick_base) // divider

    def _tick_control(self) -> int:
        """COUNTFLAG is 1 when the counter passed 0 since it was read last."""
        control = self._scs.get(_STK_CTRL, 0)
        if not control & 1:
            return control
        laps = self._ticks() // self._tick_period()
        passed = laps != self._scs.get(-1, 0)
        self._scs[-1] = laps
        return control | passed << 16

    def _tick_value(self) -> int:
        if not self._scs.get(_STK_CTRL, 0) & 1:
            return 0
        period = self._tick_period()
        return (period - self._ticks() % period) % period

    # --- DWT, 0xE0001000 ---------------------------------------------------------------------------------

    @property
    def _is_counting(self) -> bool:
        return bool(self._scs.get(_DEMCR, 0) & _TRCENA and self._dwt[_DWT_CTRL] & 1) and not self._frozen

    def _counting_changed(self, before: bool) -> None:
        if before and not self._is_counting:
            self._count_held = self._instructions() - self._count_base
        elif self._is_counting and not before:
            self._count_base = self._instructions() - self._count_held

    def _read_counter(self) -> int:
        """Instructions are known to the block; two reads in one block still see the counter move."""
        if not self._is_counting:
            return self._count_held
        now = self._instructions()
        value = self._last_read[1] + 1 if self._last_read[0] == now else now - self._count_base
        self._last_read = (now, value)
        return value

    def read_dwt(self, offset: int) -> int:
        if offset == _DWT_LSR:
            return self._identity.dwt_locked | self._locked << 1
        if not self._scs.get(_DEMCR, 0) & _TRCENA:
            return 0
        if offset == _DWT_CYCCNT:
            return self._read_counter() & 0xFFFFFFFF
        return self._dwt.get(offset, 0)

    def write_dwt(self, offset: int, value: int) -> None:
        if offset == _DWT_LAR:
            self._locked = self._identity.dwt_locked and value != _LOCK_KEY
            return
        if self._locked or not self._scs.get(_DEMCR, 0) & _TRCENA:
            return
        if offset == _DWT_CYCCNT:
            self._count_held, self._count_base = value, self._instructions() - value
            self._last_read = (-1, 0)
        elif offset == _DWT_CTRL:
            running = self._is_counting
            self._dwt[offset] = value & 0x0FFFFFFF | 0x40000000
            self._counting_changed(running)
        else:
            self._dwt[offset] = value


class DwtPort:
    """The DWT's registers as a peripheral of their own."""

    def __init__(self, processor: Processor) -> None:
        self.read, self.write = processor.read_dwt, processor.write_dwt
