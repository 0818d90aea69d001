"""What one round of a confirmation shows: what moved, the program or the board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from benchrunner import metrics
from benchrunner.compare.canary import Relative
from benchrunner.compare.finding import Again
from benchrunner.compare.nights import Night, level
from benchrunner.compare.settings import Settings
from benchrunner.compare.verdict import Side
from benchrunner.history import CellKey
from benchrunner.statistics.ranks import mann_whitney, ratio_interval, smallest_p
from benchrunner.statistics.thresholds import LEAST_NIGHTS, Threshold


class Moved(Enum):
    PROGRAM = "the program"
    BOARD = "the board"
    NOTHING = "nothing"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Round:
    moved: Moved
    sign: int  # of the change that was found, 0 for none
    percent: float | None
    interval: tuple[float, float] | None
    p: float | None
    reason: str = ""
    apart: bool = False  # a bad night of the board would not have looked like this
    beside_canary: bool = False
    limit: float | None = None  # in per cent, where it is not the cell's own


@dataclass(frozen=True, slots=True)
class _Test:
    """Two samples of starts."""

    enough: bool
    sign: int
    percent: float
    interval: tuple[float, float] | None
    p: float | None


def in_turns(
    candidate: Sequence[float], baseline: Sequence[float], key: CellKey, settings: Settings
) -> Round:
    """Against the baseline's image, run in between."""
    return _by_itself(candidate, baseline, settings.floor(key.metric), settings, apart=True)


def against_nights(
    candidate: Sequence[float],
    since: Sequence[Night],
    threshold: Threshold,
    key: CellKey,
    settings: Settings,
) -> Round:
    """Against the starts of earlier nights, which must allow for what differs between nights."""
    limit = max(settings.floor(key.metric), threshold.percent)
    return _by_itself(candidate, _starts(since), limit, settings, apart=False)


def beside_canary(
    again: Again,
    since: Sequence[Night],
    threshold: Threshold,
    relative: Relative,
    key: CellKey,
    settings: Settings,
) -> Round:
    """As a multiple of the canary, which was run in between, against the same multiple of earlier nights.

    It was the program where that multiple is beyond what its nights allow; also where the case by itself is,
    the canary is not, and the multiple shows that it did not move along (on a board without drift a case by
    itself is quieter than its multiple of a canary, which has noise of its own).
    """
    floor = max(settings.floor(key.metric), relative.own_percent)
    ratios = [
        case / canary for case, canary in zip(again.candidate, again.canary, strict=False) if canary > 0
    ]
    limit = max(floor, relative.noise.percent)
    ratio = _test(ratios, relative.ratios, limit, settings)
    along = _test(ratios, relative.ratios, floor, settings)
    case = _test(again.candidate, _starts(since), threshold.percent, settings)
    nights = _starts([pair.canary for pair in relative.pairs])
    canary = _test(again.canary, nights, relative.canary_noise.percent, settings)

    def result(moved: Moved, sign: int, reason: str) -> Round:
        return Round(moved, sign, ratio.percent, ratio.interval, ratio.p, reason, True, True, limit)

    if not (ratio.enough and case.enough and canary.enough):
        few = f"{len(again.candidate)} restarts beside {len(again.canary)} of the canary are too few"
        return result(Moved.UNCLEAR, 0, few)
    both = f"it by {case.percent:+.2f} %, the canary by {canary.percent:+.2f} %"
    if ratio.sign and canary.sign and not case.sign:
        return result(Moved.BOARD, canary.sign, f"the canary moved alone: {both}")
    if ratio.sign or (case.sign and case.sign == along.sign and not canary.sign):
        return result(Moved.PROGRAM, ratio.sign or case.sign, f"against the canary: {both}")
    if case.sign and case.sign == canary.sign:
        return result(Moved.BOARD, case.sign, f"the board moved, not the program: {both}")
    if case.sign:
        return result(Moved.UNCLEAR, 0, f"neither surely the board's nor the program's: {both}")
    return result(Moved.NOTHING, 0, "not found again")


def of_one_value(
    candidate: Sequence[float],
    since: Sequence[Night],
    threshold: Threshold,
    key: CellKey,
    settings: Settings,
) -> Round:
    """Of what a start has one value of, and what no bad night changes: beyond what its nights allow."""
    if not threshold.nights or not candidate or not since:
        few = f"fewer than {LEAST_NIGHTS} nights to judge it by"
        return Round(Moved.UNCLEAR, 0, None, None, None, few)
    middle = level(since)
    away = metrics.median(candidate) - middle
    percent = away * 100 / middle if middle else 0.0
    limit = max(threshold.absolute, abs(middle) * settings.floor(key.metric) / 100)
    if abs(away) <= limit:
        return Round(Moved.NOTHING, 0, percent, None, None, "not found again", True)
    return Round(Moved.PROGRAM, 1 if away > 0 else -1, percent, None, None, "", True)


def _starts(nights: Sequence[Night]) -> tuple[float, ...]:
    return tuple(value for night in nights for value in Side(night.points).replicates)


def _by_itself(
    candidate: Sequence[float], against: Sequence[float], limit: float, settings: Settings, *, apart: bool
) -> Round:
    test = _test(candidate, against, limit, settings)
    if not test.enough:
        few = f"{len(candidate)} restarts against {len(against)} are too few"
        return Round(Moved.UNCLEAR, 0, None, None, None, few, apart)
    moved = Moved.PROGRAM if test.sign else Moved.NOTHING
    reason = "" if test.sign else "not found again"
    return Round(moved, test.sign, test.percent, test.interval, test.p, reason, apart)


def _test(candidate: Sequence[float], against: Sequence[float], limit: float, settings: Settings) -> _Test:
    n, m = len(against), len(candidate)
    if not n or not m or smallest_p(n, m) >= settings.alpha:
        return _Test(False, 0, 0.0, None, None)
    middle, other = metrics.median(against), metrics.median(candidate)
    percent = (other - middle) * 100 / middle if middle else 0.0
    p = mann_whitney(against, candidate)
    ratio = ratio_interval(against, candidate)
    interval = ((ratio[0] - 1) * 100, (ratio[1] - 1) * 100) if ratio else None
    found = p < settings.alpha and abs(percent) > limit
    return _Test(True, (1 if percent > 0 else -1) if found else 0, percent, interval, p)
