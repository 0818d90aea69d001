"""Suspects are run again before anything is said about them: a second and a third opinion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from benchrunner import metrics
from benchrunner.compare.finding import Finding, Rerun
from benchrunner.compare.nights import Night
from benchrunner.compare.settings import Settings
from benchrunner.compare.verdict import Comparison, Side, Verdict
from benchrunner.errors import BenchrunnerError
from benchrunner.history import Better, CellKey
from benchrunner.statistics.ranks import mann_whitney, ratio_interval, smallest_p
from benchrunner.statistics.thresholds import Threshold


def confirm(
    suspect: Comparison,
    threshold: Threshold,
    since: Sequence[Night],
    settings: Settings,
    rerun: Rerun,
    told: Callable[[str], None],
) -> Finding:
    """Run a suspect again, twice: each round must find the change by itself, and in one direction."""
    before, after = suspect.before, suspect.after
    if before is None or after is None:
        raise ValueError(f"{suspect.key.label}: a suspect has results on both sides")
    key, sign, note = suspect.key, 0, ""
    for number in range(1, settings.rounds + 1):
        told(f"{key.label}: {suspect.change_percent or 0:+.2f} %, run again ({number} of {settings.rounds})")
        try:
            again = rerun(after.last, before.last, settings.restarts)
        except BenchrunnerError as error:
            reason = f"could not be run again: {error.message}"
            return Finding(replace(suspect, verdict=Verdict.INCONCLUSIVE, reason=reason), threshold)
        interleaved = bool(again.baseline)
        # Without the baseline's image the night itself is part of the difference: its nights must allow it.
        against = again.baseline or tuple(value for night in since for value in Side(night.points).replicates)
        if not interleaved:
            note = again.note or "the baseline's image cannot be run: compared with its nights"
        seen = _round(again.candidate, against, key, settings, None if interleaved else threshold)
        suspect = replace(
            suspect, change_percent=seen.percent, interval_percent=seen.interval, p=seen.p, reason=seen.reason
        )
        if not seen.sign or (sign and seen.sign != sign):
            # Nothing there when looked at again is an answer; too few values to look with is none.
            verdict = Verdict.SAME if seen.enough else Verdict.INCONCLUSIVE
            return Finding(replace(suspect, verdict=verdict), threshold, note=note)
        sign = seen.sign
    worse = (sign > 0) == (key.better == Better.LOWER)
    verdict = Verdict.REGRESSED if worse else Verdict.IMPROVED
    reason = f"found again {settings.rounds} times"
    if before.images == after.images and "" not in after.images:
        verdict = Verdict.LAB_FAULT
    elif note and not settings.trust_nights:
        verdict = Verdict.INCONCLUSIVE
        reason += "; without the baseline's image a bad night cannot be told from a slower program"
    return Finding(
        replace(suspect, verdict=verdict, reason=reason),
        threshold,
        verdict is not Verdict.INCONCLUSIVE,
        note=note,
    )


@dataclass(frozen=True, slots=True)
class _Round:
    sign: int  # of the change that was found, 0 for none
    enough: bool
    percent: float | None
    interval: tuple[float, float] | None
    p: float | None
    reason: str


def _round(
    candidate: Sequence[float],
    against: Sequence[float],
    key: CellKey,
    settings: Settings,
    threshold: Threshold | None,
) -> _Round:
    n, m = len(against), len(candidate)
    if not n or not m or smallest_p(n, m) >= settings.alpha:
        return _Round(0, False, None, None, None, f"{m} restarts against {n} are too few")
    middle, other = metrics.median(against), metrics.median(candidate)
    percent = (other - middle) * 100 / middle if middle else 0.0
    p = mann_whitney(against, candidate)
    ratio = ratio_interval(against, candidate)
    interval = ((ratio[0] - 1) * 100, (ratio[1] - 1) * 100) if ratio else None
    limit = max(settings.floor(key.metric), threshold.percent if threshold else 0.0)
    if p >= settings.alpha or abs(percent) <= limit:
        return _Round(0, True, percent, interval, p, "not found again")
    return _Round(1 if percent > 0 else -1, True, percent, interval, p, "")


def confirm_exactly(
    found: Finding, before: Side, after: Side, rerun: Rerun, told: Callable[[str], None]
) -> Finding:
    """A count that cannot vary: run again, either image must give its own, else the lab is at fault."""
    told(f"{found.key.label}: {found.comparison.change_percent or 0:+.2f} %, run once more")
    try:
        again = rerun(after.last, before.last, 1)
    except BenchrunnerError as error:
        reason = f"could not be run again: {error.message}"
        return replace(
            found,
            confirmed=False,
            comparison=replace(found.comparison, verdict=Verdict.INCONCLUSIVE, reason=reason),
        )
    sides = [("it", metrics.median(again.candidate), after.median, before.median)]
    if again.baseline:
        sides.append(("the baseline's image", metrics.median(again.baseline), before.median, after.median))
    wrong = [
        f"run again {what} took {value:.6g} {found.key.unit}, not {own:.6g}"
        for what, value, own, other in sides
        if abs(value - own) > abs(value - other) or abs(value - own) * 1000 > value
    ]
    if not wrong:
        return replace(found, note="found again" + (", in turns with the baseline's" * bool(again.baseline)))
    reason = "; ".join(wrong)
    return replace(found, comparison=replace(found.comparison, verdict=Verdict.LAB_FAULT, reason=reason))
