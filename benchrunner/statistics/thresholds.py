"""What a cell's own history says is noise: limits learned from nights in which nothing changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchrunner.metrics import median
from benchrunner.statistics.changes import find_changes
from benchrunner.statistics.spread import deviation

NIGHTS = 30  # that limits are learned from
LEAST_NIGHTS = 5  # below this a history has no spread worth the name


@dataclass(frozen=True, slots=True)
class Threshold:
    """How far a cell may move before it is looked at again."""

    absolute: float  # in the cell's unit
    percent: float
    nights: int  # it was learned from; 0 where only the floor is known
    level: float | None  # median of those nights


def learn(values: Sequence[float], *, floor_percent: float, deviations: float) -> Threshold:
    """Limits from the nightly medians of a cell under equal conditions, oldest first.

    Only what came after the last change of level counts: a step is no noise. The limit is `deviations`
    robust standard deviations of the nights, and never below the floor.
    """
    changes = find_changes(values, floor_percent) if len(values) >= LEAST_NIGHTS else []
    level_since = [*values][changes[-1].index if changes else 0 :][-NIGHTS:]
    if len(level_since) < LEAST_NIGHTS:
        level_since = [*values][-LEAST_NIGHTS:]
    if not level_since:
        return Threshold(0.0, floor_percent, 0, None)
    level = median(level_since)
    enough = len(level_since) >= LEAST_NIGHTS
    noise = deviations * deviation(level_since) if enough else 0.0
    absolute = max(noise, abs(level) * floor_percent / 100)
    percent = absolute * 100 / abs(level) if level else 0.0
    return Threshold(absolute, percent, len(level_since) if enough else 0, level)
