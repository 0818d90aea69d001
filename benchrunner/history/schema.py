"""The tables of the index, in one description that SQLite and PostgreSQL both are made from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import get_type_hints

from benchrunner import metrics, record, store, table
from benchrunner.history import environment, metric
from benchrunner.record import NotMeasured
from benchrunner.table import Row


class Type(StrEnum):
    TEXT = "TEXT"
    INTEGER = "INTEGER"
    REAL = "REAL"
    BLOB = "BLOB"


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    columns: tuple[tuple[str, Type], ...]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    shared: bool = True  # also in a store of several labs
    keeps: bool = False  # a row of the same key is kept: what many runs refer to

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)


def reason_columns() -> tuple[str, ...]:
    """Columns of `Row` that may be unknown: each has another for the reason."""
    return tuple(name for name, hint in _row_hints().items() if hint not in (str, bool, int))


@cache
def _row_hints() -> dict[str, object]:
    hints = get_type_hints(Row)
    return {field.name: hints[field.name] for field in fields(Row)}


def _row_type(hint: object) -> Type:
    if hint in (bool, int) or hint == int | NotMeasured:
        return Type.INTEGER
    return Type.REAL if hint == float | NotMeasured else Type.TEXT


_ROW = tuple((name, _row_type(hint)) for name, hint in _row_hints().items())
_REASONS = tuple((f"{name}_reason", Type.TEXT) for name in reason_columns())


def _text(*names: str) -> tuple[tuple[str, Type], ...]:
    return tuple((name, Type.TEXT) for name in names)


def _integer(*names: str) -> tuple[tuple[str, Type], ...]:
    return tuple((name, Type.INTEGER) for name in names)


DOCUMENT = Table(
    "document",  # every file of the folder, also those that cannot be read
    (
        *_text("path"),
        *_integer("size", "mtime_ns", "ctime_ns"),
        *_text("sha256", "run_id", "kind", "problem", "hint"),
    ),
    key=("path",),
    shared=False,
)
RUN = Table(
    "run",
    (*_text("run_id", "path", "sha256", "lab"), *_integer("altered", "imported")),
    key=("run_id",),
)
MODEL = Table(
    "model",
    _text("model_sha256", "graph_sha256", "model", "format", "quantization", "resolution"),
    key=("model_sha256",),
    keeps=True,
)
BOARD = Table(
    "board", _text("board", "board_name", "series", "board_class"), key=("board", "board_name"), keeps=True
)
ENVIRONMENT = Table("environment", _text("env_id", "conditions"), key=("env_id",), keeps=True)
CELL = Table(
    "cell",
    _text("cell_id", *(field.name for field in fields(metric.CellKey))),
    key=("cell_id",),
    keeps=True,
)
MEASUREMENT = Table(
    "measurement",
    (
        *_integer("position"),
        *_text("env_id", "input_sha256", "options"),
        *_ROW,
        *_REASONS,
    ),
    key=("run_id", "position"),
)
RESULT = Table(
    "result",  # one row per run and cell
    (
        *_text("run_id"),
        *_integer("position"),
        *_text("cell_id", "env_id", "metric", "unit", "class", "quality"),
        *_integer("n", "starts"),
        *((name, Type.REAL) for name in ("median", "ci_low", "ci_high", "p95", "min", "max", "mad")),
        *_integer("counter_hz"),
    ),
    key=("run_id", "position", "metric"),
    indexes=(("cell_id", "run_id"),),
)
SAMPLES = Table(
    "samples",  # apart, so that a question that needs no sample does not read over all of them
    (
        *_text("run_id"),
        *_integer("position"),
        *_text("metric", "sample_type", "layout"),
        ("samples", Type.BLOB),
    ),
    key=("run_id", "position", "metric"),
)
TABLES = (DOCUMENT, RUN, MODEL, BOARD, ENVIRONMENT, CELL, MEASUREMENT, RESULT, SAMPLES)
# Rows of these belong to one run, and go with it.
OF_A_RUN = (RUN, MEASUREMENT, RESULT, SAMPLES)


@cache
def stamp() -> str:
    """What the numbers of an index depend on; an index of another stamp is rebuilt.

    The source texts of what computes them, so that no derived number outlives the code it came from.
    """
    digest = hashlib.sha256()
    own = Path(__file__).parent
    modules = (metrics, record, store, table, environment, metric)
    for path in (*(module.__file__ for module in modules), own / "schema.py", own / "entries.py"):
        digest.update(Path(path or "").read_bytes())
    return digest.hexdigest()
