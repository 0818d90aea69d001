"""One run of an emulated chip, from a reset to the next: core, peripherals and the rules between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchrunner.board import Mcu
from benchrunner.emulator.bus import Bus, Store
from benchrunner.emulator.clocks import Rcc, ResetCause
from benchrunner.emulator.core import CPU_MODELS, Core, CoreFault, Stop
from benchrunner.emulator.counting import BlockCounter
from benchrunner.emulator.families import BY_CHIP_ID, Family
from benchrunner.emulator.pins import Gpio, Pin
from benchrunner.emulator.processor import DwtPort, Processor
from benchrunner.emulator.supply import FlashInterface, Power, PowerF4F7, PowerH7, PowerL4, PowerU5
from benchrunner.emulator.timers import Timer, Watchdog
from benchrunner.emulator.usart import Line, Usart
from benchrunner.emulator.wiring import Wiring
from benchrunner.errors import UsageError
from benchrunner.simulator.bootloader import SystemResetError
from benchrunner.simulator.faults import Faults
from benchrunner.simulator.memory import MemoryMap
from benchrunner.simulator.program import BootloaderRequestedError
from benchrunner.simulator.uart import LineFormat

# A slice ends after so many instructions or peripheral accesses, so that the lines of the board stay awake:
# either takes about 20 ms.
_SLICE_INSTRUCTIONS = 5_000_000
_SLICE_ACCESSES = 20_000
_NAP_S = 0.05  # how long a program that waits for the host is left alone: it may wait for time as well
_PORTS = "ABCDEFGHIJK"


def family_of(mcu: Mcu) -> Family:
    """Raises `UsageError` for a chip that is not modelled."""
    family = BY_CHIP_ID.get(mcu.chip.chip_id)
    if family is None or mcu.chip.core not in CPU_MODELS:
        known = ", ".join(f"{chip_id:#05x}" for chip_id in sorted(BY_CHIP_ID))
        raise UsageError(f"chip {mcu.chip.part} ({mcu.chip.chip_id:#05x}) cannot be emulated", hint=known)
    return family


@dataclass(slots=True)
class Memory:
    """What outlives a reset beside the RAM: backup registers by base address."""

    backup: dict[int, Store]


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a machine's output and its reports go."""

    emit: Callable[[bytes], None]
    tune: Callable[[LineFormat | None], None]
    report: Callable[[CoreFault], None]


class Machine:
    """`feed` runs the core until it waits for the host or a slice is over; `again_in_s`: when it wants more.

    Raises `SystemResetError` and `BootloaderRequestedError` where the run ends; `cause` then says why.
    """

    def __init__(
        self,
        mcu: Mcu,
        wiring: Wiring,
        memory: MemoryMap,
        kept: Memory,
        vectors: int,
        cause: ResetCause,
        faults: Faults,
        ends: Ends,
    ) -> None:
        self._mcu, self._wiring, self._ends = mcu, wiring, ends
        self._family = family = family_of(mcu)
        self._memory = memory
        self.cause = cause
        self._nap_until_s: float | None = None  # while it waits for the host; of the host's clock
        self._reset_wanted = self._dead = self._waits = False
        self._handling_fault = False
        self._accesses_left = 0
        self._counter: BlockCounter | None = None  # until there is a core
        missing = frozenset({"HSE"} if faults.dead_crystal or not wiring.hse_hz else ())

        self.bus = Bus(self._on_access, lambda address: self.core.abort_access(address))
        self.rcc = Rcc(family.tree(wiring.hse_hz), cause, missing, self._instructions, self._on_clocks)
        self.flash = FlashInterface(family.flash_reset)
        self._syscfg = {base: Store() for base in family.plain}
        self.power = self._make_power()
        self._gpio = {port: Gpio(family.gpio_reset.get(port, family.gpio_reset_other)) for port in _PORTS}
        self.processor = Processor(
            family.identity, vectors, self._instructions, self._on_reset, frozen=faults.frozen_counter
        )
        self.watchdog = Watchdog(self._elapsed_s)
        self.usart = self._make_usart()
        self._place(kept)
        self.core = Core(
            mcu.chip.core,
            memory.flash.base,
            memory.flash.content,
            memory.rams,
            memory.read_only,
            self.bus,
            vectors,
        )
        self._counter = self.core.counter

    # --- what the board does with it ---------------------------------------------------------------------

    @property
    def instructions(self) -> int:
        return self.core.instructions

    def feed(self, data: bytes) -> None:
        """Hand `data` to the USART and execute one slice of instructions, resets and faults included."""
        if data:
            self.usart.feed(data)
        self._waits = False
        if self._dead:
            return
        self._accesses_left = _SLICE_ACCESSES
        stop, fault = self.core.run(_SLICE_INSTRUCTIONS)
        self.usart.flush()
        if self._reset_wanted:
            self._end(ResetCause.SOFTWARE)
        if fault is not None:
            self._on_fault(fault)
        elif stop is Stop.WAITING:
            self._waits = not self.usart.waiting
        if self.watchdog.expired:
            self._end(ResetCause.WATCHDOG)
        self._nap_until_s = time.monotonic() + _NAP_S if self._waits else None

    @property
    def again_in_s(self) -> float | None:
        if self._dead:
            return None
        return max(0.0, self._nap_until_s - time.monotonic()) if self._nap_until_s is not None else 0.0

    # --- inside ------------------------------------------------------------------------------------------

    def _end(self, cause: ResetCause) -> None:
        self.cause = cause
        raise SystemResetError

    def _instructions(self) -> int:
        return self._counter.count if self._counter is not None else 0

    def _elapsed_s(self) -> float:
        return self._instructions() / max(1, self.rcc.core_hz)

    def _on_access(self) -> None:
        self._accesses_left -= 1
        if self._accesses_left <= 0:
            self.core.counter.stop()

    def _on_idle(self) -> None:
        self._waits = True
        self.core.counter.stop()

    def _on_reset(self) -> None:
        self._reset_wanted = True
        self.core.counter.stop()

    def _on_clocks(self) -> None:
        usart: Usart | None = getattr(self, "usart", None)
        if usart is not None:
            usart.retune()
            self.check_clock()

    def _on_fault(self, fault: CoreFault) -> None:
        system = self._mcu.bootloader.base
        if fault.address == fault.pc and any(
            base <= fault.pc < base + len(area) and base <= system < base + len(area)
            for base, area in self._memory.read_only.items()
        ):
            raise BootloaderRequestedError
        self._ends.report(fault)
        status = None
        if not self._handling_fault:
            status = self.core.take_fault(fault, self.processor.vector_table)
        if status is None:  # a fault in the handler, or none that could run: lock-up
            self._dead = not self.watchdog.running
            if not self._dead:
                self._end(ResetCause.WATCHDOG)
            return
        self._handling_fault = True
        self.processor.set_fault(status)

    def check_clock(self) -> None:
        """Code fetched faster than the flash or the voltage allows is not what was flashed."""
        scale, core_hz, bus_hz = self.power.scale, self.rcc.core_hz, self.rcc.bus_hz
        waits = self.flash.wait_states
        fastest_hz = scale.flash_hz[min(waits, len(scale.flash_hz) - 1)]
        if core_hz > scale.core_hz:
            text = f"core clock {core_hz} Hz above the {scale.core_hz} Hz of {scale.name}"
        elif bus_hz > fastest_hz:
            text = f"flash read at {bus_hz} Hz, {scale.name} with {waits} wait states allows {fastest_hz} Hz"
        else:
            return
        if not self._dead:
            self._dead = True
            core = self.core
            self._ends.report(CoreFault(text, core.pc, None, 0, 0, core.instructions))
            core.counter.stop()

    def _make_power(self) -> Power:
        family, rcc = self._family, self.rcc
        if family.power == 0x58024800:
            syscfg = self._syscfg[0x58000400]
            return PowerH7(
                self._wiring.smps,
                family.scales,
                family.power_reset,
                lambda: bool(syscfg.values.get(0x2C, 0) & 1),  # SYSCFG_PWRCR, ODEN
            )
        if family.power == 0x46020800:
            return PowerU5(rcc, family.scales)
        if family.flash == 0x40022000:
            return PowerL4(family.scales[1], family.scales[2], family.scales.get(0))
        return PowerF4F7(rcc, family.power_reset, family.scales, family.overdrive)

    def _make_usart(self) -> Usart:
        family, rcc, wiring = self._family, self.rcc, self._wiring
        name = self._mcu.serial.usart
        place = family.usarts.get(name)
        if place is None:
            raise UsageError(f"{family.name}: {name} is not modelled", hint=", ".join(family.usarts))

        def kernel_hz() -> int:
            code = 0
            if place.select is not None:
                offset, at, width = place.select
                code = rcc.registers.get(offset, 0) >> at & (1 << width) - 1
            clock = place.clocks[code] if code < len(place.clocks) else None
            return rcc.hz(clock) if clock is not None else 0

        return Usart(
            place.kind,
            place.fifo_bytes,
            Line(
                kernel_hz=kernel_hz,
                core_hz=lambda: rcc.core_hz,
                instructions=self._instructions,
                hears=lambda: self._is_wired(wiring.receive),
                speaks=lambda: self._is_wired(wiring.transmit),
                emit=self._ends.emit,
                tune=self._ends.tune,
                idle=self._on_idle,
            ),
        )

    def _is_wired(self, pin: Pin) -> bool:
        if pin.port == "G" and not self.power.holds_io2:
            return False
        return self._gpio[pin.port].performs(pin.number, pin.function)

    def _clocked(self, enable: tuple[int, int] | None) -> Callable[[], bool]:
        rcc = self.rcc
        if enable is None:
            return lambda: True
        offset, bit = enable
        return lambda: rcc.is_set(offset, bit)

    def _place(self, kept: Memory) -> None:
        family, bus, rcc = self._family, self.bus, self.rcc
        chip = self._mcu.chip
        bus.add(family.rcc, rcc)
        bus.add(family.power, _Checked(self.power, self), clocked=self._clocked(family.power_enable))
        bus.add(family.flash, _Checked(self.flash, self))
        for index, gpio in enumerate(self._gpio.values()):
            bus.add(family.gpio + 0x400 * index, gpio, clocked=self._clocked((family.gpio_enable, index)))
        place = family.usarts[self._mcu.serial.usart]
        bus.add(place.base, self.usart, clocked=self._clocked(place.enable))
        for base, enable in family.timers.items():
            bus.add(base, Timer(self._timer_ticks), clocked=self._clocked(enable))
        bus.add(family.watchdog, self.watchdog)
        bus.add(family.idcode, Store({0: family.revision << 16 | chip.chip_id}, writable={0: 0}))
        for base, size in family.plain.items():
            bus.add(base, self._syscfg[base], size=size)
        for base in family.backup:
            bus.add(base, kept.backup.setdefault(base, Store()))
        bus.add(0xE000E000, self.processor, size=0x1000)
        bus.add(0xE0001000, DwtPort(self.processor), size=0x1000)
        bus.add(0xE0000000, Store(), size=0x1000)  # ITM

    def _timer_ticks(self) -> int:
        return self._instructions() * self.rcc.timer_hz("APB1") // max(1, self.rcc.core_hz)


class _Checked:
    """Registers whose writes may make the clock too fast."""

    def __init__(self, inner: Power | FlashInterface, machine: Machine) -> None:
        self._inner, self._machine = inner, machine
        self.read = inner.read

    def write(self, offset: int, value: int) -> None:
        self._inner.write(offset, value)
        self._machine.check_clock()
