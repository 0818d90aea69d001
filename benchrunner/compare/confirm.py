"""Suspects are run again before anything is said about them: a second and a third opinion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from benchrunner import metrics
from benchrunner.compare.canary import TIMES, NoCanary, Relative
from benchrunner.compare.conditions import recorded_changes
from benchrunner.compare.finding import Again, Finding, Rerun
from benchrunner.compare.nights import Night
from benchrunner.compare.rounds import Moved, Round, against_nights, beside_canary, in_turns, of_one_value
from benchrunner.compare.settings import Settings
from benchrunner.compare.verdict import Comparison, Side, Verdict
from benchrunner.errors import BenchrunnerError
from benchrunner.history import Better
from benchrunner.statistics.thresholds import Threshold


def confirm(
    suspect: Comparison,
    threshold: Threshold,
    since: Sequence[Night],
    settings: Settings,
    rerun: Rerun,
    told: Callable[[str], None],
    relative: Relative | NoCanary,
    *,
    is_canary: bool = False,
) -> Finding:
    """Run a suspect again, twice: each round must find the change by itself, and in one direction."""
    before, after = suspect.before, suspect.after
    if before is None or after is None:
        raise ValueError(f"{suspect.key.label}: a suspect has results on both sides")
    key, note = suspect.key, ""
    seen: list[Round] = []
    own_limit = max(settings.floor(key.metric), threshold.percent)
    # Of what is no time a start has one value, and no night changes it.
    restarts = settings.restarts if key.metric in TIMES else 1
    canary = relative.canary if isinstance(relative, Relative) else None
    for number in range(1, settings.rounds + 1):
        told(f"{key.label}: {suspect.change or '+0.00 %'}, run again ({number} of {settings.rounds})")
        try:
            again = rerun(after.last, before.last, restarts, canary)
        except BenchrunnerError as error:
            reason = f"could not be run again: {error.message}"
            return Finding(replace(suspect, verdict=Verdict.INCONCLUSIVE, reason=reason), threshold)
        now, note = _look(again, suspect, threshold, since, settings, relative)
        seen.append(now)
        suspect = replace(
            suspect,
            change_percent=now.percent,
            interval_percent=now.interval,
            p=now.p,
            limit_percent=now.limit if now.limit is not None else own_limit,
            canary=canary.key.model if canary is not None and now.beside_canary else "",
            reason=now.reason,
        )
        if now.moved is not seen[0].moved or now.sign != seen[0].sign or not now.sign:
            verdict, reason = _not_found(seen)
            return Finding(replace(suspect, verdict=verdict, reason=reason), threshold, note=note)
    if not again.baseline:
        note = "; ".join(filter(None, (note, recorded_changes(before.last, after.last))))
    verdict, reason = _found(suspect, seen[-1], settings, relative, is_canary=is_canary)
    return Finding(
        replace(suspect, verdict=verdict, reason=reason),
        threshold,
        verdict is not Verdict.INCONCLUSIVE,
        in_turns=seen[-1].apart,
        note=note,
    )


def _look(
    again: Again,
    suspect: Comparison,
    threshold: Threshold,
    since: Sequence[Night],
    settings: Settings,
    relative: Relative | NoCanary,
) -> tuple[Round, str]:
    """What a round shows, and what it was compared with where that was not the baseline's image."""
    key = suspect.key
    if key.metric not in TIMES:
        return of_one_value(again.candidate, since, threshold, key, settings), ""
    if again.baseline:
        return in_turns(again.candidate, again.baseline, key, settings), ""
    why = again.note or "the baseline's image cannot be run"
    if again.canary and isinstance(relative, Relative):
        found = beside_canary(again, since, threshold, relative, key, settings)
        return found, f"{why}: in turns with the canary {relative.canary.key.model}"
    return against_nights(
        again.candidate, since, threshold, key, settings
    ), f"{why}: compared with its nights"


def _not_found(seen: Sequence[Round]) -> tuple[Verdict, str]:
    """Nothing there when looked at again is an answer; too few values to look with is none."""
    first, last = seen[0], seen[-1]
    match last.moved:
        case Moved.UNCLEAR:
            return Verdict.INCONCLUSIVE, last.reason
        case Moved.NOTHING:
            return Verdict.SAME, last.reason
        case _ if last.moved is first.moved:
            return Verdict.SAME, "not found again in the same direction"
        case _:
            return Verdict.INCONCLUSIVE, f"once {first.moved.value}, once {last.moved.value}"


def _found(
    suspect: Comparison,
    seen: Round,
    settings: Settings,
    relative: Relative | NoCanary,
    *,
    is_canary: bool,
) -> tuple[Verdict, str]:
    before, after = suspect.before, suspect.after
    assert before is not None
    assert after is not None
    reason = f"found again {settings.rounds} times" + f", {seen.reason}" * bool(seen.reason)
    if is_canary:
        return Verdict.LAB_FAULT, f"{reason}; it never changes: the board did"
    if seen.moved is Moved.BOARD or before.same_image(after):
        return Verdict.LAB_FAULT, reason
    if isinstance(relative, Relative) and seen.apart and seen.beside_canary:
        if date := relative.came_and_went(seen.percent or 0.0):
            return Verdict.INCONCLUSIVE, f"{reason}; but it was as far off on {date}, and came back"
    elif not seen.apart and not settings.trust_nights:
        why = relative.reason if isinstance(relative, NoCanary) else "the canary was not run in turns"
        return (
            Verdict.INCONCLUSIVE,
            f"{reason}, but a bad night looks the same: {why}",
        )
    worse = (seen.sign > 0) == (suspect.key.better == Better.LOWER)
    return (Verdict.REGRESSED if worse else Verdict.IMPROVED), reason


def confirm_exactly(
    found: Finding, before: Side, after: Side, rerun: Rerun, told: Callable[[str], None]
) -> Finding:
    """A count that cannot vary: run again, either image must give its own, else the lab is at fault."""
    told(f"{found.key.label}: {found.comparison.change_percent or 0:+.2f} %, run once more")
    try:
        again = rerun(after.last, before.last, 1, None)
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
        in_turns = bool(again.baseline)
        return replace(
            found, note="found again" + ", in turns with the baseline's" * in_turns, in_turns=in_turns
        )
    reason = "; ".join(wrong)
    return replace(found, comparison=replace(found.comparison, verdict=Verdict.LAB_FAULT, reason=reason))
