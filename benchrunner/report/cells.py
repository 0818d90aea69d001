"""Rows to the cells of the published tables: columns and number formats of the ST model zoo, plus `fidelity`.

The column names are the zoo's own, `STM32Cube.AI version` included: tables of both can be laid side by
side. That column holds the engine and its version, whatever engine it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from benchrunner.record import Fidelity, NotMeasured, Outcome
from benchrunner.table import Row

LATENCY_COLUMNS = (
    "Model",
    "Format",
    "Resolution",
    "Board",
    "Execution Engine",
    "Frequency",
    "Inference time (ms)",
    "STM32Cube.AI version",
    "fidelity",
)
FOOTPRINT_COLUMNS = (
    "Model",
    "Format",
    "Resolution",
    "Series",
    "Activation RAM",
    "Runtime RAM",
    "Weights Flash",
    "Code Flash",
    "Total RAM",
    "Total Flash",
    "STM32Cube.AI version",
    "fidelity",
)

_CENT = Decimal("0.01")


class Kind(StrEnum):
    """Which table."""

    LATENCY = "latency"  # of microcontrollers and of Linux boards, each in its own table
    FOOTPRINT = "footprint"  # of microcontrollers
    MPU = "mpu"  # Linux boards
    COMBINED = "combined"  # all boards, one definition of latency
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Table:
    """A table ready to be laid out: every cell is text of one line."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def latency_table(rows: Sequence[Row]) -> Table:
    """MCU inference time; a case without a number is a row with its reason."""
    cells = [
        (
            row.model,
            row.format.capitalize(),
            row.resolution,
            row.board_name,
            row.execution_engine,
            frequency(row.clock_hz),
            latency(row),
            engine(row),
            fidelity(row),
        )
        for row in rows
    ]
    return made_table("MCU inference time", LATENCY_COLUMNS, cells, latency_notes(rows))


def footprint_table(rows: Sequence[Row]) -> Table:
    """MCU memory footprint. A total is the sum of its two rounded terms, so that the table adds up."""
    cells = [
        (
            row.model,
            row.format.capitalize(),
            row.resolution,
            row.series,
            kibibytes(row.activation_ram_bytes),
            kibibytes(row.runtime_ram_bytes),
            kibibytes(row.weights_flash_bytes),
            kibibytes(row.code_flash_bytes),
            total(row.activation_ram_bytes, row.runtime_ram_bytes, row.total_ram_bytes),
            total(row.weights_flash_bytes, row.code_flash_bytes, row.total_flash_bytes),
            engine(row),
            fidelity(row),
        )
        for row in rows
    ]
    return made_table("MCU memory footprint", FOOTPRINT_COLUMNS, cells, altered_notes(rows))


def latency(row: Row) -> str:
    """Median with its unit; a simulated one with the error band of its timing model."""
    text = milliseconds(row.latency_median_ms, half_width(row))
    if row.outcome == Outcome.DEGRADED:
        text += f" degraded: {row.reason}"
    if isinstance(row.latency_median_ms, NotMeasured) or row.fidelity != Fidelity.SIMULATED:
        return text
    return f"{text} {error_band(row)}"


def error_band(row: Row) -> str:
    """`±14 %`, rounded up so as never to promise more than the model of time holds."""
    if isinstance(row.timing_model_error_percent, NotMeasured):
        return f"± {row.timing_model_error_percent}"
    return f"±{math.ceil(row.timing_model_error_percent)} %"


def half_width(row: Row) -> float:
    """Half of the median's interval in ms; 0 where there is none."""
    low, high = row.latency_ci_low_ms, row.latency_ci_high_ms
    if isinstance(low, NotMeasured) or isinstance(high, NotMeasured):
        return 0.0
    return (high - low) / 2


def milliseconds(value_ms: float | NotMeasured, uncertainty_ms: float = 0.0) -> str:
    return str(value_ms) if isinstance(value_ms, NotMeasured) else f"{duration(value_ms, uncertainty_ms)} ms"


def duration(value: float, uncertainty: float = 0.0) -> str:
    """Two decimals, or three significant digits where that is finer; no trailing zeros.

    No digit is finer than `uncertainty`, of which the leading digit says how fine that is.
    """
    exact = Decimal(value)
    step = _CENT if exact == 0 else min(_CENT, Decimal((0, (1,), exact.adjusted() - 2)))
    if uncertainty > 0:
        step = max(step, Decimal((0, (1,), Decimal(uncertainty).adjusted())))
    return _plain(exact.quantize(step, ROUND_HALF_UP))


def kibibytes(value_bytes: int | NotMeasured) -> str:
    if isinstance(value_bytes, NotMeasured):
        return str(value_bytes)
    return f"{_plain(_kibibytes(value_bytes))} KiB"


def total(first_bytes: int | NotMeasured, second_bytes: int | NotMeasured, sum_: int | NotMeasured) -> str:
    """Sum of the rounded terms (two decimals each, so the sum needs no rounding), or `sum_`'s reason."""
    if isinstance(first_bytes, NotMeasured) or isinstance(second_bytes, NotMeasured):
        return str(sum_)
    return f"{_plain(_kibibytes(first_bytes) + _kibibytes(second_bytes))} KiB"


def frequency(clock_hz: int | NotMeasured) -> str:
    return str(clock_hz) if isinstance(clock_hz, NotMeasured) else f"{_plain(Decimal(clock_hz) / 10**6)} MHz"


def engine(row: Row) -> str:
    return f"benchrunner {row.engine} {row.engine_version}"


def fidelity(row: Row) -> str:
    return f"{row.fidelity}, altered" if row.altered else row.fidelity


def one_line(text: str) -> str:
    """Text of a device or a file made harmless for a terminal: no line end, no escape sequence."""
    return "".join(character if character.isprintable() else _visible(character) for character in text)


def _visible(character: str) -> str:
    return " " if character.isspace() else repr(character)[1:-1]


def _kibibytes(value_bytes: int) -> Decimal:
    return (Decimal(value_bytes) / 1024).quantize(_CENT, ROUND_HALF_UP)


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def made_table(
    title: str, header: tuple[str, ...], rows: Sequence[tuple[str, ...]], notes: Sequence[str]
) -> Table:
    """A table whose every cell is one harmless line."""
    lines = tuple(tuple(one_line(cell) for cell in row) for row in rows)
    return Table(title, header, lines, tuple(one_line(note) for note in notes))


def latency_notes(rows: Sequence[Row]) -> list[str]:
    """What a reader of times has to know: altered documents, and where simulated times come from."""
    return altered_notes(rows) + [
        f"simulated times come from timing model {version}; "
        "± is its median error on models that it was not fitted on"
        for version in sorted({row.timing_model for row in rows if isinstance(row.timing_model, str)})
    ]


def altered_notes(rows: Sequence[Row]) -> list[str]:
    altered = sorted({row.run_id for row in rows if row.altered})
    return [f"altered: run {run_id} is not as it was written" for run_id in altered]
