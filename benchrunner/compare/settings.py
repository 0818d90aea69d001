"""What counts as a difference."""

from __future__ import annotations

from dataclasses import dataclass

from benchrunner.history import METRICS


@dataclass(frozen=True, slots=True)
class Settings:
    """The limits of comparisons and of the gate (docs/regression-gate.md gives the reasons)."""

    floor_percent: float = 0.5  # smaller changes are no news, however sure
    alpha: float = 0.001
    deviations: float = 3.0  # of a cell's nights: beyond them it is looked at again
    restarts: int = 12  # of each side, in each of the two rounds of a confirmation
    rounds: int = 2
    # Where the baseline's image cannot be run again: take its nights instead. A board that has good and bad
    # nights then gives false alarms.
    trust_nights: bool = False
    across: frozenset[str] = frozenset()  # conditions that may differ

    def floor(self, metric: str) -> float:
        """In per cent: bytes that follow from the image have none."""
        known = METRICS.get(metric)
        return 0.0 if known is not None and known.static else self.floor_percent
