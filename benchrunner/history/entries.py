"""A document to the rows of the index: all derived numbers are computed here, once, on import."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import fields

from benchrunner import metrics
from benchrunner.history import schema
from benchrunner.history.environment import environment, environment_id
from benchrunner.history.metric import CellKey, Sampled, cell_key, metrics_of
from benchrunner.record import Measurement, NotMeasured
from benchrunner.store import StoredRun
from benchrunner.table import Row, row_of

Value = str | int | float | bytes | None
Rows = dict[str, list[tuple[Value, ...]]]  # table -> its rows, in the order of its columns

_ROW_NAMES = tuple(field.name for field in fields(Row))
_KEY_NAMES = tuple(field.name for field in fields(CellKey))
SINGLE = "single"
_INT64 = range(-(2**63), 2**63)


def entries(run: StoredRun, *, path: str, sha256: str, lab: str, imported: int) -> Rows:
    """All rows of one document but that of the document itself."""
    run_id = run.document.run_id
    rows = no_rows()
    rows["run"].append((run_id, path, sha256, lab, int(run.altered), imported))
    for position, measurement in enumerate(run.document.measurements):
        _add(rows, run, position, measurement)
    return rows


def no_rows() -> Rows:
    return {table.name: [] for table in schema.TABLES if table is not schema.DOCUMENT}


def _add(rows: Rows, run: StoredRun, position: int, measurement: Measurement) -> None:
    case, run_id = measurement.case, run.document.run_id
    row = row_of(measurement, run_id=run_id, altered=run.altered)
    conditions = environment(measurement)
    env_id = environment_id(conditions)
    quantization = case.quantization
    rows["model"].append(
        (
            case.model_sha256,
            case.graph_sha256,
            case.model,
            case.format,
            None if isinstance(quantization, NotMeasured) else quantization,
            case.resolution,
        )
    )
    rows["board"].append((case.board, case.board_name, case.series, case.board_class.value))
    rows["environment"].append((env_id, json.dumps(conditions, sort_keys=True)))
    values = [getattr(row, name) for name in _ROW_NAMES]
    rows["measurement"].append(
        (
            position,
            env_id,
            case.input_sha256,
            json.dumps(case.options, sort_keys=True),
            *(None if isinstance(value, NotMeasured) else _plain(value) for value in values),
            *(_reason(getattr(row, name)) for name in schema.reason_columns()),
        )
    )
    quality = "altered" if run.altered else measurement.outcome.value
    for sampled in metrics_of(measurement):
        key = cell_key(case, measurement.fidelity, sampled)
        add_result(rows, run_id, position, key, sampled, env_id, quality)


def add_result(
    rows: Rows, run_id: str, position: int, key: CellKey, sampled: Sampled, env_id: str, quality: str
) -> None:
    """One metric of one measurement: its cell, its derived numbers, its samples."""
    cell_id = key.cell_id
    rows["cell"].append((cell_id, *(getattr(key, name) for name in _KEY_NAMES)))
    *numbers, kind, layout, packed = _result(sampled, quality)
    rows["result"].append((run_id, position, cell_id, env_id, *numbers))
    rows["samples"].append((run_id, position, sampled.metric.name, kind, layout, packed))


def _result(sampled: Sampled, quality: str) -> tuple[Value, ...]:
    samples = [sample for _, start in sampled.starts for sample in start]
    middles = [metrics.median(start) for _, start in sampled.starts]
    # As in the table of results: of several starts each counts once, by its median.
    replicates = middles if len(middles) > 1 else samples
    middle = metrics.median(replicates)
    low, high = metrics.median_interval(replicates) or (None, None)
    deviation = metrics.median([abs(sample - middle) for sample in replicates])
    kind, packed = pack(samples)
    return (
        sampled.metric.name,
        sampled.unit,
        _class(sampled, samples),
        quality,
        len(samples),
        len(sampled.starts),
        sampled.value(middle),
        None if low is None else sampled.value(low),
        None if high is None else sampled.value(high),
        sampled.value(metrics.percentile_95(samples)),
        sampled.value(min(samples)),
        sampled.value(max(samples)),
        sampled.value(deviation),
        sampled.counter_hz,
        kind,
        json.dumps([[len(start), index] for index, start in sampled.starts], separators=(",", ":")),
        packed,
    )


def _class(sampled: Sampled, samples: Sequence[float]) -> str:
    """Class by the samples; one sample of what can vary has no spread to be judged by."""
    if len(samples) == 1 and not sampled.metric.static:
        return SINGLE
    return metrics.classify(samples).value


def pack(samples: Sequence[float]) -> tuple[str, bytes]:
    """Samples as little-endian 64-bit integers, or as floating point where one is no such integer."""
    if all(isinstance(sample, int) and sample in _INT64 for sample in samples):
        return "i8", struct.pack(f"<{len(samples)}q", *samples)
    return "f8", struct.pack(f"<{len(samples)}d", *samples)


def unpack(kind: str, packed: bytes) -> tuple[int, ...] | tuple[float, ...]:
    """What `pack` packed."""
    return struct.unpack(f"<{len(packed) // 8}{'q' if kind == 'i8' else 'd'}", packed)


def _plain(value: object) -> Value:
    match value:
        case bool():
            return int(value)
        case str():
            # A document may name a file in bytes that are no text; no database keeps lone surrogates.
            return value.encode("utf-8", "replace").decode()
        case int() | float():
            return value
        case _:
            raise TypeError(f"a row holds {type(value).__name__}")


def _reason(value: object) -> str | None:
    return str(_plain(value.not_measured)) if isinstance(value, NotMeasured) else None
