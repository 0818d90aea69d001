"""The tables of `benchmark_model --enable_op_profiling=true`: time and share of each operator."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest

from benchrunner.errors import ToolOutputError
from benchrunner.protocol.linux_tools.text import number, plain, scaled

_REGULAR_RUNS = "Operator-wise Profiling Info for Regular Benchmark Runs"
_RUN_ORDER = re.compile(r"^=+ Run Order =+$")
_TABLE = re.compile(r"^=+ .+ =+$")
_NODES = re.compile(r"^Number of nodes executed: (\d{1,9})$")


@dataclass(frozen=True, slots=True)
class ProfiledNode:
    """One line of the run order: an operator, or a delegate that took several."""

    operator: str
    name: str
    mean_ns: int
    percent: float
    times_called: int

    @property
    def is_delegate(self) -> bool:
        return "delegate" in self.operator.lower()


@dataclass(frozen=True, slots=True)
class OpProfile:
    """Operators in the order in which they ran."""

    nodes: tuple[ProfiledNode, ...]
    executed: int  # the tool's own count

    @property
    def delegated(self) -> int:
        return sum(node.is_delegate for node in self.nodes)

    @property
    def delegate_percent(self) -> float:
        """Share of the nodes' time that delegates took."""
        total = sum(node.mean_ns for node in self.nodes)
        taken = sum(node.mean_ns for node in self.nodes if node.is_delegate)
        return 100 * taken / total if total else 0.0


def parse_profile(text: str) -> OpProfile | None:
    """The run order of the regular runs; None where nothing was profiled.

    Columns differ between versions and are found by their names. Raises `ToolOutputError` for a table that
    breaks off or has other columns.
    """
    lines = [line.rstrip() for line in plain(text).split("\n")]
    begin = next((n for n, line in enumerate(lines) if _REGULAR_RUNS in line), None)
    if begin is None:
        return None
    order = next((n for n in range(begin, len(lines)) if _RUN_ORDER.match(lines[n].strip())), None)
    if order is None:
        raise ToolOutputError("op profile: no table of the run order follows its title")
    rows = []
    for line in lines[order + 1 :]:
        if not line.strip() or _TABLE.match(line.strip()):
            break
        rows.append(_cells(line))
    if not rows:
        raise ToolOutputError("op profile: the table of the run order is empty")
    header = [cell.strip("[]").lower() for cell in rows[0]]
    columns = {name: header.index(name) for name in ("node type", "avg ms", "%") if name in header}
    if len(columns) != 3:
        raise ToolOutputError(f"op profile: expected columns node type, avg ms, %, found {', '.join(header)}")
    nodes = tuple(_node(header, row) for row in rows[1:])
    counted = [int(match[1]) for line in lines[begin:] if (match := _NODES.match(line.strip()))]
    return OpProfile(nodes, counted[0] if counted else len(nodes))


def _node(header: list[str], row: list[str]) -> ProfiledNode:
    cell = dict(zip_longest(header, row[: len(header)], fillvalue=""))
    operator = cell["node type"]
    return ProfiledNode(
        operator=operator,
        name=cell.get("name", ""),
        mean_ns=scaled(cell["avg ms"], 10**6, f"op profile: {operator}: avg ms"),
        percent=float(number(cell["%"].removesuffix("%"), f"op profile: {operator}: %")),
        times_called=scaled(cell.get("times called") or "0", 1, f"op profile: {operator}: times called"),
    )


def _cells(line: str) -> list[str]:
    """Cells are padded with blanks and parted by tabs; where tabs were lost, by two blanks."""
    parts = line.strip().split("\t") if "\t" in line.strip() else re.split(r" {2,}", line.strip())
    return [part.strip() for part in parts]
