import random
import statistics
from math import comb

import pytest

from benchrunner import metrics
from benchrunner.metrics import CellClass


def test_cycles_become_milliseconds_of_the_clock() -> None:
    assert metrics.cycles_to_ms(400_000_000, 400_000_000) == 1000.0
    assert metrics.cycles_to_ms(21_408, 400_000_000) == pytest.approx(0.05352, rel=1e-15)


@pytest.mark.parametrize("clock_hz", [0, -1])
def test_a_clock_that_stands_still_has_no_milliseconds(clock_hz: int) -> None:
    with pytest.raises(ValueError, match=f"clock_hz must be positive, found {clock_hz}"):
        metrics.cycles_to_ms(1, clock_hz)


def test_the_median_of_an_even_count_is_the_mean_of_the_middle_two() -> None:
    assert metrics.median([4, 1, 3]) == 3
    assert metrics.median([4, 1, 2, 3]) == 2.5


def test_the_95th_percentile_is_an_observed_value() -> None:
    assert metrics.percentile_95(range(1, 101)) == 95
    assert metrics.percentile_95(range(1, 21)) == 19
    assert metrics.percentile_95([30, 10, 20]) == 30


# Ranks from the definition, k = 2.5 % quantile of Binomial(n, 1/2).
@pytest.mark.parametrize(
    ("count", "rank"), [(6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (20, 6), (50, 18), (100, 40)]
)
def test_the_interval_of_the_median_uses_the_binomial_rank(count: int, rank: int) -> None:
    samples = list(range(1, count + 1))
    random.Random(count).shuffle(samples)
    assert metrics.median_interval(samples) == (rank, count + 1 - rank)


@pytest.mark.parametrize("count", range(6))
def test_fewer_than_six_samples_have_no_interval(count: int) -> None:
    assert metrics.median_interval(range(count)) is None


@pytest.mark.parametrize("count", range(6, 200))
def test_the_interval_covers_95_percent_and_the_next_narrower_one_does_not(count: int) -> None:
    low, high = metrics.median_interval(range(1, count + 1)) or (0, 0)
    assert low + high == count + 1

    def coverage(rank: int) -> float:  # P(rank <= Binomial <= count - rank)
        return sum(comb(count, k) for k in range(rank, count - rank + 1)) / 2**count

    assert coverage(low) >= 0.95
    assert coverage(low + 1) < 0.95


def test_the_median_lies_in_its_interval() -> None:
    source = random.Random(7)
    for _ in range(200):
        samples = [source.randrange(1000) for _ in range(source.randrange(6, 40))]
        low, high = metrics.median_interval(samples) or (1, 0)
        assert low <= metrics.median(samples) <= high
        assert metrics.median(samples) == statistics.median(samples)


def test_cells_are_classified_by_their_samples() -> None:
    assert metrics.classify([500] * 4) is CellClass.EXACT
    assert metrics.classify([1000, 1000, 1001]) is CellClass.JITTER
    assert metrics.classify([1000, 1000, 1002]) is CellClass.NOISY
    assert metrics.classify([7]) is CellClass.EXACT


def test_the_spread_is_the_range_in_percent_of_the_median() -> None:
    assert metrics.spread_percent([990, 1000, 1020]) == 3.0
    assert metrics.spread_percent([0, 0]) == 0.0


def test_a_spread_around_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 3 is 0"):
        metrics.spread_percent([0, 0, 3])


def test_no_samples_have_no_median() -> None:
    with pytest.raises(ValueError, match="no samples"):
        metrics.median([])
    with pytest.raises(ValueError, match="no samples"):
        metrics.percentile_95([])
