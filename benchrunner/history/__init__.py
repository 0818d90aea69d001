"""The index of a folder of results: fast, disposable, and rebuilt from the documents whenever it must be."""

from __future__ import annotations

from benchrunner.history.index import History, has_index, load_results, load_rows, open_history
from benchrunner.history.metric import METRICS, Better, CellKey, Metric
from benchrunner.history.points import Point, Run

__all__ = [
    "METRICS",
    "Better",
    "CellKey",
    "History",
    "Metric",
    "Point",
    "Run",
    "has_index",
    "load_results",
    "load_rows",
    "open_history",
]
