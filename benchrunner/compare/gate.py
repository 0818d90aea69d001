"""The regression gate: a night against its baseline, suspects confirmed before anything is called one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from benchrunner.compare.alarms import Alarm, alarms, with_canary
from benchrunner.compare.baselines import Baseline, Limit, State
from benchrunner.compare.canary import Canary, NoCanary, Relative, canaries, divided
from benchrunner.compare.confirm import confirm, confirm_exactly
from benchrunner.compare.finding import Finding, Rerun
from benchrunner.compare.nights import Night, alike, level, nights_of
from benchrunner.compare.settings import Settings
from benchrunner.compare.unlike import Unlike, unlike
from benchrunner.compare.verdict import Comparison, Verdict, judge
from benchrunner.errors import ExitStatus
from benchrunner.history import METRICS, Better, CellKey, History, Point
from benchrunner.history.entries import SINGLE
from benchrunner.record import Outcome
from benchrunner.statistics.thresholds import LEAST_NIGHTS, NIGHTS, Threshold, learn


def _silent(text: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Report:
    """A night against its baseline."""

    baseline: Baseline
    run_ids: tuple[str, ...]
    findings: tuple[Finding, ...]
    alarms: tuple[Alarm, ...]

    @property
    def unlike(self) -> list[Unlike]:
        """What was not compared, by board and condition."""
        return unlike(self.findings)

    @property
    def status(self) -> ExitStatus:
        """1 before 3 before 4."""
        counted = [finding for finding in self.findings if finding.known is None]
        verdicts = {finding.verdict for finding in counted}
        if verdicts & {Verdict.REGRESSED, Verdict.FAILED}:
            return ExitStatus.FAILED
        if Verdict.LAB_FAULT in verdicts:
            return ExitStatus.BOARD
        unsure = {Verdict.SUSPECT, Verdict.INCONCLUSIVE, Verdict.MISSING, Verdict.UNLIKE}
        return ExitStatus.INCONCLUSIVE if verdicts & unsure else ExitStatus.GOOD


def check(
    history: History,
    baseline: Baseline,
    run_ids: Sequence[str],
    *,
    settings: Settings | None = None,
    rerun: Rerun | None = None,
    told: Callable[[str], None] | None = None,
) -> Report:
    """Judge the runs `run_ids` by the baseline. `told` hears what is being run again."""
    settings, told = settings or Settings(), told or _silent
    candidates = _by_cell(point for point in history.points(run_ids) if point.quality != "altered")
    expected = _by_cell(
        history.points([*baseline.run_ids, *(r for runs in baseline.accepted.values() for r in runs)])
    )
    failed = {row[:4]: row[4:] for row in _failed_rows(history, run_ids)}
    findings: list[Finding] = []
    canary_of = canaries(history, baseline.canary)
    for cell_id in sorted(
        candidates.keys() | expected.keys(), key=lambda one: _label(one, candidates, expected)
    ):
        before = [point for point in expected.get(cell_id, ()) if point.run_id in baseline.runs_of(cell_id)]
        after = candidates.get(cell_id, [])
        if not after:
            if before:
                findings.append(_absent(before[-1].key, failed))
            continue
        if not before:
            findings.append(Finding(Comparison(after[-1].key, Verdict.NEW, "not in the baseline"), _NOTHING))
            continue
        series, limit = history.series(after[-1].key), baseline.limits.get(cell_id)
        found = judge_night(series, before, after, limit, settings, rerun, told, canary_of(after[-1]))
        findings.append(_known(found, baseline))
    findings = list(with_canary(findings, baseline))
    return Report(baseline, tuple(run_ids), tuple(findings), tuple(alarms(findings)))


def limits_of(history: History, run_ids: Sequence[str], settings: Settings) -> dict[str, Limit]:
    """What the nights up to these runs say is noise, for each of their cells."""
    found = {}
    for cell_id, points in _by_cell(history.points(run_ids)).items():
        series = alike(history.series(cell_id), points[-1], settings.across)
        past = [point for point in series if point.run_id <= points[-1].run_id]
        learned = _learn(nights_of(past), points[-1].key, settings)
        if learned.nights:
            found[cell_id] = Limit(learned.absolute, learned.percent, learned.nights)
    return found


_NOTHING = Threshold(0.0, 0.0, 0, None)


def judge_night(
    series: Sequence[Point],
    before: Sequence[Point],
    after: Sequence[Point],
    stored: Limit | None,
    settings: Settings,
    rerun: Rerun | None = None,
    told: Callable[[str], None] = _silent,
    canary: Canary | None = None,
) -> Finding:
    """Judge one cell: `series` is its history, `before` its baseline, `after` what is judged.

    `stored` is what was learned when the baseline was set, `canary` the same metric of the canary, measured
    at the same place.
    """
    key, first = after[-1].key, min(point.run_id for point in after)
    past = alike([point for point in series if point.run_id < first], after[-1], settings.across)
    threshold = _threshold(nights_of(past), key, stored, settings)
    compared = judge(before, after, settings, threshold)
    if compared.verdict is Verdict.UNLIKE or compared.before is None or compared.after is None:
        return Finding(compared, threshold)
    if compared.before.deterministic and compared.after.deterministic:
        found = Finding(compared, threshold, confirmed=True)
        # A size follows from the image: there is nothing to be run again.
        varies = key.metric not in METRICS or not METRICS[key.metric].static
        if rerun is not None and varies and compared.verdict in (Verdict.REGRESSED, Verdict.IMPROVED):
            found = confirm_exactly(found, compared.before, compared.after, rerun, told)
        return found
    # The level since the baseline: of its first nights, so that it does not follow what comes later.
    since = [night for night in nights_of(past) if night.points[0].run_id >= before[0].run_id][:NIGHTS]
    reference = level(since) if since else compared.before.median
    change = compared.after.median - reference
    floor = abs(reference) * settings.floor(key.metric) / 100
    is_canary = canary is not None and canary.model == key.model
    relative: Relative | NoCanary = NoCanary("what never changes needs none")
    if not is_canary and not compared.before.same_image(compared.after):
        relative = divided(canary, nights_of(past), compared.after, before[0].run_id, settings)
    sign = 0 if abs(change) <= max(threshold.absolute, floor) else 1 if change > 0 else -1
    percent = change * 100 / reference if reference else None
    reason, moved = "", compared
    if isinstance(relative, Relative) and relative.tonight and (of_ratio := relative.moved(relative.tonight)):
        # The board's night hides a change as well as it makes one up.
        sign, percent = of_ratio, relative.percent(relative.tonight)
        reason = f"against the canary {relative.canary.key.model}, "
        # Interval and p are of the cell by itself: beside a change of the multiple they would contradict it.
        moved = replace(
            compared, canary=relative.canary.key.model, interval_percent=None, p=None,
            limit_percent=relative.noise.percent,
        )  # fmt: skip
    if not sign:
        return Finding(replace(compared, verdict=Verdict.SAME, reason=""), threshold)
    if not threshold.nights and after[-1].cell_class == SINGLE:
        reason = f"one sample, and fewer than {LEAST_NIGHTS} nights to judge it by"
        return Finding(
            replace(moved, verdict=Verdict.UNJUDGED, reason=reason, change_percent=percent), threshold
        )
    better = (sign > 0) != (key.better == Better.LOWER)
    suspect = replace(
        moved,
        verdict=Verdict.IMPROVED if better else Verdict.SUSPECT,
        reason=f"{reason}not run again",
        change_percent=percent,
    )
    if better and not is_canary:
        # Good news needs no second opinion: it is no alarm either way. But it must be more than scatter.
        if _within_starts(compared, percent):
            reason = "better than its nights by less than its starts scatter"
            return Finding(replace(compared, verdict=Verdict.SAME, reason=reason), threshold)
        return Finding(suspect, threshold)
    if rerun is None:
        return Finding(suspect, threshold, note="--confirm runs it again")
    return confirm(suspect, threshold, since, settings, rerun, told, relative, is_canary=is_canary)


def _within_starts(found: Comparison, change_percent: float | None) -> bool:
    """Whether a change is smaller than what the interval of the two sides' starts leaves open.

    By its width alone: against a canary, or the level of many nights, it has another middle.
    """
    if found.interval_percent is None or change_percent is None:
        return False
    low, high = found.interval_percent
    return abs(change_percent) < (high - low) / 2


def _threshold(past: Sequence[Night], key: CellKey, stored: Limit | None, settings: Settings) -> Threshold:
    """From the nights; from what was learned when the baseline was set where these are fewer."""
    learned = _learn(past, key, settings)
    if stored is not None and learned.nights < LEAST_NIGHTS:
        return Threshold(stored.absolute, stored.percent, stored.nights, learned.level)
    return learned


def _learn(past: Sequence[Night], key: CellKey, settings: Settings) -> Threshold:
    values = [night.value for night in past[-2 * NIGHTS :]]
    return learn(values, floor_percent=settings.floor(key.metric), deviations=settings.deviations)


def _known(finding: Finding, baseline: Baseline) -> Finding:
    """A change that someone acknowledged is no alarm while the level is the one it was acknowledged at."""
    decision = baseline.decision(finding.key.cell_id)
    after = finding.comparison.after
    if decision is None or decision.state is not State.ACKNOWLEDGED or after is None:
        return finding
    if not finding.verdict.moved and finding.verdict is not Verdict.INCONCLUSIVE:
        return finding
    allowed = max(finding.threshold.absolute, abs(decision.value) * 0.005)
    if abs(after.median - decision.value) > allowed:
        return replace(finding, note=f"acknowledged at {decision.value:.6g} {finding.key.unit}, moved again")
    return replace(finding, known=decision.state, note=decision.note)


def _absent(key: CellKey, failed: dict[tuple[str, ...], tuple[str, ...]]) -> Finding:
    found = failed.get((key.board, key.engine, key.model, key.fidelity))
    if found is None:
        return Finding(Comparison(key, Verdict.MISSING, "not measured"), _NOTHING)
    outcome, reason, step = found
    # A case that was stopped, or that its board never began, says nothing about the code.
    lab = outcome == Outcome.ABANDONED or step == "not run"
    why = ": ".join(filter(None, (outcome, reason)))
    verdict = Verdict.LAB_FAULT if lab else Verdict.FAILED
    return Finding(Comparison(key, verdict, why), _NOTHING, confirmed=True)


def _failed_rows(history: History, run_ids: Iterable[str]) -> Iterator[tuple[str, ...]]:
    for run_id in run_ids:
        yield from history.query(
            "SELECT board, engine, model, fidelity, outcome, reason, step FROM measurement "
            "WHERE run_id = :run_id AND outcome NOT IN ('ok', 'degraded')",
            run_id=run_id,
        )


def _by_cell(points: Iterable[Point]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.key.cell_id, []).append(point)
    return found


def _label(cell_id: str, *sides: dict[str, list[Point]]) -> str:
    return next(side[cell_id][0].key.label for side in sides if cell_id in side)
