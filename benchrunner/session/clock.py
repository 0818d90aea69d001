"""Whether the device's cycle counter tells the truth: its count against the host's clock over a window."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from benchrunner.deadline import Deadline
from benchrunner.errors import ClockInvalidError
from benchrunner.protocol.messages import GetTime, Reply, Request, Time
from benchrunner.record import ClockCheck

# A crystal is within 0.01 %, a wrong PLL setting or crystal value off by 2 % and more. Half a per cent tells
# them apart and leaves room for a serial line's jitter. An RC oscillator needs its own tolerance
# (docs/decisions/clock-limit.md).
LIMIT_PPM = 5_000
WINDOW_S = 1.0  # statistics: cycles against host time over at least one second
LONGEST_WINDOW_S = 10.0


class HostClock(Protocol):
    """The host's time. A simulated board in the same process shares its own, so that the check stays real."""

    def now_s(self) -> float:
        """Monotonic seconds."""

    def sleep_s(self, seconds: float) -> None:
        """Let that much time pass."""


class Asking(Protocol):
    """What this module needs of a link."""

    def request(self, message: Request, deadline: Deadline) -> Reply:
        """The device's answer."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The counter, and between which two moments of the host it was read."""

    cycles: int
    before_s: float
    after_s: float

    @property
    def host_s(self) -> float:
        return (self.before_s + self.after_s) / 2

    @property
    def uncertainty_s(self) -> float:
        return (self.after_s - self.before_s) / 2


def read_counter(link: Asking, clock: HostClock, deadline: Deadline) -> Reading:
    """Read the counter; of a few tries the one with the shortest round trip, which bounds the time best."""
    readings = []
    for _ in range(3):
        before_s = clock.now_s()
        reply = link.request(GetTime(), deadline)
        after_s = clock.now_s()
        assert isinstance(reply, Time)  # the link answers with the reply that belongs to the request
        readings.append(Reading(reply.cycles, before_s, after_s))
    for earlier, later in pairwise(readings):
        if later.cycles < earlier.cycles:
            raise ClockInvalidError(
                f"cycle counter went backwards: {earlier.cycles} then {later.cycles}; it wraps or was reset",
                hint="the firmware must extend the counter to 64 bits (docs/protocol.md, GetTime)",
            )
    return min(readings, key=lambda reading: reading.uncertainty_s)


def finish_window(
    link: Asking,
    clock: HostClock,
    start: Reading,
    *,
    nominal_hz: int,
    deadline: Deadline,
    tolerance_ppm: int = 0,
) -> ClockCheck:
    """Close the window that `start` opened, waiting until it is long enough to judge by.

    Raises `ClockInvalidError` when the counter is frozen, went backwards, or runs at a rate that differs
    from `nominal_hz` by more than `LIMIT_PPM`, or than the `tolerance_ppm` of a source that is less exact,
    after allowing for the uncertainty of the readings.
    """
    limit_ppm = max(LIMIT_PPM, tolerance_ppm)
    window_s = WINDOW_S
    while True:
        elapsed_s = clock.now_s() - start.host_s
        if elapsed_s < window_s:
            clock.sleep_s(window_s - elapsed_s)
        end = read_counter(link, clock, deadline)
        host_s = end.host_s - start.host_s
        uncertainty_ppm = round((start.uncertainty_s + end.uncertainty_s) / host_s * 1e6)
        if uncertainty_ppm * 2 <= LIMIT_PPM or host_s >= LONGEST_WINDOW_S:
            break
        window_s = min(LONGEST_WINDOW_S, host_s * 2)
    device_cycles = end.cycles - start.cycles
    if device_cycles <= 0:
        what = "did not move" if device_cycles == 0 else f"went back by {-device_cycles} cycles"
        raise ClockInvalidError(
            f"cycle counter {what} in {host_s:.2f} s of host time",
            hint="no time can be taken from a counter that is frozen or wraps; see its set-up in the port",
        )
    measured_hz = round(device_cycles / host_s)
    deviation_ppm = round((measured_hz - nominal_hz) / nominal_hz * 1e6)
    if abs(deviation_ppm) > limit_ppm + uncertainty_ppm:
        raise ClockInvalidError(
            f"cycle counter runs at {measured_hz / 1e6:.3f} MHz by the host's clock, the firmware says "
            f"{nominal_hz / 1e6:.3f} MHz: off by {deviation_ppm / 1e4:+.2f} %, limit {limit_ppm / 1e4:g} %",
            hint="check crystal and PLL settings; a counter that wraps at 32 bits looks slow, too",
        )
    return ClockCheck(
        device_cycles=device_cycles,
        host_ns=round(host_s * 1e9),
        measured_hz=measured_hz,
        nominal_hz=nominal_hz,
        deviation_ppm=deviation_ppm,
        uncertainty_ppm=uncertainty_ppm,
        limit_ppm=limit_ppm,
    )
