"""A cell's history night by night: one value each, of results under equal conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from benchrunner import metrics
from benchrunner.compare.conditions import differences
from benchrunner.compare.verdict import Side
from benchrunner.history import Point
from benchrunner.statistics.changes import (
    Change,
    Modes,
    drifts,
    find_changes,
    find_changes_conservatively,
    find_modes,
)


@dataclass(frozen=True)
class Night:
    """All results of one cell of one run of a suite, or of one day."""

    points: tuple[Point, ...]

    @cached_property
    def value(self) -> float:
        return Side(self.points).median

    @property
    def session(self) -> str:
        """What the results of one night on one place share."""
        return _session(self.points[0])

    @property
    def date(self) -> str:
        run_id = self.points[0].run_id
        return f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}"

    @property
    def revision(self) -> str:
        return self.points[-1].revision or self.points[-1].tool_version


@dataclass(frozen=True)
class Step:
    """A change of level, and between which revisions."""

    change: Change
    last_good: Night
    first_bad: Night

    @property
    def revisions(self) -> str:
        return f"{self.last_good.revision}..{self.first_bad.revision}"


@dataclass(frozen=True)
class Era:
    """Nights under equal conditions, with the steps inside."""

    nights: tuple[Night, ...]
    began_because: str  # what differed from the nights before; empty for the first
    steps: tuple[Step, ...]
    modes: Modes | None
    drifting: bool


def nights_of(points: Sequence[Point]) -> list[Night]:
    """Group results, which must be in order, by suite run, else by day."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(_session(point), []).append(point)
    return [Night(tuple(group)) for group in groups.values()]


def _session(point: Point) -> str:
    return point.suite_run or point.run_id[:8]


def alike(points: Sequence[Point], last: Point, across: frozenset[str] = frozenset()) -> list[Point]:
    """Results under the conditions of `last`."""
    return [point for point in points if not differences(point, last).keys() - across]


def eras(points: Sequence[Point], floor_percent: float, *, detector: str = "auto") -> list[Era]:
    """A history cut where conditions changed, and the change points of each part.

    `detector` is `auto` (the conservative one where a part drifts), `sensitive` or `conservative`.
    """
    parts: list[list[Point]] = []
    reasons: list[str] = []
    for point in points:
        found = differences(parts[-1][-1], point) if parts else {}
        if not parts or found:
            parts.append([])
            reasons.append(", ".join(f"{name} {both}" for name, both in found.items()))
        parts[-1].append(point)
    return [_era(part, reason, floor_percent, detector) for part, reason in zip(parts, reasons, strict=True)]


def _era(points: Sequence[Point], reason: str, floor_percent: float, detector: str) -> Era:
    nights = nights_of(points)
    values = [night.value for night in nights]
    drifting = drifts(values)
    careful = detector == "conservative" or (detector == "auto" and drifting)
    find = find_changes_conservatively if careful else find_changes
    modes = find_modes(values[-30:], max(floor_percent, 0.1))
    steps = tuple(
        Step(change, nights[change.index - 1], nights[change.index])
        for change in ([] if modes else find(values, floor_percent))
    )
    return Era(tuple(nights), reason, steps, modes, drifting)


def level(nights: Sequence[Night]) -> float:
    return metrics.median([night.value for night in nights])
