"""Findings grouped into events: one case, one board, the whole lab; and the canary that tells them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchrunner.compare.baselines import Baseline
from benchrunner.compare.canary import TIMES
from benchrunner.compare.finding import Finding
from benchrunner.compare.verdict import Verdict
from benchrunner.wording import counted

_BOARD_CASES = 3  # fewer of more cases that move together may be chance
_ALL_CASES = 2  # that are all a board has, in one direction; one alone is that case
_LAB_BOARDS = 3


@dataclass(frozen=True)
class Alarm:
    """One event, for however many cells."""

    scope: str  # "case", "board", "lab"
    what: str
    findings: tuple[Finding, ...]


def with_canary(findings: Sequence[Finding], baseline: Baseline) -> Iterator[Finding]:
    """Where the canary of a board moved, no time there says anything about the code.

    But for what was run in turns with something that the board moves as well.
    """
    moved = {
        finding.key.board: finding
        for finding in findings
        if baseline.canary and finding.key.model == baseline.canary and finding.verdict.moved
        and finding.key.metric in ("latency", "cold")
    }  # fmt: skip
    for finding in findings:
        canary = moved.get(finding.key.board)
        open_ = finding.verdict.moved and finding.verdict is not Verdict.LAB_FAULT and not finding.in_turns
        if canary is not None and open_ and finding.key.metric in TIMES:
            change = canary.comparison.change_percent or 0
            reason = f"the canary {baseline.canary} moved by {change:+.2f} %: the board did, not the code"
            comparison = replace(finding.comparison, verdict=Verdict.LAB_FAULT, reason=reason)
            yield replace(finding, comparison=comparison)
        else:
            yield finding


def alarms(findings: Sequence[Finding]) -> Iterator[Alarm]:
    """One event for a board of which more than half of the cases moved, or all of its two; one for a lab in
    which that happened to most boards.
    """
    serious = (Verdict.REGRESSED, Verdict.LAB_FAULT, Verdict.FAILED, Verdict.SUSPECT, Verdict.INCONCLUSIVE)
    open_ = [one for one in findings if one.verdict in serious and one.known is None]
    boards: dict[str, list[Finding]] = {}
    judged: dict[str, set[str]] = {}
    for one in findings:
        judged.setdefault(one.key.board, set()).add(one.key.case)
    for one in open_:
        boards.setdefault(one.key.board, []).append(one)
    whole = {board: found for board, found in boards.items() if _whole(found, judged[board])}
    if len(whole) >= _LAB_BOARDS and 2 * len(whole) > len(judged):
        together = tuple(one for found in whole.values() for one in found)
        yield Alarm("lab", f"{len(whole)} of {len(judged)} boards moved", together)
    else:
        for board, found in whole.items():
            cases = len({one.key.case for one in found})
            yield Alarm(
                "board", f"{board}: {cases} of {counted(len(judged[board]), 'case')} moved", tuple(found)
            )
    for board, found in boards.items():
        if board not in whole:
            for case in dict.fromkeys(one.key.case for one in found):
                yield Alarm("case", case, tuple(one for one in found if one.key.case == case))


def _whole(found: Sequence[Finding], judged: set[str]) -> bool:
    cases = {one.key.case for one in found}
    if len(cases) >= _BOARD_CASES:
        return 2 * len(cases) > len(judged)
    ways: dict[tuple[str, str], set[str]] = {}
    for one in found:
        for way in _ways(one):
            ways.setdefault((one.key.metric, way), set()).add(one.key.case)
    return len(judged) >= _ALL_CASES and judged in ways.values()


def _ways(one: Finding) -> Iterator[str]:
    """In what another case can be like it: what it is, and the direction of what is beyond its noise."""
    if one.verdict in (Verdict.FAILED, Verdict.LAB_FAULT):
        yield str(one.verdict)
    judged, own = one.comparison.change_percent, one.comparison.own_change_percent
    # Beside a canary that moved as well nothing is left of what the board did: then as it was measured.
    for change in (own, judged) if one.verdict is Verdict.LAB_FAULT else (judged, own):
        if change is not None and abs(change) > (one.comparison.limit_percent or 0.0):
            yield "more" if change > 0 else "less"
            return
