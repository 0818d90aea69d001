import pytest

from benchrunner.deadline import Deadline
from benchrunner.errors import ClockInvalidError
from benchrunner.protocol.messages import Reply, Request, Time
from benchrunner.session import clock as clock_check

NOMINAL_HZ = 400_000_000


class Bench:
    """A host clock and a device counter that share one time line; a request takes a fixed round trip."""

    def __init__(self, *, rate: float = 1.0, round_trip_s: float = 0.0002, bits: int = 64) -> None:
        self.time_s, self.rate, self.round_trip_s, self.bits = 50.0, rate, round_trip_s, bits

    def now_s(self) -> float:
        return self.time_s

    def sleep_s(self, seconds: float) -> None:
        self.time_s += seconds

    def request(self, message: Request, deadline: Deadline) -> Reply:
        self.time_s += self.round_trip_s / 2
        cycles = int(self.time_s * NOMINAL_HZ * self.rate) % (1 << self.bits)
        self.time_s += self.round_trip_s / 2
        return Time(cycles)

    def check(self):
        deadline = Deadline(60)
        start = clock_check.read_counter(self, self, deadline)
        return clock_check.finish_window(self, self, start, nominal_hz=NOMINAL_HZ, deadline=deadline)


def test_a_true_counter_passes_with_its_deviation_recorded() -> None:
    result = Bench(rate=1.0001).check()
    assert abs(result.deviation_ppm - 100) <= result.uncertainty_ppm + 1
    assert result.host_ns >= 1_000_000_000
    assert result.uncertainty_ppm < 500


@pytest.mark.parametrize("rate", [0.5, 0.96, 1.04, 2.0])
def test_a_counter_at_another_rate_than_the_firmware_says_is_refused(rate: float) -> None:
    with pytest.raises(ClockInvalidError, match=r"by the host's clock, the firmware says 400\.000 MHz"):
        Bench(rate=rate).check()


def test_a_frozen_counter_is_refused() -> None:
    with pytest.raises(ClockInvalidError, match="did not move"):
        Bench(rate=0.0).check()


def test_a_counter_that_wraps_in_the_window_is_refused() -> None:
    with pytest.raises(ClockInvalidError):
        Bench(bits=28).check()


def test_a_slow_line_gets_a_longer_window_instead_of_a_worse_answer() -> None:
    result = Bench(round_trip_s=0.016).check()
    assert result.host_ns > 3_000_000_000
    assert result.uncertainty_ppm * 2 <= clock_check.LIMIT_PPM
