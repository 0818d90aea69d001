"""What a person sees at the end of a run: a few lines per case, and the tables. Quick: without pandas."""

from __future__ import annotations

from collections.abc import Sequence

from benchrunner.record import BoardClass, Measurement, NotMeasured, OutputCheck, TimingModel
from benchrunner.report import cells, linux, linux_summary, text
from benchrunner.report.remarks import remarks
from benchrunner.report.tables import tables
from benchrunner.table import Row, row_of

# A first inference slower than this is worth a line: caches and flash accelerator were cold.
_COLD_RATIO = 1.1


def run_summary(measurement: Measurement) -> str:
    """What and where, the result, memory, the output's check, and `!` for what to know."""
    row = row_of(measurement)
    case = measurement.case
    lines = [
        f"{case.model} {case.format}  on  {case.board_name} ({_clock(row)})  {cells.fidelity(row)}",
        f"  latency  {_latency(row)}",
        *(
            linux_summary.details(measurement, row)
            if case.board_class is BoardClass.LINUX
            else _footprint(row)
        ),
        f"  output   {_output(measurement.output)}",
    ]
    timed = not isinstance(row.latency_median_ms, NotMeasured)
    if timed and isinstance(measurement.timing_model, TimingModel):
        lines.insert(2, f"  model    {measurement.timing_model.basis}")
    lines += [f"  ! {warning}" for warning in (*_remarks(row), *remarks(measurement), *measurement.warnings)]
    return "\n".join(cells.one_line(line) for line in lines)


def _footprint(row: Row) -> list[str]:
    return [
        f"  RAM      {_sum(('activations', row.activation_ram_bytes), ('runtime', row.runtime_ram_bytes))}",
        f"  flash    {_sum(('weights', row.weights_flash_bytes), ('code', row.code_flash_bytes))}",
    ]


def format_tables(measurements: Sequence[Measurement], width: int | None = None) -> str:
    """The latency and the footprint table of `measurements`, for a terminal of `width` characters."""
    rows = [row_of(measurement) for measurement in measurements]
    return "\n".join(text.layout(table, width) for table in tables(rows, cells.Kind.ALL))


def _clock(row: Row) -> str:
    text = f"clock {row.clock_hz}" if isinstance(row.clock_hz, NotMeasured) else cells.frequency(row.clock_hz)
    return f"{row.execution_engine}, {text}" if row.board_class == BoardClass.LINUX else text


def _sum(*parts: tuple[str, int | NotMeasured]) -> str:
    """`128.32 KiB weights + 58.66 KiB code = 186.98 KiB`; without the sum where a part is not known."""
    known = [value for _, value in parts if not isinstance(value, NotMeasured)]
    shown = " + ".join(
        f"{cells.kibibytes(value)} {name}" for name, value in parts if not isinstance(value, NotMeasured)
    )
    missing = [f"{name} {value}" for name, value in parts if isinstance(value, NotMeasured)]
    if not missing:
        return f"{shown} = {cells.total(known[0], known[1], sum(known))}"
    return "; ".join(filter(None, (shown, *missing)))


def _latency(row: Row) -> str:
    if isinstance(row.latency_median_ms, NotMeasured):
        if isinstance(row.median_instructions, NotMeasured):
            return str(row.latency_median_ms)
        return f"{row.latency_median_ms}; {row.median_instructions:,.0f} instructions"
    parts = [f"{cells.latency(row)} {_interval(row)}"]
    if linux.is_figure(row):
        parts.append(f"{linux.replicates(row)}: {row.latency_estimator}")
    else:
        parts += [f"p95 {_bare(row.latency_p95_ms)}", f"min {_bare(row.latency_min_ms)}"]
        parts.append(f"{_replicates(row)} {row.cell_class}")
    parts.append(f"cold {cells.milliseconds(row.latency_cold_ms)}")
    if row.board_class == BoardClass.LINUX:
        parts.append(f"init {cells.milliseconds(row.latency_init_ms)}")
    return "  ".join(parts)


def _replicates(row: Row) -> str:
    return f"n={row.timed_runs}" if row.starts == 1 else linux.replicates(row)


def _interval(row: Row) -> str:
    if isinstance(row.latency_ci_low_ms, NotMeasured):
        return "CI n/a (n<6)"
    return f"[{_bare(row.latency_ci_low_ms)} .. {_bare(row.latency_ci_high_ms)}]"


def _bare(value_ms: float | NotMeasured) -> str:
    return str(value_ms) if isinstance(value_ms, NotMeasured) else cells.duration(value_ms)


def _output(output: OutputCheck | NotMeasured) -> str:
    if isinstance(output, NotMeasured):
        return str(output)
    if output.differing_values == 0:
        return f"bit-exact with {output.reference}, {output.values} values"
    return (
        f"{output.differing_values} of {output.values} values differ from {output.reference}"
        f" by up to {output.max_difference_lsb} LSB (tolerance {output.tolerance_lsb} LSB)"
    )


def _remarks(row: Row) -> list[str]:
    match row.latency_cold_ms, row.latency_median_ms:
        case float() as cold, float() as warm if warm and cold >= _COLD_RATIO * warm:
            return [f"first inference {cold / warm:.1f}x slower (cold), reported apart"]
        case _:
            return []
