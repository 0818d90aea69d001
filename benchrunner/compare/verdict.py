"""Two sets of results of one cell, and what may be said about the difference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchrunner import metrics
from benchrunner.compare.conditions import differences
from benchrunner.compare.settings import Settings
from benchrunner.history import Better, CellKey, Point
from benchrunner.statistics.ranks import mann_whitney, ratio_interval, smallest_p
from benchrunner.statistics.spread import advice
from benchrunner.statistics.thresholds import Threshold


class Verdict(StrEnum):
    SAME = "same"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    SUSPECT = "suspect"  # beyond what its history allows; not confirmed
    INCONCLUSIVE = "inconclusive"
    LAB_FAULT = "lab fault"  # an unchanged image, or the canary, moved
    UNJUDGED = "not judged"  # one sample of what varies, and no nights to judge it by
    UNLIKE = "unlike"  # a condition differs: not compared
    FAILED = "failed"  # had a number, has none
    MISSING = "missing"
    NEW = "new"

    @property
    def moved(self) -> bool:
        return self in (Verdict.IMPROVED, Verdict.REGRESSED, Verdict.SUSPECT, Verdict.LAB_FAULT)


@dataclass(frozen=True)
class Side:
    """The comparable results of one side of a comparison."""

    points: tuple[Point, ...]

    @property
    def last(self) -> Point:
        return self.points[-1]

    @property
    def starts(self) -> int:
        return sum(len(point.starts) for point in self.points)

    @property
    def replicates(self) -> tuple[float, ...]:
        """The medians of the starts; of one start alone its samples."""
        if self.starts > 1:
            return tuple(value for point in self.points for value in point.start_medians)
        return self.last.replicates

    @property
    def median(self) -> float:
        return metrics.median(self.replicates)

    @property
    def deterministic(self) -> bool:
        """All values equal, or nearly: compared as they are."""
        classes = {point.cell_class for point in self.points}
        if not classes <= {metrics.CellClass.EXACT.value, metrics.CellClass.JITTER.value}:
            return False
        return metrics.classify(self.replicates) is not metrics.CellClass.NOISY

    @property
    def exact(self) -> bool:
        return {point.cell_class for point in self.points} == {metrics.CellClass.EXACT.value}

    @property
    def images(self) -> frozenset[str]:
        return frozenset(point.image_sha256 for point in self.points)

    def same_image(self, other: Side) -> bool:
        """Both ran just one image, and the same one."""
        return self.images == other.images and len(self.images) == 1 and "" not in self.images


@dataclass(frozen=True)
class Comparison:
    """One cell before and after."""

    key: CellKey
    verdict: Verdict
    reason: str = ""
    before: Side | None = None
    after: Side | None = None
    change_percent: float | None = None
    interval_percent: tuple[float, float] | None = None
    p: float | None = None
    limit_percent: float | None = None  # smaller changes are noise, or no news
    differing: tuple[tuple[str, str], ...] = ()
    advice: str = ""
    canary: str = ""  # model of which the cell is taken as a multiple: change, interval and limit are of that

    @property
    def own_change_percent(self) -> float | None:
        """From one side to the other, as measured, whatever the cell was judged against."""
        if self.before is None or self.after is None or not self.before.median:
            return None
        return (self.after.median / self.before.median - 1) * 100

    @property
    def change(self) -> str:
        """The change that was judged, and that of the two sides where it is another one: against a canary."""
        if self.change_percent is None:
            return ""
        judged, own = f"{self.change_percent:+.2f} %", self.own_change_percent
        if not self.canary:
            return judged
        return f"{judged} against the canary" + ("" if own is None else f" ({own:+.2f} % by itself)")


def verdicts(
    before: Iterable[Point], after: Iterable[Point], settings: Settings | None = None
) -> list[Comparison]:
    """Compare two sets of results cell by cell, in the order of their labels."""
    settings = settings or Settings()
    sides = [_by_case(points) for points in (before, after)]
    names = sorted(sides[0].keys() | sides[1].keys())
    return [_compare(sides[0].get(name, []), sides[1].get(name, []), settings) for name in names]


def judge(
    before: Sequence[Point],
    after: Sequence[Point],
    settings: Settings,
    threshold: Threshold | None = None,
) -> Comparison:
    """Compare the results of one cell; the conditions of each side are those of its last result.

    `threshold` is what the cell's history says is noise.
    """
    new = Side(_alike(after[-1], after, settings))
    old = Side(_alike(_closest(new.last, before), before, settings))
    key = new.last.key
    found = differences(old.last, new.last)
    differing = tuple((name, both) for name, both in found.items() if name not in settings.across)
    if differing:
        reason = ", ".join(f"{name} {both}" for name, both in differing)
        return Comparison(key, Verdict.UNLIKE, reason, old, new, differing=differing)
    a, b = old.median, new.median
    change = (b - a) * 100 / a if a else (0.0 if a == b else None)
    floor = settings.floor(key.metric)
    limit = max(floor, threshold.percent) if threshold and threshold.nights else floor
    same_image = old.same_image(new)
    ratio = ratio_interval(old.replicates, new.replicates)
    interval = ((ratio[0] - 1) * 100, (ratio[1] - 1) * 100) if ratio else None
    beyond = change is None or abs(change) > limit
    towards = _direction(key, b - a)

    def result(verdict: Verdict, reason: str = "", p: float | None = None, what: str = "") -> Comparison:
        if same_image and verdict in (Verdict.REGRESSED, Verdict.IMPROVED):
            verdict, reason = Verdict.LAB_FAULT, f"the same image took another time; {reason}".rstrip("; ")
        return Comparison(
            key, verdict, reason, old, new, change, interval, p, limit, tuple(found.items()), what
        )

    if old.deterministic and new.deterministic:
        if a == b:
            return result(Verdict.SAME)
        if same_image and old.exact and new.exact:
            return result(Verdict.LAB_FAULT, "the same image counted otherwise")
        beyond_floor = change is None or abs(change) > floor
        return result(towards) if beyond_floor else result(Verdict.SAME, f"below {floor:g} %")
    n, m = len(old.replicates), len(new.replicates)
    narrow = advice(new.replicates, "start" if new.starts > 1 else "sample", settings.floor_percent)
    if old.starts < 2 or new.starts < 2 or smallest_p(n, m) >= settings.alpha:
        # Inferences of one start hang together: a test on them would find every night different.
        few = f"{min(old.starts, new.starts)} starts are too few for a test"
        if not beyond:
            return result(Verdict.SAME, few)
        return result(
            Verdict.SUSPECT if threshold and threshold.nights else Verdict.INCONCLUSIVE, few, None, narrow
        )
    p = mann_whitney(old.replicates, new.replicates)
    if p < settings.alpha:
        return result(towards, "", p) if beyond else result(Verdict.SAME, f"below {limit:.2g} %", p)
    if beyond:
        return result(Verdict.INCONCLUSIVE, "not significant", p, narrow)
    return result(Verdict.SAME, "", p)


def _compare(before: Sequence[Point], after: Sequence[Point], settings: Settings) -> Comparison:
    if not after:
        return Comparison(before[-1].key, Verdict.MISSING, "only on the first side")
    if not before:
        return Comparison(after[-1].key, Verdict.NEW, "only on the second side")
    return judge(before, after, settings)


def _by_case(points: Iterable[Point]) -> dict[tuple[str, str], list[Point]]:
    """By case and metric, whatever the fidelity: that it differs must be said, not overlooked."""
    found: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        found.setdefault((point.key.case, point.key.metric), []).append(point)
    return found


def _alike(last: Point, points: Sequence[Point], settings: Settings) -> tuple[Point, ...]:
    return tuple(point for point in points if not differences(last, point).keys() - settings.across)


def _closest(after: Point, before: Sequence[Point]) -> Point:
    """Of the results of one side the newest with the fewest differing conditions."""
    return min(reversed(before), key=lambda point: len(differences(point, after)))


def _direction(key: CellKey, difference: float) -> Verdict:
    worse = difference > 0 if key.better == Better.LOWER else difference < 0
    return Verdict.REGRESSED if worse else Verdict.IMPROVED
