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

    def check(self, tolerance_ppm: int = 0):
        deadline = Deadline(60)
        start = clock_check.read_counter(self, self, deadline)
        return clock_check.finish_window(
            self, self, start, nominal_hz=NOMINAL_HZ, deadline=deadline, tolerance_ppm=tolerance_ppm
        )


def test_a_true_counter_passes_with_its_deviation_recorded() -> None:
    result = Bench(rate=1.0001).check()
    assert abs(result.deviation_ppm - 100) <= result.uncertainty_ppm + 1
    assert result.host_ns >= 1_000_000_000
    assert result.uncertainty_ppm < 500


@pytest.mark.parametrize("rate", [0.5, 0.96, 1.04, 2.0])
def test_a_counter_at_another_rate_than_the_firmware_says_is_refused(rate: float) -> None:
    with pytest.raises(ClockInvalidError, match=r"by the host's clock, the firmware says 400\.000 MHz"):
        Bench(rate=rate).check()


@pytest.mark.parametrize("rate", [0.9905, 1.0095])
def test_an_rc_oscillator_has_its_own_limit_and_the_record_says_which(rate: float) -> None:
    assert Bench(rate=rate).check(tolerance_ppm=10_000).limit_ppm == 10_000
    with pytest.raises(ClockInvalidError, match=r"limit 0\.5 %"):
        Bench(rate=rate).check(tolerance_ppm=100)


@pytest.mark.parametrize("rate", [0.98, 1.02])
def test_a_wrong_pll_is_found_behind_an_rc_oscillator_too(rate: float) -> None:
    with pytest.raises(ClockInvalidError, match="limit 1 %"):
        Bench(rate=rate).check(tolerance_ppm=10_000)


def test_a_crystal_keeps_the_limit_however_exact_it_is() -> None:
    assert Bench().check(tolerance_ppm=100).limit_ppm == clock_check.LIMIT_PPM == 5_000


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
