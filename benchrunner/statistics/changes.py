"""Change points of a history: where the level moved, found after the fact over many nights.

Outliers are pulled in for the search only; every reported size is of the values as they were measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy

from benchrunner.statistics.spread import MAD_TO_SD

_Array: TypeAlias = numpy.ndarray[tuple[int], numpy.dtype[numpy.float64]]
FLOOR_PERCENT = 0.5
_LEAST_NIGHTS = 2  # of a segment: one value is no level
_PENALTY = 4.0  # of each change point, times ln n, in squares of the scale
_CLIP = 1e4
_WINDOW = 12  # nights on each side for the conservative detector
_T_LIMIT = 7.0


@dataclass(frozen=True, slots=True)
class Change:
    """The level changed between value `index` - 1 and value `index`."""

    index: int
    before: float  # medians of the segments on both sides
    after: float

    @property
    def percent(self) -> float:
        return (self.after - self.before) * 100 / self.before if self.before else math.inf


@dataclass(frozen=True, slots=True)
class Modes:
    """Two levels that values keep jumping between."""

    low: float
    high: float
    low_share: float

    @property
    def distance_percent(self) -> float:
        return (self.high - self.low) * 100 / self.low

    def text(self, nights: int) -> str:
        share = round(self.low_share * 100)
        return f"two modes {self.distance_percent:.2g} % apart, {share}/{100 - share}, last {nights} nights"


def find_changes(values: Sequence[float], floor_percent: float = FLOOR_PERCENT) -> list[Change]:
    """Change points of a series of nightly medians, weakest ones below `floor_percent` dropped.

    A series of equal values, or of two, has none.
    """
    x = numpy.asarray(values, float)
    if len(x) < 2 * _LEAST_NIGHTS or bool(numpy.all(x == x[0])):
        return []
    z = _scaled(_without_outliers(x), x)
    return _above_floor(x, _segments(z), floor_percent)


def find_changes_conservatively(
    values: Sequence[float], floor_percent: float = FLOOR_PERCENT
) -> list[Change]:
    """For cells that drift: twelve values on each side, a t of at least 7, the strongest of neighbours.

    Finds less, and later, but no false points in a walk.
    """
    x = numpy.asarray(values, float)
    n = len(x)
    scores = numpy.zeros(n)
    for index in range(_WINDOW, n - _WINDOW + 1):
        before, after = x[index - _WINDOW : index], x[index : index + _WINDOW]
        deviation = math.sqrt((float(before.var(ddof=1)) + float(after.var(ddof=1))) / _WINDOW)
        difference = abs(float(after.mean() - before.mean()))
        scores[index] = difference / deviation if deviation else (math.inf if difference else 0.0)
    points = [
        index
        for index in range(n)
        if scores[index] >= _T_LIMIT
        and scores[index] == scores[max(0, index - _WINDOW) : index + _WINDOW].max()
    ]
    # Of equal neighbours (a step without noise) the first.
    points = [index for number, index in enumerate(points) if not number or index - points[number - 1] > 1]
    return _above_floor(x, points, floor_percent)


def drifts(values: Sequence[float]) -> bool:
    """Whether neighbouring values hang together though no step explains it: a walk, not noise.

    The autocorrelation at a distance of one night of what is left when the steps are taken away, against
    three standard errors of that of independent values.
    """
    x = numpy.asarray(values, float)
    if len(x) < 20:
        return False
    rest = x.copy()
    edges = [0, *(change.index for change in find_changes(values)), len(x)]
    for start, end in pairwise(edges):
        rest[start:end] -= numpy.median(x[start:end])
    scale = MAD_TO_SD * float(numpy.median(numpy.abs(rest)))
    if scale == 0:
        return False
    rest = numpy.clip(rest, -4 * scale, 4 * scale)
    rest -= rest.mean()
    spread = float((rest**2).sum())
    return spread > 0 and float((rest[1:] * rest[:-1]).sum()) / spread > 3 / math.sqrt(len(x))


def find_modes(values: Sequence[float], least_percent: float = FLOOR_PERCENT) -> Modes | None:
    """Two levels at least `least_percent` apart that the values jump between again and again.

    The best cut into two groups; each must hold a tenth of the values, the gap must be wide against the
    scatter inside both, and the series must cross it more often than a step or two would.
    """
    x = numpy.asarray(values, float)
    if len(x) < 10:
        return None
    ordered = numpy.sort(x)
    least = max(2, math.ceil(len(x) / 10))
    costs = [
        (float(ordered[:cut].var() * cut + ordered[cut:].var() * (len(x) - cut)), cut)
        for cut in range(least, len(x) - least + 1)
    ]
    _, cut = min(costs)
    low, high = ordered[:cut], ordered[cut:]
    middle_low, middle_high = float(numpy.median(low)), float(numpy.median(high))
    scatter = MAD_TO_SD * max(
        float(numpy.median(numpy.abs(low - middle_low))), float(numpy.median(numpy.abs(high - middle_high)))
    )
    apart = middle_high - middle_low
    above = x > (ordered[cut - 1] + ordered[cut]) / 2
    crossings = int((above[1:] != above[:-1]).sum())
    wide = apart > 6 * scatter and float(ordered[cut] - ordered[cut - 1]) > 2 * scatter
    if not wide or crossings < 4 or middle_low <= 0 or apart * 100 < least_percent * middle_low:
        return None
    return Modes(middle_low, middle_high, cut / len(x))


def _without_outliers(x: _Array) -> _Array:
    """Hampel's filter over five neighbours."""
    padded = numpy.pad(x, 2, mode="edge")
    middles = numpy.median(numpy.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    distance = numpy.abs(x - middles)
    far = distance > 4 * MAD_TO_SD * numpy.median(distance)
    found: _Array = numpy.where(far, middles, x)
    return found


def _scaled(y: _Array, x: _Array) -> _Array:
    """In units of the noise, judged by neighbouring differences, which a step moves only once."""
    differences = numpy.diff(x)
    wide = float(numpy.quantile(differences, 0.9) - numpy.quantile(differences, 0.1)) / (2.563 * math.sqrt(2))
    narrow = MAD_TO_SD * float(numpy.median(numpy.abs(differences))) / math.sqrt(2)
    scale = max(wide, narrow, 1e-6 * abs(float(numpy.median(x)))) or 1.0
    found: _Array = numpy.clip((y - numpy.median(y)) / scale, -_CLIP, _CLIP)
    return found


def _segments(z: _Array) -> list[int]:
    """Starts of the segments (but the first) of least squared error plus penalty, by dynamic programming."""
    n = len(z)
    penalty = _PENALTY * math.log(n)
    sums = numpy.concatenate([[0.0], numpy.cumsum(z)])
    squares = numpy.concatenate([[0.0], numpy.cumsum(z * z)])
    best = numpy.full(n + 1, math.inf)
    best[0] = -penalty
    previous = numpy.zeros(n + 1, dtype=int)
    for end in range(_LEAST_NIGHTS, n + 1):
        starts = numpy.arange(0, end - _LEAST_NIGHTS + 1)
        inside = sums[end] - sums[starts]
        costs = best[starts] + squares[end] - squares[starts] - inside**2 / (end - starts) + penalty
        previous[end] = int(numpy.argmin(costs))
        best[end] = costs[previous[end]]
    points: list[int] = []
    end = n
    while previous[end] > 0:
        end = int(previous[end])
        points.append(end)
    return points[::-1]


def _above_floor(x: _Array, points: Sequence[int], floor_percent: float) -> list[Change]:
    """Drop the weakest point, form the medians anew, until every step is above the floor."""
    kept = list(points)
    while True:
        edges = [0, *kept, len(x)]
        middles = [float(numpy.median(x[start:end])) for start, end in pairwise(edges)]
        found = [
            Change(index, before, after)
            for index, before, after in zip(kept, middles, middles[1:], strict=False)
        ]
        weakest = min(found, key=lambda change: abs(change.percent), default=None)
        if weakest is None or abs(weakest.percent) >= floor_percent:
            return found
        kept.remove(weakest.index)
