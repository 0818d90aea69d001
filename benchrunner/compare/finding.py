"""What the gate says about one cell, and what is needed to say it surely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from benchrunner.compare.baselines import State
from benchrunner.compare.verdict import Comparison, Verdict
from benchrunner.history import CellKey, Point
from benchrunner.statistics.thresholds import Threshold


@dataclass(frozen=True, slots=True)
class Again:
    """A case run again: the medians of its restarts, in the unit of the cell."""

    candidate: tuple[float, ...]
    baseline: tuple[float, ...] = ()  # of the baseline's image, run in between; empty where it cannot be run
    note: str = ""  # why it cannot
    canary: tuple[float, ...] = ()  # of the canary, run in between where the baseline's image was not


class Rerun(Protocol):
    """Runs the case of a cell again, now, on the same place."""

    def __call__(self, candidate: Point, baseline: Point, restarts: int, canary: Point | None) -> Again:
        """`restarts` of each, alternating: of the candidate and the baseline's image or, where that cannot
        be run, the canary. Raises `BenchrunnerError` where the board does not run them.
        """


@dataclass(frozen=True)
class Finding:
    """What the gate says about one cell."""

    comparison: Comparison
    threshold: Threshold
    confirmed: bool = False  # by running it again, or because nothing in it can vary
    in_turns: bool = False  # with what the board's night would have moved as well: it was the program
    known: State | None = None  # a person has decided about this change already
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        return self.comparison.verdict

    @property
    def key(self) -> CellKey:
        return self.comparison.key
