"""The way back from a published number: which result, which samples, which image, under which conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchrunner.accuracy.document import StoredAccuracy
from benchrunner.accuracy.table import FigureRow
from benchrunner.errors import UsageError
from benchrunner.publish.accuracy_chain import AccuracyCell, accuracy_chain
from benchrunner.publish.document import publish, read_document
from benchrunner.record import CounterUnit, Measurement, NotMeasured, OutputCheck
from benchrunner.report import cells
from benchrunner.report.linux import is_figure
from benchrunner.store import StoredRun
from benchrunner.table import row_of, rows_of

_SHOWN_SAMPLES = 12


@dataclass(frozen=True, slots=True)
class Cell:
    """A measurement and the document that it stands in."""

    run: StoredRun
    index: int

    @property
    def measurement(self) -> Measurement:
        return self.run.document.measurements[self.index]


def find_cell(
    target: str, runs: Sequence[StoredRun], accuracies: Sequence[StoredAccuracy] = ()
) -> Cell | AccuracyCell:
    """What `20261121T020000Z-1f0c93ab`, the same with `#2`, or `README.md:42` means.

    Raises `UsageError` when there is no such run, measurement or published row, and as `publish`.
    """
    name, colon, line = target.rpartition(":")
    if colon and line.isdigit() and Path(name).is_file():
        return _published_cell(Path(name), int(line), runs, accuracies)
    run_id, _, number = target.partition("#")
    for run in runs:
        if run.document.run_id == run_id:
            count = len(run.document.measurements)
            if number and (not number.isdigit() or not 1 <= int(number) <= count):
                raise UsageError(f"{target}: run {run_id} has measurements #1 to #{count}")
            return Cell(run, int(number or 1) - 1)
    for stored in accuracies:
        if stored.document.run_id == run_id:
            figures = stored.document.figures
            if number and (not number.isdigit() or not 1 <= int(number) <= len(figures)):
                raise UsageError(f"{target}: accuracy {run_id} has figures #1 to #{len(figures)}")
            return AccuracyCell(stored, figures[int(number) - 1 :][:1] if number else figures)
    raise UsageError(
        f"{target}: no such run, and no line of a document with published tables",
        hint="give a run id (`benchrunner table --format csv` has them), or FILE.md:LINE of a row",
    )


def _published_cell(
    file: Path, line: int, runs: Sequence[StoredRun], accuracies: Sequence[StoredAccuracy]
) -> Cell | AccuracyCell:
    text = read_document(file)
    new, blocks = publish(file, text, rows_of(runs), accuracies)
    if new != text:
        raise UsageError(
            f"{file}: its tables are not what the records give, so its lines lead nowhere",
            hint=f"benchrunner publish {file}",
        )
    for published in blocks:
        index = line - published.first_row_line
        if 0 <= index < len(published.rows):
            row = published.rows[index]
            if row is None:
                raise UsageError(f"{file}:{line}: nothing of this row comes from a result")
            if isinstance(row, FigureRow):
                return AccuracyCell(row.stored, (row.figure,))
            for run in runs:
                if run.document.run_id != row.run_id:
                    continue
                for number, measurement in enumerate(run.document.measurements):
                    if row_of(measurement, run_id=row.run_id, altered=run.altered) == row:
                        return Cell(run, number)
    raise UsageError(f"{file}:{line}: no row of a published table", hint="name the line of a row")


def chain(cell: Cell | AccuracyCell) -> str:
    """What a published row rests on, from its cells back to the raw counts, for a person."""
    lines = accuracy_chain(cell) if isinstance(cell, AccuracyCell) else _measurement_chain(cell)
    return "\n".join(cells.one_line(line) for line in lines)


def _measurement_chain(cell: Cell) -> list[str]:
    measurement, row = cell.measurement, row_of(cell.measurement, altered=cell.run.altered)
    case, provenance = measurement.case, measurement.provenance
    state = "NOT as it was written" if cell.run.altered else "as it was written (content_sha256)"
    lines = [
        f"{case.model} {case.format} {case.resolution}  on  {case.board_name}  {cells.fidelity(row)}",
        f"  record      {cell.run.path}, measurement {cell.index + 1}: {state}",
        f"  outcome     {measurement.outcome}{': ' + measurement.reason if measurement.reason else ''}",
        *_latency_lines(measurement),
        f"  output      {_output(measurement.output)}",
        f"  clock       {_clock(measurement)}",
        f"  model       {case.model_sha256}",
        f"  input       {case.input_sha256}",
        f"  image       {provenance.image_sha256 or 'none: the model file was executed'}",
        f"  engine      {case.engine} {case.engine_version}, {case.execution_engine}",
        f"  place       {provenance.place or '-'} at {provenance.port}",
        f"  taken       {provenance.started_at} by benchrunner {provenance.tool_version} "
        f"{provenance.revision} on {provenance.host}",
        f"  command     {' '.join(provenance.command)}",
    ]
    after = measurement.conditions_after
    for key, value in measurement.conditions.items():
        moved = f", at the end {after[key]}" if key in after and after[key] != value else ""
        lines.append(f"  condition   {key} = {value}{moved}")
    lines += [f"  warning     {warning}" for warning in measurement.warnings]
    for name, text in measurement.logs.items():
        lines.append(f"  log         {name}: {len(text)} characters")
        lines += [f"    | {line}" for line in text.splitlines()]
    return lines


def _latency_lines(measurement: Measurement) -> list[str]:
    row, latency = row_of(measurement), measurement.latency
    if isinstance(latency, NotMeasured):
        return [f"  latency     {latency}"]
    rounded = cells.latency(row)
    starts = len(latency.starts)
    of = "the starts' medians" if starts > 1 else "the samples"
    lines = [f"  latency     {rounded}: median of {of}, {row.cell_class}, p95 and interval from the same"]
    if is_figure(row):
        lines = [f"  latency     {rounded}: median of {starts} figures; {row.latency_estimator}"]
    if latency.unit is not CounterUnit.INSTRUCTIONS:
        lines.append(f"  unrounded   {row.latency_median_ms} ms = counts / {latency.counter_hz} Hz")
    lines.append(
        f"  overhead    {latency.overhead_counts} {latency.unit} for an empty call, "
        f"{'subtracted' if latency.overhead_subtracted else 'not subtracted'}"
    )
    for number, start in enumerate(latency.starts, start=1):
        lines.append(
            f"  start {number:<5} first {start.cold_counts}, warm-up {_samples(start.warmup_counts)}, "
            f"timed {_samples(start.timed_counts)} {latency.unit}"
        )
    return lines


def _samples(counts: tuple[int, ...]) -> str:
    shown = " ".join(map(str, counts[:_SHOWN_SAMPLES]))
    more = len(counts) - _SHOWN_SAMPLES
    return f"[{shown}{f' and {more} more' if more > 0 else ''}]"


def _output(output: OutputCheck | NotMeasured) -> str:
    if isinstance(output, NotMeasured):
        return str(output)
    return (
        f"{output.differing_values} of {output.values} values differ from {output.reference}, by up to "
        f"{output.max_difference_lsb} LSB (allowed {output.tolerance_lsb})"
    )


def _clock(measurement: Measurement) -> str:
    clock = measurement.clock
    if isinstance(clock, NotMeasured):
        return str(clock)
    return (
        f"{clock.measured_hz} Hz by the host's clock over {clock.host_ns / 1e9:.3f} s, {clock.nominal_hz} Hz "
        f"nominal: {clock.deviation_ppm} ppm (limit {clock.limit_ppm}, uncertainty {clock.uncertainty_ppm})"
    )
