"""Derived numbers, one pure function each: what tables and comparisons compute from raw counter values.

Nothing here rounds; `benchrunner.report` does, once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

Number = TypeVar("Number", int, float)


class CellClass(StrEnum):
    """What kind of samples a cell has, judged from the samples themselves."""

    EXACT = "exact"  # all equal: compared by equality
    JITTER = "jitter"  # range at most 0.1 % of the median: compared by a floor
    NOISY = "noisy"  # needs statistics


def cycles_to_ms(cycles: float, clock_hz: int) -> float:
    """Duration in milliseconds of `cycles` of a counter that runs at `clock_hz`.

    Only for cycles: an emulator's instruction count has no duration. Raises `ValueError` for a clock that
    is not positive.
    """
    if clock_hz <= 0:
        raise ValueError(f"clock_hz must be positive, found {clock_hz}")
    return cycles * 1000 / clock_hz


def median(samples: Sequence[float]) -> float:
    """Middle value; of an even count the mean of the two middle ones.

    The mean of two neighbours always lies inside `median_interval`, which a lower or upper median of few
    samples would touch at one end. Exact below 2^53. Raises `ValueError` without samples.
    """
    ordered = _ordered(samples)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return float(ordered[middle])
    return (ordered[middle - 1] + ordered[middle]) / 2


def percentile_95(samples: Sequence[Number]) -> Number:
    """95th percentile by nearest rank: the ceil(0.95 n)-th smallest, always a value that was observed.

    Below n = 20 it is the maximum. Raises `ValueError` without samples.
    """
    ordered = _ordered(samples)
    return ordered[math.ceil(95 * len(ordered) / 100) - 1]


def median_interval(samples: Sequence[float]) -> tuple[float, float] | None:
    """95 % confidence interval of the median by order statistics; `None` below six samples.

    From the k-th smallest to the k-th largest, k being the 2.5 % quantile of Binomial(n, 1/2): no
    distribution is assumed and the coverage is at least 95 %. Below n = 6 k is 0: even the full range
    covers less than 95 %.
    """
    ordered = sorted(samples)
    rank = _interval_rank(len(ordered))
    return (ordered[rank - 1], ordered[-rank]) if rank else None


def spread_percent(samples: Sequence[float]) -> float:
    """Range of the samples in per cent of their median; 0 when all are equal.

    Raises `ValueError` without samples, or when they differ around a median of 0.
    """
    low, high = min(samples), max(samples)
    if low == high:
        return 0.0
    middle = median(samples)
    if middle == 0:
        raise ValueError(f"the median of samples from {low} to {high} is 0: their spread has no per cent")
    return (high - low) * 100 / middle


def classify(samples: Sequence[float]) -> CellClass:
    """Class of a cell from its samples. Raises `ValueError` without samples."""
    low, high = min(samples), max(samples)
    if low == high:
        return CellClass.EXACT
    return CellClass.JITTER if (high - low) * 1000 <= median(samples) else CellClass.NOISY


def _interval_rank(count: int) -> int:
    """Smallest k with P(Binomial(count, 1/2) <= k) >= 2.5 %, in integers: 40 k <= 2^count has no rounding."""
    cumulative, term = 1, 1  # sum and value of C(count, 0..k)
    k = 0
    while 40 * cumulative < 1 << count:
        k += 1
        term = term * (count - k + 1) // k
        cumulative += term
    return k


def _ordered(samples: Sequence[Number]) -> list[Number]:
    if not samples:
        raise ValueError("no samples")
    return sorted(samples)
