"""The Mann-Whitney test, exact for the sizes that a lab has, and the interval that belongs to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy

# Up to here the counts of arrangements fit 63 bits, and the exact distribution takes milliseconds.
_EXACT = 60
_CONFIDENCE = 0.95


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p of the hypothesis that both come from one distribution.

    Exact also with ties (the permutation distribution of the mid-ranks) up to 60 values together, else by
    the normal approximation with corrections for ties and continuity. Raises `ValueError` without values.
    """
    if not first or not second:
        raise ValueError("a test needs values on both sides")
    doubled = _doubled_ranks([*first, *second])
    observed = sum(doubled[: len(first)])
    n, m = len(first), len(second)
    if n + m <= _EXACT:
        counts = _rank_sums(tuple(sorted(doubled)), min(n, m))
        # Of the smaller side: the sum of the other one is the rest of a constant.
        total = sum(doubled)
        if m < n:
            observed = total - observed
        centre = total * min(n, m) / (n + m)
        sums = numpy.arange(len(counts))
        extreme = numpy.abs(sums - centre) >= abs(observed - centre) - 1e-9
        return min(1.0, float(counts[extreme].sum()) / math.comb(n + m, n))
    return _approximate(doubled, observed / 2, n, m)


def smallest_p(n: int, m: int) -> float:
    """The least p that n values against m can have: a test whose limit is below it can never be passed."""
    return 2 / math.comb(n + m, n)


def ratio_interval(first: Sequence[float], second: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the factor between two samples of positive values; `None` where they are too few.

    The pairwise ratios second / first, cut at the ranks of the Mann-Whitney distribution (Hodges and
    Lehmann's interval, on a scale of factors): no distribution is assumed.
    """
    n, m = len(first), len(second)
    if not n or not m or min(*first, *second) <= 0:
        return None
    rank = _interval_rank(n, m)
    if rank < 1:
        return None
    ratios = numpy.sort(numpy.divide.outer(numpy.asarray(second, float), numpy.asarray(first, float)).ravel())
    return float(ratios[rank - 1]), float(ratios[-rank])


@lru_cache(maxsize=256)
def _interval_rank(n: int, m: int) -> int:
    """Largest k with P(U < k) <= 2.5 % for U of n against m values without ties."""
    if n + m > _EXACT:
        deviation = math.sqrt(n * m * (n + m + 1) / 12)
        return max(0, math.floor(n * m / 2 - 1.959964 * deviation))
    small = min(n, m)
    counts = _rank_sums(tuple(range(2, 2 * (n + m) + 1, 2)), small)
    least = small * (small + 1)  # doubled sum of the lowest ranks: U = 0
    cumulative = numpy.cumsum(counts[least::2]) / math.comb(n + m, small)
    return int(numpy.searchsorted(cumulative, (1 - _CONFIDENCE) / 2, side="right"))


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the mid-ranks, so that ties stay integers."""
    _, inverse, counts = numpy.unique(numpy.asarray(values, float), return_inverse=True, return_counts=True)
    last = numpy.cumsum(counts)
    return [int(rank) for rank in (2 * last - counts + 1)[inverse]]


@lru_cache(maxsize=256)
def _rank_sums(doubled: tuple[int, ...], chosen: int) -> numpy.ndarray[tuple[int], numpy.dtype[numpy.int64]]:
    """How many choices of `chosen` of the ranks have each sum."""
    most = sum(sorted(doubled)[-chosen:])
    counts = numpy.zeros((chosen + 1, most + 1), dtype=numpy.int64)
    counts[0, 0] = 1
    for rank in doubled:
        for size in range(chosen, 0, -1):
            if rank <= most:
                counts[size, rank:] += counts[size - 1, : most + 1 - rank]
    found: numpy.ndarray[tuple[int], numpy.dtype[numpy.int64]] = counts[chosen]
    return found


def _approximate(doubled: Sequence[int], rank_sum: float, n: int, m: int) -> float:
    total = n + m
    _, counts = numpy.unique(doubled, return_counts=True)
    ties = float((counts.astype(float) ** 3 - counts).sum()) / (total * (total - 1))
    variance = n * m / 12 * (total + 1 - ties)
    if variance <= 0:
        return 1.0
    distance = max(0.0, abs(rank_sum - n * (total + 1) / 2) - 0.5)
    return math.erfc(distance / math.sqrt(2 * variance))
