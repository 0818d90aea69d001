"""The detector against the figures that it was chosen by: series drawn with fixed seeds."""

from collections.abc import Callable

import numpy
import pytest

from benchrunner.statistics.changes import (
    drifts,
    find_changes,
    find_changes_conservatively,
    find_modes,
)
from benchrunner.statistics.thresholds import learn

Noise = Callable[[numpy.random.Generator, int], numpy.ndarray]
SERIES = 100


def gauss(percent: float) -> Noise:
    return lambda random, n: random.normal(0, percent / 100, n)


def tail(random: numpy.random.Generator, n: int) -> numpy.ndarray:
    return random.lognormal(-4.6, 0.5, n)


def two_modes(random: numpy.random.Generator, n: int) -> numpy.ndarray:
    return (random.random(n) < 0.2) * 0.02 + random.normal(0, 0.003, n)


def walk(random: numpy.random.Generator, n: int) -> numpy.ndarray:
    noise = random.normal(0, 0.007, n)
    for index in range(1, n):
        noise[index] += 0.5 * noise[index - 1]
    return noise


def series(noise: Noise, count: int = SERIES, nights: int = 150) -> list[numpy.ndarray]:
    random = numpy.random.default_rng(7)
    return [100 * (1 + noise(random, nights)) for _ in range(count)]


@pytest.mark.parametrize(
    ("noise", "most"), [(gauss(0.3), 0.0), (gauss(1.0), 0.03), (tail, 0.25), (two_modes, 0.15)]
)
def test_a_history_without_a_change_has_almost_no_false_points(noise: Noise, most: float) -> None:
    assert sum(len(find_changes(list(x))) for x in series(noise)) / SERIES <= most


@pytest.mark.parametrize(("nights", "least"), [(3, 0.9), (5, 0.95)])
def test_a_step_of_five_deviations_is_found_within_a_night(nights: int, least: float) -> None:
    found = 0
    for x in series(gauss(1.0)):
        x[-nights:] *= 1.05
        found += any(abs(change.index - (150 - nights)) <= 1 for change in find_changes(list(x)))
    assert found / SERIES >= least


def test_date_and_size_of_two_steps_are_found() -> None:
    (x,) = series(gauss(0.3), 1)
    x[60:] *= 1.04
    x[110:] *= 0.98
    first, second = find_changes(list(x))
    assert (first.index, second.index) == (60, 110)
    assert first.percent == pytest.approx(4, abs=0.3)
    assert second.percent == pytest.approx(-2, abs=0.3)


def test_steps_below_the_floor_are_not_reported() -> None:
    x = [100.0] * 40 + [100.3] * 40
    assert find_changes(x) == []
    (change,) = find_changes(x, floor_percent=0.1)
    assert (change.index, change.before, change.after) == (40, 100.0, 100.3)


def test_constant_and_short_series_have_no_changes() -> None:
    assert find_changes([5.0] * 100) == find_changes([]) == find_changes([1.0, 2.0, 3.0]) == []


def test_a_series_of_zeros_with_a_step_is_no_error() -> None:
    assert [change.index for change in find_changes([0.0] * 10 + [5.0] * 10)] == [10]


def test_a_walk_is_recognised_and_the_conservative_detector_has_no_false_points_in_it() -> None:
    walks = series(walk)
    assert sum(drifts(list(x)) for x in walks) / SERIES > 0.9
    assert sum(drifts(list(x)) for x in series(gauss(1.0))) / SERIES < 0.05
    assert sum(len(find_changes_conservatively(list(x))) for x in walks) / SERIES <= 0.02
    assert sum(len(find_changes(list(x))) for x in walks) / SERIES > 0.5  # why there are two


def test_a_step_alone_is_no_drift() -> None:
    (x,) = series(gauss(0.5), 1)
    x[75:] *= 1.05
    assert drifts(list(x)) is False


def test_the_conservative_detector_finds_a_large_step() -> None:
    (x,) = series(gauss(0.5), 1)
    x[75:] *= 1.05
    (change,) = find_changes_conservatively(list(x))
    assert abs(change.index - 75) <= 1
    assert [change.index for change in find_changes_conservatively([100.0] * 30 + [110.0] * 30)] == [30]


def test_two_modes_are_named_with_distance_and_shares() -> None:
    random = numpy.random.default_rng(3)
    x = 100 * (1 + 0.03 * (random.random(30) < 0.3) + random.normal(0, 0.001, 30))
    modes = find_modes(list(x))
    assert modes is not None
    assert modes.distance_percent == pytest.approx(3, abs=0.2)
    assert modes.text(30).startswith("two modes 3 % apart, ")


@pytest.mark.parametrize("noise", [gauss(0.3), gauss(1.0), tail])
def test_noise_has_one_mode(noise: Noise) -> None:
    assert sum(find_modes(list(x[:30])) is not None for x in series(noise)) <= 2


def test_a_step_is_not_two_modes() -> None:
    (x,) = series(gauss(0.1), 1, 40)
    x[20:] *= 1.05
    assert find_modes(list(x)) is None


def test_limits_are_learned_from_what_came_after_the_last_step() -> None:
    (x,) = series(gauss(0.2), 1, 60)
    x[40:] *= 1.2
    found = learn(list(x), floor_percent=0.5, deviations=5)
    assert found.nights == 20
    assert found.level == pytest.approx(120, rel=0.002)
    assert 0.5 < found.percent < 2.0
    assert found.absolute == pytest.approx(found.percent * (found.level or 0) / 100)


def test_a_quiet_or_short_history_has_the_floor() -> None:
    assert learn([100.0] * 30, floor_percent=0.5, deviations=5).percent == 0.5
    short = learn([100.0, 130.0], floor_percent=0.5, deviations=5)
    assert (short.percent, short.nights) == (pytest.approx(0.5), 0)
    assert learn([], floor_percent=0.5, deviations=5).level is None
