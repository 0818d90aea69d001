"""A summary in Markdown, short enough for a comment on a pull request: what moved first, the rest folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchrunner.compare import Verdict
from benchrunner.pages.cards import BAD, UNSURE, value, verdict_of
from benchrunner.pages.gather import Card, Content
from benchrunner.record import Outcome
from benchrunner.report import markdown
from benchrunner.report.cells import made_table
from benchrunner.wording import counted

_MOST = 50  # rows of a part; a comment has 65 536 characters


def comment(content: Content) -> str:
    """Markdown, ending with a newline."""
    judged = [one for one in content.cards if one.findings]
    counts = Counter(map(verdict_of, judged)) if judged else Counter(one.row.outcome for one in content.cards)
    head = ", ".join(f"**{count}** {word}" for word, count in sorted(counts.items()))
    lines = [f"## {content.title}", "", f"{counted(len(content.cards), 'case')}: {head}", ""]
    serious = [each.value for each in (*BAD, *UNSURE)]
    first = [
        one
        for one in content.cards
        if verdict_of(one) in serious or one.row.outcome not in (Outcome.OK, Outcome.DEGRADED)
    ]
    if first:
        lines += [_rows(first), ""]
    rest = [one for one in content.cards if one not in first]
    if rest:
        lines += ["<details><summary>All other cases</summary>", "", _rows(rest), "</details>", ""]
    lines += [f"! {note}" for note in content.notes]
    return "\n".join(lines).rstrip("\n") + "\n"


def _rows(cards: Sequence[Card]) -> str:
    rows = [
        (one.row.model, one.row.board_name, f"{one.row.engine}, {one.row.execution_engine}", value(one),
         _change(one), one.row.fidelity)
        for one in cards[:_MOST]
    ]  # fmt: skip
    more = [f"{len(cards) - _MOST} more are in the report"] if len(cards) > _MOST else []
    header = ("Model", "Board", "Engine", "Latency", "against the baseline", "fidelity")
    return markdown.layout(made_table("", header, rows, more))


def _change(one: Card) -> str:
    """The most serious finding with its size, or what the outcome says."""
    worst = verdict_of(one)
    if worst == Verdict.SAME:
        return worst  # of all cells: none of them is worth naming
    for finding in one.findings:
        if finding.verdict.value == worst:
            change = finding.comparison.change
            size = f" {change}" if change else ""
            return f"{finding.key.metric}{size} {worst}"
    return "" if one.row.outcome == Outcome.OK else f"{one.row.outcome}"
