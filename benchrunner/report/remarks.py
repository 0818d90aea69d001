"""What the samples of a measurement say about themselves: outliers, inputs, starts, what would help."""

from __future__ import annotations

from collections.abc import Iterator

from benchrunner.metrics import CellClass, classify, median
from benchrunner.record import Latency, Measurement, Outcome
from benchrunner.statistics.spread import Outliers, advice, input_spread, outliers, spreads

_TARGET_PERCENT = 1.0


def remarks(measurement: Measurement) -> list[str]:
    """Lines for people about the latency; none where all samples agree."""
    latency = measurement.latency
    if measurement.outcome not in (Outcome.OK, Outcome.DEGRADED) or not isinstance(latency, Latency):
        return []
    starts = [start for start in latency.starts if start.timed_counts]
    samples = [count for start in starts for count in start.timed_counts]
    if not samples:
        return []
    found = input_spread([start.timed_counts for start in starts], [start.input_index for start in starts])
    inputs = [found.text] if found is not None else []
    if classify(samples) is not CellClass.NOISY:
        return inputs
    return [*inputs, *_noise([start.timed_counts for start in starts])]


def _noise(starts: list[tuple[int, ...]]) -> Iterator[str]:
    far = [outliers(start) for start in starts]
    count = sum(one.count for one in far)
    if count:
        total = sum(map(len, starts))
        yield f"{count} of {total} samples are outliers (kept): {_sides(far)}"
    if any(one.slow_first for one in far):
        yield "the first timed inference was among the slow ones: a longer warm-up would help"
    if len(starts) > 1:
        spread = spreads(starts)
        within = "" if spread.within_percent is None else f"within a start {spread.within_percent:.2g} %, "
        if spread.between_percent:
            yield f"spread: {within}between starts {spread.between_percent:.2g} %"
        needed = advice([median(start) for start in starts], "start", _TARGET_PERCENT)
    else:
        needed = advice(starts[0], "sample", _TARGET_PERCENT)
        needed = needed and f"{needed} of this start; other starts may differ by more"
    if needed:
        yield needed


def _sides(far: list[Outliers]) -> str:
    return f"{sum(one.high for one in far)} slow, {sum(one.low for one in far)} fast"
