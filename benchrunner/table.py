"""Records to rows, and rows to pandas: one row per measurement, nothing rounded.

The one place where cycles become milliseconds. Every column is described in docs/python-api.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from benchrunner import metrics
from benchrunner.record import (
    ClockCheck,
    CounterUnit,
    Fidelity,
    Footprint,
    Latency,
    Measurement,
    NotMeasured,
    Outcome,
    OutputCheck,
    ProcessMemory,
    Shares,
    TimingModel,
)
from benchrunner.store import StoredRun, is_ahead, load_runs

if TYPE_CHECKING:
    import pandas

_INT64 = range(-(2**63), 2**63)
_OWN_ESTIMATORS = ("median of the timed inferences", "median of the starts' medians")


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement, flat. A latency needs the outcome ok or degraded, and a unit of time."""

    run_id: str
    started_at: str
    board: str
    board_name: str
    series: str
    engine: str
    engine_version: str
    model: str
    model_sha256: str
    graph_sha256: str
    board_class: str
    format: str
    quantization: str | NotMeasured
    resolution: str
    execution_engine: str
    fidelity: str
    outcome: str
    reason: str
    step: str
    altered: bool
    clock_hz: int | NotMeasured
    starts: int | NotMeasured
    timed_runs: int | NotMeasured
    latency_estimator: str | NotMeasured
    cell_class: str | NotMeasured
    latency_median_ms: float | NotMeasured
    latency_ci_low_ms: float | NotMeasured
    latency_ci_high_ms: float | NotMeasured
    latency_p95_ms: float | NotMeasured
    latency_min_ms: float | NotMeasured
    latency_max_ms: float | NotMeasured
    latency_cold_ms: float | NotMeasured
    latency_init_ms: float | NotMeasured
    spread_percent: float | NotMeasured
    median_cycles: float | NotMeasured
    median_instructions: float | NotMeasured
    npu_percent: float | NotMeasured
    gpu_percent: float | NotMeasured
    cpu_percent: float | NotMeasured
    shares_definition: str | NotMeasured
    timing_model: str | NotMeasured
    timing_model_error_percent: float | NotMeasured
    activation_ram_bytes: int | NotMeasured
    runtime_ram_bytes: int | NotMeasured
    total_ram_bytes: int | NotMeasured
    weights_flash_bytes: int | NotMeasured
    code_flash_bytes: int | NotMeasured
    total_flash_bytes: int | NotMeasured
    stack_bytes: int | NotMeasured
    heap_bytes: int | NotMeasured
    process_peak_bytes: int | NotMeasured
    output_reference: str | NotMeasured
    output_tolerance_lsb: int | NotMeasured
    output_max_difference_lsb: int | NotMeasured
    output_differing_values: int | NotMeasured
    output_values: int | NotMeasured
    clock_deviation_ppm: int | NotMeasured
    clock_uncertainty_ppm: int | NotMeasured
    x_linux_ai_version: str | NotMeasured
    warnings: int
    image_sha256: str
    board_file_sha256: str
    place: str
    tool_version: str
    revision: str
    suite_run: str


def row_of(measurement: Measurement, *, run_id: str = "", altered: bool = False) -> Row:
    """Flatten one measurement; `run_id` and `altered` are of the document it was read from."""
    case, provenance = measurement.case, measurement.provenance
    return Row(
        run_id=run_id,
        started_at=provenance.started_at,
        board=case.board,
        board_name=case.board_name,
        series=case.series,
        engine=case.engine,
        engine_version=case.engine_version,
        model=case.model,
        model_sha256=case.model_sha256,
        graph_sha256=case.graph_sha256,
        board_class=case.board_class.value,
        format=case.format,
        quantization=case.quantization,
        resolution=case.resolution,
        execution_engine=case.execution_engine,
        fidelity=measurement.fidelity.value,
        outcome=measurement.outcome.value,
        reason=measurement.reason,
        step=measurement.step,
        altered=altered,
        clock_hz=_int64(case.clock_hz),
        **_latency_columns(measurement),
        **_shares_columns(measurement.shares),
        **_timing_model_columns(measurement.timing_model),
        **_footprint_columns(measurement.footprint),
        process_peak_bytes=_process_peak(measurement.process_memory),
        **_output_columns(measurement.output),
        **_clock_columns(measurement.clock),
        x_linux_ai_version=_condition(measurement, "x_linux_ai_version"),
        warnings=len(measurement.warnings),
        image_sha256=provenance.image_sha256,
        board_file_sha256=provenance.board_file_sha256,
        place=provenance.place,
        tool_version=provenance.tool_version,
        revision=provenance.revision,
        suite_run=provenance.suite_run,
    )


def rows_of(runs: Iterable[StoredRun]) -> list[Row]:
    """Flatten the measurements of `runs`, in their order."""
    return [
        row_of(measurement, run_id=run.document.run_id, altered=run.altered)
        for run in runs
        for measurement in run.document.measurements
    ]


def latest(rows: Sequence[Row]) -> list[Row]:
    """Keep the last row of each board x engine x model x fidelity, also where it is a failed one.

    On a Linux board one engine executes a model in several ways: `1 CPU`, `2 CPU` and `NPU/GPU` are cases of
    their own. A run from the future counts only where there is no other (`store.is_ahead`).
    """
    last: dict[tuple[str, ...], Row] = {}
    for row in rows:
        key = (row.board, row.engine, row.execution_engine, row.model, row.model_sha256, row.fidelity)
        before = last.get(key)
        if before is not None and is_ahead(row.run_id) and not is_ahead(before.run_id):
            continue
        last.pop(key, None)  # so that the order is that of the rows kept
        last[key] = row
    return list(last.values())


def load_results(
    folder: str | Path | Iterable[str | Path] = "results", *, stacklevel: int = 2
) -> pandas.DataFrame:
    """What `benchrunner.load_results` does, from the documents alone; warnings name that caller."""
    sources = [folder] if isinstance(folder, str | Path) else folder
    loaded = load_runs([Path(source) for source in sources])
    for problem in loaded.problems:
        warnings.warn(f"{problem.message} ({problem.hint})", stacklevel=stacklevel)
    return to_frame(rows_of(loaded.runs))


def to_frame(rows: Sequence[Row]) -> pandas.DataFrame:
    """Rows as a data frame: the columns of `Row`, then a `_reason` column for each that may be unknown."""
    import pandas

    hints = get_type_hints(Row)
    columns: dict[str, Any] = {}
    reasons: dict[str, Any] = {}
    for column in fields(Row):
        values = [getattr(row, column.name) for row in rows]
        known = [pandas.NA if isinstance(value, NotMeasured) else value for value in values]
        dtype: Any = _dtype(hints[column.name])
        columns[column.name] = pandas.array(known, dtype=dtype)
        if hints[column.name] not in (str, bool, int):
            reason = [value.not_measured if isinstance(value, NotMeasured) else pandas.NA for value in values]
            reasons[f"{column.name}_reason"] = pandas.array(reason, dtype="string")
    frame = pandas.DataFrame({**columns, **reasons})
    frame["started_at"] = pandas.to_datetime(frame["started_at"], utc=True, format="ISO8601", errors="coerce")
    return frame


def _dtype(hint: object) -> str:
    match hint:
        case _ if hint is bool:
            return "boolean"
        case _ if hint is int or hint == int | NotMeasured:
            return "Int64"
        case _ if hint == float | NotMeasured:
            return "Float64"
        case _:
            return "string"


def _latency_columns(measurement: Measurement) -> dict[str, Any]:
    names = ("median", "ci_low", "ci_high", "p95", "min", "max", "cold", "init")
    latency = _trusted_latency(measurement)
    if isinstance(latency, NotMeasured):
        others = (
            "starts",
            "timed_runs",
            "latency_estimator",
            "cell_class",
            "spread_percent",
            "median_cycles",
            "median_instructions",
        )
        return dict.fromkeys([f"latency_{name}_ms" for name in names] + list(others), latency)
    samples = [count for start in latency.starts for count in start.timed_counts]
    # Inferences of one start are not independent: of several starts each counts once, by its median.
    medians = [metrics.median(start.timed_counts) for start in latency.starts if start.timed_counts]
    replicates: list[int] | list[float] = medians if len(medians) > 1 else samples
    middle = metrics.median(replicates)
    low, high = metrics.median_interval(replicates) or (None, None)
    estimator = measurement.conditions.get("estimator")
    # Figures of a tool are no samples: they have no percentile, and their class says nothing of the board.
    figures = NotMeasured("the tool tells one figure for each start") if estimator else None
    values = (
        middle,
        low,
        high,
        figures or metrics.percentile_95(samples),
        figures or min(samples),
        figures or max(samples),
        _median_known([start.cold_counts for start in latency.starts]),
        _median_known([start.init_counts for start in latency.starts]),
    )
    cycles: float | NotMeasured = middle
    instructions: float | NotMeasured = NotMeasured(f"the counter counts {latency.unit.value}")
    match latency.unit:
        case CounterUnit.CYCLES:
            pass
        case CounterUnit.INSTRUCTIONS:
            instructions, cycles = cycles, NotMeasured("the emulator counts instructions, not cycles")
        case CounterUnit.NANOSECONDS:
            cycles = NotMeasured("the clock counts nanoseconds, not cycles")
    columns = {f"latency_{name}_ms": _ms(value, latency) for name, value in zip(names, values, strict=True)}
    return columns | {
        "starts": len(latency.starts),
        "timed_runs": len(samples),
        "latency_estimator": str(estimator) if estimator else _OWN_ESTIMATORS[len(medians) > 1],
        "cell_class": figures or metrics.classify(samples).value,
        "spread_percent": figures
        or (metrics.spread_percent(samples) if middle else NotMeasured("the median is 0")),
        "median_cycles": cycles,
        "median_instructions": instructions,
    }


def _median_known(counts: list[int | NotMeasured]) -> float | NotMeasured:
    """Of the starts that tell it; the first one's reason where none does."""
    known = [count for count in counts if not isinstance(count, NotMeasured)]
    return metrics.median(known) if known else counts[0]


def _trusted_latency(measurement: Measurement) -> Latency | NotMeasured:
    """The counter values, unless a check says that they mean nothing: that takes the number away."""
    if measurement.outcome not in (Outcome.OK, Outcome.DEGRADED):
        return NotMeasured(": ".join(filter(None, (measurement.outcome.value, measurement.reason))))
    match measurement.latency:
        case Latency(starts=starts) if not any(start.timed_counts for start in starts):
            return NotMeasured("no timed inference")
        case Latency(unit=CounterUnit.NANOSECONDS) if measurement.fidelity is Fidelity.EMULATED:
            # What QEMU took on this computer: the samples stay in the record, no table has them.
            return NotMeasured("the clock of an emulator tells no time of a board")
        case latency:
            return latency


def _ms(counts: float | NotMeasured | None, latency: Latency) -> float | NotMeasured:
    if isinstance(counts, NotMeasured):
        return counts
    if latency.unit is CounterUnit.INSTRUCTIONS:
        return NotMeasured("the emulator counts instructions, not time")
    if counts is None:
        return NotMeasured(
            f"an interval needs 6 {'starts' if len(latency.starts) > 1 else 'timed inferences'}"
        )
    if latency.counter_hz <= 0:
        return NotMeasured(f"the clock is said to be {latency.counter_hz} Hz")
    return metrics.cycles_to_ms(counts, latency.counter_hz)


def _shares_columns(shares: Shares | NotMeasured) -> dict[str, Any]:
    names = ("npu_percent", "gpu_percent", "cpu_percent")
    if isinstance(shares, NotMeasured):
        return dict.fromkeys((*names, "shares_definition"), shares)
    return {name: getattr(shares, name) for name in names} | {"shares_definition": shares.definition}


def _process_peak(memory: ProcessMemory | NotMeasured) -> int | NotMeasured:
    return memory if isinstance(memory, NotMeasured) else _int64(memory.peak_bytes)


def _condition(measurement: Measurement, key: str) -> str | NotMeasured:
    value = measurement.conditions.get(key)
    return NotMeasured("the board does not tell") if value is None else str(value)


def _timing_model_columns(model: TimingModel | NotMeasured) -> dict[str, Any]:
    if isinstance(model, NotMeasured):
        return {"timing_model": model, "timing_model_error_percent": model}
    return {"timing_model": model.version, "timing_model_error_percent": model.error_percent}


def _footprint_columns(footprint: Footprint) -> dict[str, Any]:
    terms = {column.name: _int64(getattr(footprint, column.name)) for column in fields(Footprint)}
    return terms | {
        "total_ram_bytes": _total(terms["activation_ram_bytes"], terms["runtime_ram_bytes"]),
        "total_flash_bytes": _total(terms["weights_flash_bytes"], terms["code_flash_bytes"]),
    }


def _total(first: int | NotMeasured, second: int | NotMeasured) -> int | NotMeasured:
    """A sum is known when both terms are; otherwise it says what is missing."""
    if isinstance(first, NotMeasured):
        if isinstance(second, NotMeasured) and first != second:
            return NotMeasured(f"{first.not_measured}; {second.not_measured}")
        return first
    return second if isinstance(second, NotMeasured) else _int64(first + second)


def _output_columns(output: OutputCheck | NotMeasured) -> dict[str, Any]:
    names = ("reference", "tolerance_lsb", "max_difference_lsb", "differing_values", "values")
    if isinstance(output, NotMeasured):
        return {f"output_{name}": output for name in names}
    return {"output_reference": output.reference} | {
        f"output_{name}": _int64(getattr(output, name)) for name in names[1:]
    }


def _clock_columns(clock: ClockCheck | NotMeasured) -> dict[str, Any]:
    if isinstance(clock, NotMeasured):
        return {"clock_deviation_ppm": clock, "clock_uncertainty_ppm": clock}
    return {
        "clock_deviation_ppm": _int64(clock.deviation_ppm),
        "clock_uncertainty_ppm": _int64(clock.uncertainty_ppm),
    }


def _int64(value: int | NotMeasured) -> int | NotMeasured:
    """A device at fault may report more than a 64-bit column holds; that is no number either."""
    if isinstance(value, NotMeasured) or value in _INT64:
        return value
    return NotMeasured(f"{value} is out of range")
