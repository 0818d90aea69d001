"""A cell divided by its board's canary: what a bad night does to both cancels, a slower program does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from benchrunner import metrics
from benchrunner.compare.nights import Night, alike, nights_of
from benchrunner.compare.settings import Settings
from benchrunner.compare.verdict import Side
from benchrunner.history import CellKey, History, Point
from benchrunner.statistics.spread import MAD_TO_SD, deviation
from benchrunner.statistics.thresholds import LEAST_NIGHTS, NIGHTS, Threshold, learn

TIMES = frozenset({"latency", "cold", "init"})  # what a board in a bad night does to every program

_AS_FAR = 0.75
_OWN_DEVIATIONS = 5.0  # a night is not drawn anew by running the case again: no second round makes it surer
_EXPLAINED = 2.0  # times what the scatter of starts explains: a spread learned from 30 nights is that unsure


@dataclass(frozen=True)
class Canary:
    """One metric of the frozen model, as the place of a case measured it; no points where it never did."""

    model: str
    points: tuple[Point, ...] = ()

    @cached_property
    def nights(self) -> list[Night]:
        return nights_of(self.points)


@dataclass(frozen=True, slots=True)
class Pair:
    """A night in which a place measured both."""

    case: Night
    canary: Night

    @property
    def ratio(self) -> float:
        return self.case.value / self.canary.value


@dataclass(frozen=True, slots=True)
class NoCanary:
    """A cell that cannot be divided."""

    reason: str


@dataclass(frozen=True)
class Relative:
    """A cell as a multiple of its canary, over the nights of its baseline."""

    canary: Point  # newest, to be run again
    pairs: tuple[Pair, ...]
    noise: Threshold  # of the ratio, from night to night
    canary_noise: Threshold  # of the canary by itself
    own_percent: (
        float  # what a night can do to one of the two alone: within it nothing tells the program apart
    )
    tonight: float | None  # None where tonight's session did not measure the canary

    @property
    def ratios(self) -> list[float]:
        return [pair.ratio for pair in self.pairs]

    @property
    def level(self) -> float:
        return metrics.median(self.ratios)

    def percent(self, ratio: float) -> float:
        return (ratio / self.level - 1) * 100

    def moved(self, ratio: float) -> int:
        """The direction of what is beyond its nights' noise, else 0."""
        away = ratio - self.level
        return 0 if abs(away) <= self.noise.absolute else 1 if away > 0 else -1

    def came_and_went(self, percent: float) -> str:
        """The date of an earlier night that was off in that direction, nearly as far, and was followed by a
        good one.
        """
        sign, found = (1 if percent > 0 else -1), ""
        for pair in self.pairs:
            away = self.percent(pair.ratio)
            if self.moved(pair.ratio) == sign and abs(away) >= _AS_FAR * abs(percent):
                found = found or pair.case.date
            elif found:
                return found
        return ""


Finder = Callable[[Point], Canary | None]


def canaries(history: History, model: str) -> Finder:
    """How the canary of a result is found; each is read once. Without a canary there is none for any."""
    read: dict[tuple[CellKey, str], Canary] = {}

    def find(point: Point) -> Canary | None:
        if not model or point.key.metric not in TIMES:
            return None
        for key in _candidates(history.cells(model, point.key.metric), model, point.key):
            if (key, point.place) not in read:
                here = tuple(one for one in history.series(key) if one.place == point.place)
                read[key, point.place] = Canary(model, here)
            if read[key, point.place].points:
                return read[key, point.place]
        return Canary(model)

    return find


def _candidates(keys: Sequence[CellKey], model: str, case: CellKey) -> list[CellKey]:
    """Cells of the canary on the board of a case, those run most like it first."""
    same = [
        key
        for key in keys
        if (key.model, key.board, key.metric) == (model, case.board, case.metric)
        and (key.fidelity, key.unit) == (case.fidelity, case.unit)
    ]
    return sorted(
        same,
        key=lambda key: (
            key.engine != case.engine,
            key.execution_engine != case.execution_engine,
            key.options != case.options,
            key.label,
        ),
    )


def divided(
    canary: Canary | None, past: Sequence[Night], after: Side, begin: str, settings: Settings
) -> Relative | NoCanary:
    """A cell divided by its canary: `past` are its nights before `after`, `begin` its baseline's first run.

    Only nights in which the same session measured both count, of a canary under the conditions of its newest
    result. Where the nights under the baseline are too few, those before it stand in: while the baseline lies
    within their noise, they are its level, too.
    """
    key = after.last.key
    if key.metric not in TIMES:
        return NoCanary(f"a canary says nothing about {key.metric}")
    if canary is None:
        return NoCanary("no canary is declared: `benchrunner baseline canary NAME MODEL`")
    session = Night(after.points).session
    till = [
        night
        for night in canary.nights
        if night.session == session or night.points[0].run_id < after.last.run_id
    ]
    if not till:
        return NoCanary(
            f"the canary {canary.model} was never measured at {after.last.place}: every night it must"
        )
    newest = till[-1].points[-1]
    # Whatever may differ, a canary of another file is another one.
    across = settings.across - {"model_sha256"}
    sessions = {
        night.session: night for night in nights_of(alike(canary.points, newest, across)) if night.value > 0
    }
    pairs = [Pair(night, sessions[night.session]) for night in past if night.session in sessions]
    reference = _reference(pairs, begin, key, settings)
    if len(reference) < LEAST_NIGHTS:
        missing = LEAST_NIGHTS - len(reference)
        return NoCanary(
            f"{missing} more night{'s' * (missing != 1)} with the canary {canary.model} in the same session "
            f"needed ({len(reference)} of {LEAST_NIGHTS})"
        )
    noise = _learn([pair.ratio for pair in pairs], key, settings)
    level = metrics.median([pair.ratio for pair in reference])
    while len(reference) > LEAST_NIGHTS and abs(reference[-1].ratio - level) > noise.absolute:
        reference.pop()  # the last nights, where they are what is being judged already
    tonight = sessions.get(session)
    return Relative(
        newest,
        tuple(reference),
        noise,
        _learn([pair.canary.value for pair in pairs], key, settings),
        _OWN_DEVIATIONS * _own_percent(reference),
        after.median / tonight.value if tonight else None,
    )


def _reference(pairs: Sequence[Pair], begin: str, key: CellKey, settings: Settings) -> list[Pair]:
    """The nights whose ratio is the level: the first ones under the baseline."""
    under = [pair for pair in pairs if pair.case.points[0].run_id >= begin][:NIGHTS]
    if not under or len(under) >= LEAST_NIGHTS:
        return under
    before = [pair for pair in pairs if pair.case.points[0].run_id < begin]
    noise = _learn([pair.ratio for pair in before], key, settings)
    if not noise.nights or noise.level is None:
        return under
    if abs(metrics.median([pair.ratio for pair in under]) - noise.level) > noise.absolute:
        return under  # the baseline was set because the level had changed
    return [*before[-noise.nights :], *under]


def _own_percent(pairs: Sequence[Pair]) -> float:
    """How much more the ratio scatters from night to night than the starts of the nights explain."""
    ratios = [pair.ratio for pair in pairs]
    total = deviation(ratios) / metrics.median(ratios)
    cases, frozen = [pair.case for pair in pairs], [pair.canary for pair in pairs]
    own = total**2 - _EXPLAINED * (_of_starts(cases) + _of_starts(frozen))
    return math.sqrt(max(0.0, own)) * 100


def _of_starts(nights: Sequence[Night]) -> float:
    """The variance of a night's median that its starts explain, relative to it.

    From the differences of neighbouring starts, whose median no outlier moves; none of nights of one start.
    """
    sides = [side for night in nights if (side := Side(night.points)).starts > 1]
    steps = [abs(a - b) / side.median for side in sides for a, b in pairwise(side.replicates)]
    if not steps:
        return 0.0
    scatter = MAD_TO_SD * metrics.median(steps) / math.sqrt(2)
    starts = metrics.median([side.starts for side in sides])
    return math.pi / 2 * scatter**2 / starts  # of the median of normal values


def _learn(values: Sequence[float], key: CellKey, settings: Settings) -> Threshold:
    floor = settings.floor(key.metric)
    return learn(values[-2 * NIGHTS :], floor_percent=floor, deviations=settings.deviations)
