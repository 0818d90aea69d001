"""The clock tree: oscillators, main PLL, system clock switch and buses behind the registers of an RCC.

A wrong sequence sticks as on silicon: a ready bit follows its on bit after a while and only if the source can
start, the switch status follows the switch only to a source that is ready, and a PLL whose input or VCO is
out of range never locks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

Registers = Mapping[int, int]

# Instructions between an on bit and its ready bit: enough that code which does not wait finds it unready,
# short enough that nobody waits for it on the host.
_START_UP_INSTRUCTIONS = 200


class ResetCause(Enum):
    POWER = auto()
    PIN = auto()
    SOFTWARE = auto()
    WATCHDOG = auto()


@dataclass(frozen=True, slots=True)
class Oscillator:
    """A source in the control register (offset 0)."""

    name: str
    on_bit: int
    ready_bit: int
    hz: Callable[[Registers], int]


@dataclass(frozen=True, slots=True)
class Pll:
    """The main PLL as its registers set it up. `source` None: switched off there."""

    source: str | None
    divider: int  # in front of the phase detector
    input_hz: tuple[int, int]  # allowed behind it, as the selected range has it
    multiplier: float
    vco_hz: tuple[int, int]
    output_divider: int | None  # of the output that feeds the system clock; None: that output is off
    q_divider: int | None = None


@dataclass(frozen=True, slots=True)
class ClockSwitch:
    offset: int
    mask: int  # of SW, from bit 0 on
    status_shift: int
    codes: tuple[str | None, ...]  # source by code; "PLL" is the main PLL


@dataclass(frozen=True, slots=True)
class ClockTree:
    """What differs between the RCCs of the families; offsets are into the RCC."""

    reset: dict[int, int]
    oscillators: tuple[Oscillator, ...]
    at_reset: str  # the system clock after reset
    pll: Callable[[Registers], Pll]
    pll_locked: dict[int, int]  # bits by offset that cannot be written while the PLL is on
    switch: ClockSwitch
    core_divider: Callable[[Registers], int]
    bus_divider: Callable[[Registers], int]  # of the AHB and the flash, relative to the core
    apb_dividers: Callable[[Registers], dict[str, int]]  # relative to the AHB
    cause_offset: int
    cause_clear_bit: int
    causes: dict[ResetCause, int]
    aliases: Callable[[int], int] = lambda offset: offset  # some parts have registers at two addresses


PLL_ON, PLL_READY = 1 << 24, 1 << 25  # CR of every family here


class Rcc:
    """`instructions` is the time base of start-up; `on_change` is called when a clock changed."""

    def __init__(
        self,
        tree: ClockTree,
        cause: ResetCause,
        missing: frozenset[str],
        instructions: Callable[[], int],
        on_change: Callable[[], None],
    ) -> None:
        self._tree, self._missing = tree, missing
        self._instructions, self._on_change = instructions, on_change
        self.registers = dict(tree.reset)
        self.registers[tree.cause_offset] = self.registers.get(tree.cause_offset, 0) | tree.causes[cause]
        self._current = tree.at_reset
        self._known: dict[str, int] = {}  # frequencies that depend on nothing but registers and switch
        self._began: dict[str, int] = {tree.at_reset: -_START_UP_INSTRUCTIONS}

    # --- the registers -----------------------------------------------------------------------------------

    def read(self, offset: int) -> int:
        offset = self._tree.aliases(offset)
        value = self.registers.get(offset, 0)
        if offset == 0:
            for oscillator in self._tree.oscillators:
                value = _with(value, 1 << oscillator.ready_bit, self.is_ready(oscillator.name))
            value = _with(value, PLL_READY, self.is_ready("PLL"))
        elif offset == self._tree.switch.offset:
            self._follow_switch()
            switch = self._tree.switch
            status = switch.codes.index(self._current) << switch.status_shift
            value = value & ~(switch.mask << switch.status_shift) | status
        return value

    def write(self, offset: int, value: int) -> None:
        tree = self._tree
        offset = tree.aliases(offset)
        if offset == 0:
            self._switch_sources(value)
        elif offset == tree.cause_offset:
            flags, clear = _all(tree.causes), 1 << tree.cause_clear_bit
            kept = 0 if value & clear else self.registers.get(offset, 0) & flags
            self.registers[offset] = kept | value & ~flags & ~clear
        else:
            locked = tree.pll_locked.get(offset, 0) if self.registers.get(0, 0) & PLL_ON else 0
            self.registers[offset] = self.registers.get(offset, 0) & locked | value & ~locked
        self._known.clear()
        self._follow_switch()
        self._on_change()

    def is_set(self, offset: int, bit: int) -> bool:
        return bool(self.registers.get(self._tree.aliases(offset), 0) >> bit & 1)

    @property
    def pll_source(self) -> str | None:
        return self._tree.pll(self.registers).source

    @property
    def pll_source_ready(self) -> bool:
        source = self.pll_source
        return source is not None and self.is_ready(source)

    # --- the clocks --------------------------------------------------------------------------------------

    def is_ready(self, name: str) -> bool:
        began = self._began.get(name)
        if began is None or name in self._missing:
            return False
        if name == "PLL" and not self._locks():
            return False
        return self._instructions() - began >= _START_UP_INSTRUCTIONS

    @property
    def system_hz(self) -> int:
        return self._hz(self._current)

    @property
    def core_hz(self) -> int:
        found = self._known.get("core")
        if found is None:
            found = self._known["core"] = self.system_hz // self._tree.core_divider(self.registers)
        return found

    @property
    def bus_hz(self) -> int:
        return self.core_hz // self._tree.bus_divider(self.registers)

    def hz(self, clock: str) -> int:
        """Of "SYSCLK", a bus ("APB1"), an oscillator or "PLLQ"; 0 where it does not run."""
        if clock == "SYSCLK":
            return self.system_hz
        if clock == "PLLQ":
            pll = self._tree.pll(self.registers)
            return round(self._vco_hz(pll) / pll.q_divider) if pll.q_divider and self.is_ready("PLL") else 0
        dividers = self._tree.apb_dividers(self.registers)
        if clock in dividers:
            return self.bus_hz // dividers[clock]
        return self._hz(clock) if self.is_ready(clock) else 0

    def timer_hz(self, bus: str) -> int:
        """Of timers: twice the bus clock where that is divided."""
        found = self._known.get(bus)
        if found is None:
            divider = self._tree.apb_dividers(self.registers)[bus]
            found = self._known[bus] = self.hz(bus) * (1 if divider == 1 else 2)
        return found

    # --- inside ------------------------------------------------------------------------------------------

    def _switch_sources(self, value: int) -> None:
        """Write CR: the source of the system clock cannot be switched off."""
        tree = self._tree
        bits = {o.name: 1 << o.on_bit for o in tree.oscillators} | {"PLL": PLL_ON}
        kept = {self._current, tree.pll(self.registers).source} if self._current == "PLL" else {self._current}
        for name, bit in bits.items():
            if name in kept:
                value |= bit
            if not value & bit:
                self._began.pop(name, None)
            elif name not in self._began:
                self._began[name] = self._instructions()
        self.registers[0] = value

    def _follow_switch(self) -> None:
        switch = self._tree.switch
        code = self.registers.get(switch.offset, 0) & switch.mask
        wanted = switch.codes[code] if code < len(switch.codes) else None
        if wanted is None or wanted == self._current or not self.is_ready(wanted):
            return
        if wanted != "PLL" or self._tree.pll(self.registers).output_divider is not None:
            self._current = wanted
            self._known.clear()
            self._on_change()

    def _locks(self) -> bool:
        pll = self._tree.pll(self.registers)
        if pll.source is None or not self.is_ready(pll.source):
            return False
        low, high = pll.input_hz
        vco_low, vco_high = pll.vco_hz
        in_range = pll.divider > 0 and low <= self._hz(pll.source) / pll.divider <= high
        return in_range and vco_low <= self._vco_hz(pll) <= vco_high

    def _vco_hz(self, pll: Pll) -> float:
        return self._hz(pll.source or "") / max(1, pll.divider) * pll.multiplier

    def _hz(self, name: str) -> int:
        if name == "PLL":
            pll = self._tree.pll(self.registers)
            return round(self._vco_hz(pll) / (pll.output_divider or 1))
        for oscillator in self._tree.oscillators:
            if oscillator.name == name:
                return oscillator.hz(self.registers)
        return 0


def _with(value: int, bit: int, on: bool) -> int:
    return value | bit if on else value & ~bit


def _all(causes: dict[ResetCause, int]) -> int:
    total = 0
    for flags in causes.values():
        total |= flags
    return total
