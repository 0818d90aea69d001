"""Which results may be compared, what the difference is, and whether it is real.

`verdicts` compares two sets of runs cell by cell; `gate.check` decides about a night against a baseline.
"""

from __future__ import annotations

from benchrunner.compare.baselines import Baseline, list_baselines, load_baseline, save_baseline
from benchrunner.compare.gate import Report, check
from benchrunner.compare.select import select
from benchrunner.compare.settings import Settings
from benchrunner.compare.verdict import Comparison, Verdict, verdicts

__all__ = [
    "Baseline",
    "Comparison",
    "Report",
    "Settings",
    "Verdict",
    "check",
    "list_baselines",
    "load_baseline",
    "save_baseline",
    "select",
    "verdicts",
]
