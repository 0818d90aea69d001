"""How much values scatter, from what, and what would make a median surer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchrunner.metrics import median, median_interval
from benchrunner.statistics.ranks import mann_whitney

MAD_TO_SD = 1.4826  # of a normal distribution
_FAR = 5.0  # robust standard deviations
_LEAST = 6  # values that an interval of the median needs
_ALPHA = 0.01


@dataclass(frozen=True, slots=True)
class Outliers:
    """Samples far from the median: counted, never dropped."""

    low: int
    high: int
    slow_first: bool  # the first sample is among the high ones: warm-up was too short

    @property
    def count(self) -> int:
        return self.low + self.high


@dataclass(frozen=True, slots=True)
class Spreads:
    """Robust standard deviations in per cent of the median."""

    within_percent: float | None  # between the samples of one start
    between_percent: float | None  # between the medians of the starts; None for one start


@dataclass(frozen=True, slots=True)
class InputSpread:
    """Whether the time depends on the input's values, told from noise."""

    inputs: int
    input_percent: float  # range of the inputs' medians, of the median of them all
    noise_percent: float  # largest range of the medians or samples of one and the same input
    depends: bool | None  # None: too few starts to tell

    @property
    def text(self) -> str:
        found = f"{self.inputs} inputs differ by {self.input_percent:.3g} %, noise {self.noise_percent:.3g} %"
        match self.depends:
            case True:
                return f"{found}: the time depends on the input"
            case False:
                return f"{found}: no dependence on the input"
            case None:
                return f"{found}: too few starts of each input to tell them apart"


def deviation(values: Sequence[float]) -> float:
    """Robust standard deviation: the median absolute deviation, scaled."""
    middle = median(values)
    return MAD_TO_SD * median([abs(value - middle) for value in values])


def outliers(samples: Sequence[float]) -> Outliers:
    """Samples further from the median than 5 robust standard deviations (none where half are equal)."""
    middle, limit = median(samples), _FAR * deviation(samples)
    if limit == 0:
        return Outliers(0, 0, False)
    high = [sample - middle > limit for sample in samples]
    return Outliers(sum(middle - sample > limit for sample in samples), sum(high), high[0])


def spreads(starts: Sequence[Sequence[float]]) -> Spreads:
    """Scatter within the starts and between them. Raises `ValueError` without samples."""
    middles = [median(start) for start in starts]
    centre = median(middles)
    if centre == 0:
        return Spreads(None, None)
    inner = [deviation(start) * 100 / centre for start in starts if len(start) > 1]
    between = deviation(middles) * 100 / centre if len(middles) > 1 else None
    return Spreads(median(inner) if inner else None, between)


def input_spread(starts: Sequence[Sequence[float]], inputs: Sequence[int]) -> InputSpread | None:
    """Compare starts with different inputs; `None` where all have the same.

    Starts are the replicates. The inputs with the lowest and the highest median are tested against each
    other, at a level divided by the number of pairs; where every start of each input agrees exactly, any
    difference between inputs is the input's.
    """
    groups: dict[int, list[float]] = {}
    for start, index in zip(starts, inputs, strict=True):
        groups.setdefault(index, []).append(median(start))
    if len(groups) < 2:
        return None
    middles = {index: median(values) for index, values in groups.items()}
    centre = median(list(middles.values()))
    if centre == 0:
        return None
    low, high = min(middles, key=middles.__getitem__), max(middles, key=middles.__getitem__)
    repeated = [max(values) - min(values) for values in groups.values() if len(values) > 1]
    # With one start for each input the samples of it are all there is to judge noise by.
    noise = max(repeated) if repeated else max(max(start) - min(start) for start in starts)
    differ = middles[high] - middles[low]
    depends: bool | None
    if noise == 0:
        depends = differ > 0
    elif not repeated:
        depends = None
    else:
        pairs = len(groups) * (len(groups) - 1) / 2
        p = mann_whitney(groups[low], groups[high])
        enough = 2 / math.comb(len(groups[low]) + len(groups[high]), len(groups[low])) < _ALPHA / pairs
        depends = p < _ALPHA / pairs if enough else None
    return InputSpread(len(groups), differ * 100 / centre, noise * 100 / centre, depends)


def half_width_percent(values: Sequence[float]) -> float | None:
    """The larger half of the 95 % interval of the median, in per cent of it; `None` without an interval."""
    interval = median_interval(values)
    middle = median(values)
    if interval is None or middle <= 0:
        return None
    return max(interval[1] - middle, middle - interval[0]) * 100 / middle


def more_needed(values: Sequence[float], target_percent: float) -> int:
    """How many more values would narrow the interval of the median to +- `target_percent`; 0 when it is.

    The width falls with the square root of the count, and no interval exists below six values.
    """
    width = half_width_percent(values)
    if width is None:
        return max(1, _LEAST - len(values))
    if width <= target_percent:
        return 0
    return max(1, math.ceil(len(values) * (width / target_percent) ** 2) - len(values))


def advice(values: Sequence[float], what: str, target_percent: float = 1.0) -> str:
    """`3 more starts for +-1 %`, or nothing when the median is sure enough."""
    count = more_needed(values, target_percent)
    if count == 0:
        return ""
    noun = what if count == 1 else f"{what}s"
    if half_width_percent(values) is None:
        return f"{count} more {noun} for an interval"
    return f"{count} more {noun} for ±{target_percent:g} %"
