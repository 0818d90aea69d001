import numpy
import pytest

from benchrunner.metrics import median_interval
from benchrunner.statistics.spread import (
    advice,
    half_width_percent,
    input_spread,
    more_needed,
    outliers,
    spreads,
)


def test_outliers_are_counted_on_both_sides_and_a_slow_first_one_named() -> None:
    samples = [150.0, 100.0, 100.2, 99.9, 100.1, 99.8, 50.0, 100.0]
    found = outliers(samples)
    assert (found.low, found.high, found.slow_first, found.count) == (1, 1, True, 2)
    assert outliers([100.0] * 9 + [101.0]).count == 0  # half are equal: there is no scale
    assert outliers(samples[1:]).slow_first is False


def test_spread_within_a_start_and_between_starts_are_told_apart() -> None:
    random = numpy.random.default_rng(1)
    starts = [list(100 + level + random.normal(0, 0.1, 200)) for level in random.normal(0, 1.0, 40)]
    found = spreads(starts)
    assert found.within_percent == pytest.approx(0.1, rel=0.1)
    assert found.between_percent == pytest.approx(1.0, rel=0.35)
    assert spreads([[1.0, 2.0]]).between_percent is None


def test_an_input_that_takes_longer_is_told_from_noise() -> None:
    random = numpy.random.default_rng(2)
    inputs = [index for index in range(3) for _ in range(8)]

    def starts(cost: float) -> list[list[float]]:
        return [
            list(100 + cost * index + random.normal(0, 0.2) + random.normal(0, 0.1, 20)) for index in inputs
        ]

    slow = input_spread(starts(2.0), inputs)
    assert slow is not None
    assert slow.depends is True
    assert slow.input_percent == pytest.approx(4, abs=0.5)
    assert slow.text.endswith("the time depends on the input")
    same = input_spread(starts(0.0), inputs)
    assert same is not None
    assert same.depends is False


def test_exact_starts_tell_an_input_from_the_first_difference() -> None:
    found = input_spread([[100.0, 100.0], [101.0, 101.0]], [0, 1])
    assert found is not None
    assert (found.depends, found.noise_percent) == (True, 0.0)


def test_too_few_starts_of_each_input_tell_nothing() -> None:
    found = input_spread([[100.0, 100.3], [101.0, 101.2]], [0, 1])
    assert found is not None
    assert found.depends is None
    assert "too few starts" in found.text
    assert input_spread([[1.0], [2.0]], [0, 0]) is None


def test_what_would_narrow_the_interval_does() -> None:
    random = numpy.random.default_rng(3)
    values = list(random.normal(100, 2, 12))
    count = more_needed(values, 1.0)
    assert count > 0
    widths = []
    for _ in range(200):
        drawn = list(random.normal(100, 2, 12 + count))
        interval = median_interval(drawn)
        assert interval is not None
        widths.append((interval[1] - interval[0]) / 2)
    assert numpy.median(widths) == pytest.approx(1.0, rel=0.45)
    assert advice(values, "start") == f"{count} more starts for ±1 %"


def test_advice_names_the_values_missing_for_an_interval_and_is_silent_when_all_is_well() -> None:
    assert advice([1.0, 2.0, 3.0], "start") == "3 more starts for an interval"
    assert advice([1.0] * 5, "start") == "1 more start for an interval"
    assert advice([100.0] * 6, "start") == ""
    assert half_width_percent([100.0] * 6) == 0.0
