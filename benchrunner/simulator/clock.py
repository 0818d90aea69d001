"""The time of a simulated board: real, scaled, or with modelled durations skipped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

INSTANT = 0.0
REAL = 1.0


class BoardClock:
    """Seconds on the board, shared by everything that must agree on them.

    `factor` is the real time that one modelled second takes: 0 skips modelled durations (instant), 1 waits
    for them (real), 0.1 waits a tenth. Skipped time is added to the clock, so whoever reads `now_s` before
    and after sees the whole modelled duration, and a check of one clock against the other stays a real
    check.
    """

    def __init__(
        self,
        factor: float = INSTANT,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if factor < 0.0:
            raise ValueError(f"time factor {factor} is negative")
        self.factor = factor
        self._monotonic, self._sleep = monotonic, sleep
        self._lock = threading.Lock()
        self._skipped_s = 0.0
        self._busy_until_s = float("-inf")

    def now_s(self) -> float:
        return self._monotonic() + self._skipped_s

    def free_s(self) -> float:
        """When the board is done with everything it was told to spend: now, or later."""
        return max(self.now_s(), self._busy_until_s)

    def advance(self, seconds: float) -> None:
        """Let the board be busy for `seconds` more; what it does next happens at `free_s`."""
        self._busy_until_s = self.free_s() + seconds
        self._skip(seconds)

    def sleep_s(self, seconds: float) -> None:
        """Let `seconds` pass for a host that shares this clock: it sleeps for the part that is not
        skipped."""
        self._skip(seconds)
        if self.factor > 0.0:
            self._sleep(seconds * self.factor)

    def _skip(self, seconds: float) -> None:
        with self._lock:  # the host and the board's server are different threads
            self._skipped_s += seconds * (1.0 - self.factor)

    def interrupt(self) -> None:
        """A reset ends whatever the board was busy with."""
        self._busy_until_s = float("-inf")


class CycleCounter:
    """The 64-bit cycle counter of a core, derived from the board's clock.

    `rate_hz` is how fast it really counts, which faults make differ from what the manifest says.
    """

    def __init__(
        self, clock: BoardClock, rate_hz: float, *, bits: int = 64, first: int = 0, frozen: bool = False
    ) -> None:
        self._clock = clock
        self._rate_hz = rate_hz
        self._mask = (1 << bits) - 1
        self._first = first
        self._frozen = frozen
        self._boot_s = clock.free_s()

    def read(self) -> int:
        """The count at the moment the board is free, which is when its code would read it."""
        if self._frozen:
            return self._first
        return (self._first + int((self._clock.free_s() - self._boot_s) * self._rate_hz)) & self._mask
