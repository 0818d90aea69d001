"""Findings grouped into events: one case, one board, the whole lab; and the canary that tells them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchrunner.compare.baselines import Baseline
from benchrunner.compare.canary import TIMES
from benchrunner.compare.finding import Finding
from benchrunner.compare.verdict import Verdict
from benchrunner.wording import counted

_BOARD_CELLS = 3  # fewer cells of a board that move together may be chance


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
    """One event for a board of which more than half of the cases moved, one for a lab of such boards."""
    serious = (Verdict.REGRESSED, Verdict.LAB_FAULT, Verdict.FAILED, Verdict.SUSPECT, Verdict.INCONCLUSIVE)
    open_ = [one for one in findings if one.verdict in serious and one.known is None]
    boards: dict[str, list[Finding]] = {}
    judged: dict[str, set[str]] = {}
    for one in findings:
        judged.setdefault(one.key.board, set()).add(one.key.case)
    for one in open_:
        boards.setdefault(one.key.board, []).append(one)
    whole = {
        board: found
        for board, found in boards.items()
        if len({one.key.case for one in found}) >= _BOARD_CELLS
        and 2 * len({one.key.case for one in found}) > len(judged[board])
    }
    if len(whole) >= 2 and 2 * len(whole) > len(judged):
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
