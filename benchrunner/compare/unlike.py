"""What was not compared because its conditions changed, gathered by board: refused, but never overlooked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchrunner import metrics
from benchrunner.compare.finding import Finding
from benchrunner.compare.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Unlike:
    """Cells of one board whose conditions changed alike."""

    board: str
    differing: tuple[tuple[str, str], ...]
    cells: int
    cases: int
    latencies_percent: tuple[float, ...]  # how far the levels lie apart; what the gate would say is not known

    @property
    def text(self) -> str:
        what = ", ".join(f"{name} {both}" for name, both in self.differing)
        across = " ".join(f"--across {name}" for name, _ in self.differing)
        cells = f"{self.cells} cell{'s' * (self.cells != 1)} of {self.cases} case{'s' * (self.cases != 1)}"
        return (
            f"{self.board}: {cells} not compared: {what}{self._levels()}; judge them with {across}, "
            "or set the baseline anew"
        )

    def _levels(self) -> str:
        if not self.latencies_percent:
            return ""
        middle = metrics.median(self.latencies_percent)
        low, high = min(self.latencies_percent), max(self.latencies_percent)
        several = f" ({low:+.2f} .. {high:+.2f} %)" if len(self.latencies_percent) > 1 else ""
        return f"; latency is {middle:+.2f} %{several} from the baseline's"


def unlike(findings: Sequence[Finding]) -> list[Unlike]:
    """By board and condition, those of most cells first."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[Finding]] = {}
    for one in findings:
        if one.verdict is Verdict.UNLIKE:
            groups.setdefault((one.key.board, one.comparison.differing), []).append(one)
    found = [
        Unlike(
            board,
            differing,
            len(group),
            len({one.key.case for one in group}),
            tuple(percent for one in group if (percent := _latency_percent(one)) is not None),
        )
        for (board, differing), group in groups.items()
    ]
    return sorted(found, key=lambda one: -one.cells)


def _latency_percent(finding: Finding) -> float | None:
    before, after = finding.comparison.before, finding.comparison.after
    if before is None or after is None or finding.key.metric != "latency":
        return None
    one, other = before.last.key, after.last.key
    if (one.unit, one.fidelity) != (other.unit, other.fidelity) or not before.median:
        return None
    return (after.median / before.median - 1) * 100
