"""What a page shows: the latest measurement of each case, its history, and its verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchrunner.compare.finding import Finding
from benchrunner.compare.nights import Era, eras
from benchrunner.compare.settings import Settings
from benchrunner.history import CellKey, History
from benchrunner.record import Measurement
from benchrunner.store import StoredRun, is_ahead
from benchrunner.table import Row, row_of

_SHOWN = ("latency",)  # the metric whose history is drawn


@dataclass(frozen=True)
class Card:
    """One case: its last measurement, and what is known about it over time."""

    row: Row
    measurement: Measurement
    document: str  # path of the record
    eras: tuple[Era, ...] = ()
    unit: str = ""  # of the history
    findings: tuple[Finding, ...] = ()

    @property
    def anchor(self) -> str:
        row, options = self.row, sorted(self.measurement.case.options.items())
        named = (row.board, row.engine, row.model, row.model_sha256, row.fidelity, row.execution_engine)
        text = repr((*named, options))
        return "case-" + hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def title(self) -> str:
        return f"{self.row.model} on {self.row.board_name}, {self.row.engine}, {self.row.execution_engine}"


@dataclass(frozen=True)
class Content:
    """All that one page is made of."""

    title: str
    cards: tuple[Card, ...]
    runs: int
    notes: tuple[str, ...] = field(default=())

    @property
    def newest(self) -> str:
        return max((card.row.started_at for card in self.cards), default="")


def gather(
    title: str,
    runs: Sequence[StoredRun],
    history: History | None,
    *,
    suite: str | None = None,
    findings: Iterable[Finding] = (),
    notes: Iterable[str] = (),
) -> Content:
    """The content of a page over `runs`; with `suite` only the cases of that run of a suite."""
    cards: dict[tuple[object, ...], Card] = {}
    for run in runs:
        for measurement in run.document.measurements:
            if suite is not None and measurement.provenance.suite_run != suite:
                continue
            row = row_of(measurement, run_id=run.document.run_id, altered=run.altered)
            key = _identity(measurement, row)
            before = cards.get(key)
            if before is not None and is_ahead(row.run_id) and not is_ahead(before.row.run_id):
                continue  # as in the tables
            cards.pop(key, None)
            cards[key] = Card(row, measurement, str(run.path))
    keys = _keys(history) if history is not None else {}
    verdicts: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        verdicts.setdefault(_identity_of(finding.key), []).append(finding)
    made = []
    for key, card in cards.items():
        cell = keys.get(key)
        series = history.series(cell) if history is not None and cell is not None else []
        made.append(
            Card(
                card.row,
                card.measurement,
                card.document,
                tuple(eras(series, Settings().floor("latency"))) if series else (),
                cell.unit if cell is not None else "",
                tuple(verdicts.get(key, ())),
            )
        )
    made.sort(key=lambda card: (card.row.board_name, card.row.engine, card.row.model, card.row.fidelity))
    return Content(title, tuple(made), len(runs), tuple(notes))


def _identity(measurement: Measurement, row: Row) -> tuple[object, ...]:
    options = tuple(sorted(measurement.case.options.items()))
    return (
        row.board,
        row.engine,
        row.model,
        row.format,
        row.resolution,
        row.execution_engine,
        options,
        row.fidelity,
    )


def _identity_of(key: CellKey) -> tuple[object, ...]:
    import json

    options = tuple(sorted(json.loads(key.options).items()))
    return (
        key.board,
        key.engine,
        key.model,
        key.format,
        key.resolution,
        key.execution_engine,
        options,
        key.fidelity,
    )


def _keys(history: History) -> dict[tuple[object, ...], CellKey]:
    """The cell whose history is drawn, by case."""
    return {_identity_of(key): key for key in history.cells() if key.metric in _SHOWN}
