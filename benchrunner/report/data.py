"""Rows for other programs, CSV and JSON: the columns of `Row`, nothing rounded.

A value that is not known is `not measured: <reason>` in CSV and `{"not_measured": "<reason>"}` in JSON.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any, assert_never

from benchrunner.report.cells import Kind
from benchrunner.report.tables import rows_of_kind
from benchrunner.table import Row

_FOOTPRINT_SUFFIX = "_bytes"
_PROCESS_PEAK = "process_peak_bytes"  # of a Linux board, and so beside its times
_LATENCY_PREFIXES = (
    "clock_",
    "starts",
    "timed_runs",
    "cell_class",
    "latency_",
    "spread_",
    "median_",
    "timing_model",
)


def columns(kind: Kind) -> list[str]:
    """Names of the columns that a kind of table has: one leaves out what only the other is about."""
    names = [column.name for column in fields(Row)]
    match kind:
        case Kind.LATENCY | Kind.MPU | Kind.COMBINED:
            return [name for name in names if not name.endswith(_FOOTPRINT_SUFFIX) or name == _PROCESS_PEAK]
        case Kind.FOOTPRINT:
            return [
                name for name in names if not name.startswith(_LATENCY_PREFIXES) and name != _PROCESS_PEAK
            ]
        case Kind.ALL:
            return names
        case _:
            assert_never(kind)


def csv_text(rows: Sequence[Row], kind: Kind) -> str:
    """Comma-separated values with a header line (RFC 4180, lines end in `\\n`)."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = columns(kind)
    writer.writerow(names)
    writer.writerows([getattr(row, name) for name in names] for row in rows_of_kind(rows, kind))
    return stream.getvalue()


def json_text(rows: Sequence[Row], kind: Kind) -> str:
    """A list of objects, one per row."""
    objects: list[dict[str, Any]] = []
    for row in rows_of_kind(rows, kind):
        values = asdict(row)
        objects.append({name: values[name] for name in columns(kind)})
    return json.dumps(objects, indent=1, ensure_ascii=False) + "\n"
