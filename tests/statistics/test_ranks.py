from itertools import combinations

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchrunner.statistics.ranks import mann_whitney, ratio_interval, smallest_p


def by_all_permutations(first: list[int], second: list[int]) -> float:
    """The definition: how many ways to choose the first side are as far from the middle."""
    pooled = first + second
    ranks = [sum(b < a for b in pooled) + (sum(b == a for b in pooled) + 1) / 2 for a in pooled]
    n = len(first)
    middle = sum(ranks) * n / len(pooled)
    observed = abs(sum(ranks[:n]) - middle)
    sums = [abs(sum(choice) - middle) for choice in combinations(ranks, n)]
    return sum(one >= observed - 1e-9 for one in sums) / len(sums)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=6), st.lists(st.integers(0, 6), min_size=1, max_size=6)
)
def test_p_is_that_of_all_permutations_also_with_ties(first: list[int], second: list[int]) -> None:
    assert mann_whitney(first, second) == pytest.approx(by_all_permutations(first, second), abs=1e-12)


@pytest.mark.parametrize(("n", "p"), [(4, 0.0286), (5, 0.00794), (6, 0.00216), (7, 0.000583)])
def test_sides_that_do_not_overlap_have_the_smallest_p(n: int, p: float) -> None:
    low, high = list(range(n)), list(range(100, 100 + n))
    assert mann_whitney(low, high) == pytest.approx(smallest_p(n, n), rel=1e-9) == pytest.approx(p, rel=1e-2)
    assert mann_whitney(high, low) == mann_whitney(low, high)


def test_equal_sides_are_no_difference() -> None:
    assert mann_whitney([1, 1, 1], [1, 1, 1, 1]) == 1.0
    assert mann_whitney([1.0] * 100, [1.0] * 100) == 1.0


def test_a_test_needs_values() -> None:
    with pytest.raises(ValueError, match="both sides"):
        mann_whitney([], [1])


def test_the_approximation_for_many_values_agrees_with_the_exact_distribution() -> None:
    random = numpy.random.default_rng(1)
    for shift in (0.0, 0.3, 0.8):
        first, second = random.normal(0, 1, 30), random.normal(shift, 1, 30)
        exact = mann_whitney(list(first), list(second))
        more = mann_whitney(list(first), [*second, float(second.mean())])  # 61 values: approximated
        assert more == pytest.approx(exact, abs=0.04)


def test_false_alarms_are_as_many_as_the_level_allows() -> None:
    random = numpy.random.default_rng(2)
    drawn = random.lognormal(0, 0.5, (2000, 12))
    found = sum(mann_whitney(list(row[:6]), list(row[6:])) < 0.05 for row in drawn)
    assert 0.03 < found / 2000 <= 0.06


def test_the_interval_of_a_factor_covers_it_in_95_of_100() -> None:
    random = numpy.random.default_rng(3)
    covered = 0
    for _ in range(1000):
        first = random.lognormal(0, 0.02, 8)
        low, high = ratio_interval(list(first), list(random.lognormal(0, 0.02, 10) * 1.03)) or (0, 0)
        covered += low <= 1.03 <= high
    assert 940 <= covered <= 985


def test_too_few_values_or_none_that_is_positive_have_no_interval() -> None:
    assert ratio_interval([1, 2, 3], [1, 2, 3]) is None
    assert ratio_interval([1, 2, 3, 4], [2, 3, 4, 5]) is not None
    assert ratio_interval([0, 2, 3, 4], [2, 3, 4, 5]) is None
    assert ratio_interval([], [2]) is None
