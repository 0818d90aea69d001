"""The processor of a simulated Linux board: clock, governor, temperature, load, and how long work takes."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from benchrunner.simulator.clock import BoardClock
from benchrunner.simulator.linux.profile import Profile

MEMORY_SHARE = 0.15
"""Part of an inference that waits for memory, and takes no longer at a lower clock: a stated assumption."""
_RAMP_S = 0.010  # how long a governor that follows load takes to see it
_IDLE_AFTER_S = 0.020
_LOAD_PERIODS_S = (60.0, 300.0, 900.0)
_HYSTERESIS_C = 5.0
_HOT_AMBIENT_C = 68.0  # of the fault `throttling`: idle below the trip point, busy above it


@dataclass(frozen=True, slots=True)
class Spent:
    """What one piece of work took."""

    elapsed_s: float
    cpu_s: float


class Processor:
    """All CPUs of the board, which share one clock as on the STM32MPs."""

    def __init__(
        self,
        profile: Profile,
        clock: BoardClock,
        *,
        hot: bool = False,
        foreign_load: float = 0.0,
        locked: bool = False,
        on_critical: Callable[[], None] = lambda: None,
    ) -> None:
        self._profile, self._clock = profile, clock
        self._lock = threading.RLock()
        self._hot, self._foreign, self._locked = hot, foreign_load, locked
        self.governor = profile.default_governor
        self.minimum_khz = profile.frequencies_khz[0]
        self.maximum_khz = profile.frequencies_khz[-1]
        self.wanted_khz = profile.frequencies_khz[-1]  # of the governor `userspace`
        self.cooling = 0  # steps below the highest operating point that heat has taken
        self.cooling_events = 0
        self.transitions = 0
        self.time_in_state_s = dict.fromkeys(profile.frequencies_khz, 0.0)
        self.busy_s = 0.0
        self.critical = on_critical
        self._loads = [foreign_load] * 3
        self._seen_s = clock.now_s()
        self._busy_end_s = -math.inf
        self._last_khz = self.current_khz()
        self._temperature = self._equilibrium(min(1.0, foreign_load / profile.linux.cpus))

    # what files show

    def current_khz(self) -> int:
        with self._lock:
            return self._khz(self._clock.now_s() - self._busy_end_s < _IDLE_AFTER_S)

    def temperature_c(self) -> float:
        with self._lock:
            self._catch_up()
            return self._temperature

    def loads(self) -> tuple[float, float, float]:
        with self._lock:
            self._catch_up()
            return self._loads[0], self._loads[1], self._loads[2]

    def effective_maximum_khz(self) -> int:
        """The limit after what heat takes away."""
        allowed = self._profile.frequencies_khz
        return min(self.maximum_khz, allowed[max(0, len(allowed) - 1 - self.cooling)])

    def set_governor(self, name: str) -> bool:
        """False where the board refuses."""
        if self._locked or name not in self._profile.governors:
            return False
        with self._lock:
            self.governor = name
            self._note()
        return True

    def set_limit(self, which: str, khz: int) -> bool:
        points = self._profile.frequencies_khz
        if self._locked or khz <= 0:
            return False
        khz = min(max(khz, points[0]), points[-1])
        with self._lock:
            match which:
                case "min":
                    self.minimum_khz = min(khz, self.maximum_khz)
                case "max":
                    self.maximum_khz = max(khz, self.minimum_khz)
                case _:
                    if self.governor != "userspace":
                        return False
                    self.wanted_khz = khz
            self._note()
        return True

    # work

    def work(self, reference_s: float, threads: int, *, on_cpu: float = 1.0) -> Spent:
        """Let the board be busy with what takes `reference_s` at its highest clock.

        `on_cpu` is the share that runs on the CPUs; the rest does not depend on their clock.
        """
        with self._lock:
            self._catch_up()
            now_s = self._clock.now_s()
            ramped = now_s - self._busy_end_s < _IDLE_AFTER_S or self._khz(False) == self._khz(True)
            contention = (
                max(1.0, (self._foreign + threads) / self._profile.linux.cpus) if self._foreign else 1.0
            )
            slow, fast = self._slowdown(self._khz(False)), self._slowdown(self._khz(True))
            cpu_part = reference_s * on_cpu * contention
            if ramped:
                elapsed = cpu_part * fast
            elif cpu_part * slow <= _RAMP_S:
                elapsed = cpu_part * slow
            else:
                elapsed = _RAMP_S + (cpu_part - _RAMP_S / slow) * fast
            elapsed += reference_s * (1.0 - on_cpu)
            busy = min(1.0, (self._foreign + threads * on_cpu) / self._profile.linux.cpus)
            self._advance(elapsed, busy, threads * on_cpu)
            self.busy_s += elapsed * threads * on_cpu
        # Not under the lock: it may take real time, and others look at the temperature meanwhile.
        self._clock.sleep_s(elapsed)
        with self._lock:
            self._seen_s = self._busy_end_s = self._clock.now_s()
            self._note()
        return Spent(elapsed, elapsed * threads * on_cpu)

    def _slowdown(self, khz: int) -> float:
        return MEMORY_SHARE + (1.0 - MEMORY_SHARE) * self._profile.frequencies_khz[-1] / khz

    def _khz(self, busy: bool) -> int:
        top = self.effective_maximum_khz()
        match self.governor:
            case "performance":
                return top
            case "powersave":
                return min(top, self.minimum_khz)
            case "userspace":
                return max(min(top, self.wanted_khz), min(top, self.minimum_khz))
            case _:
                busy = busy or self._foreign >= 1.0
                return top if busy else min(top, self.minimum_khz)

    def _note(self) -> None:
        khz = self._khz(self._clock.now_s() - self._busy_end_s < _IDLE_AFTER_S)
        if khz != self._last_khz:
            self.transitions += 1
            self._last_khz = khz

    def _catch_up(self) -> None:
        """Idle time since anybody looked."""
        now_s = self._clock.now_s()
        if now_s > self._seen_s:
            self._advance(now_s - self._seen_s, min(1.0, self._foreign / self._profile.linux.cpus), 0.0)
            self._seen_s = now_s
            self._note()

    def _equilibrium(self, busy: float) -> float:
        thermal = self._profile.thermal
        ambient = _HOT_AMBIENT_C if self._hot else thermal.ambient_c
        power = self._khz(busy > 0.0) / self._profile.frequencies_khz[-1]
        return ambient + thermal.idle_rise_c + thermal.busy_rise_c * busy * power**2

    def _advance(self, seconds: float, busy: float, threads: float) -> None:
        thermal = self._profile.thermal
        self.time_in_state_s[self._khz(busy > 0.0)] += seconds
        goal = self._equilibrium(busy)
        # With the fault the board has no heat sink to speak of: it heats up within one run.
        constant = 0.5 if self._hot else thermal.time_constant_s
        self._temperature = goal + (self._temperature - goal) * math.exp(-seconds / constant)
        for index, period_s in enumerate(_LOAD_PERIODS_S):
            active = self._foreign + threads
            self._loads[index] = active + (self._loads[index] - active) * math.exp(-seconds / period_s)
        steps = len(self._profile.frequencies_khz) - 1
        if self._temperature >= thermal.passive_c and self.cooling < steps:
            self.cooling += 1
            self.cooling_events += 1
        elif self._temperature < thermal.passive_c - _HYSTERESIS_C and self.cooling:
            self.cooling -= 1
        if self._temperature >= thermal.critical_c:
            self.critical()
