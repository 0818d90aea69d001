"""Tables of Linux boards: the MPU table of the ST model zoo, and the one view with microcontrollers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchrunner.record import Fidelity, NotMeasured, Outcome
from benchrunner.report import cells
from benchrunner.report.cells import Table, made_table
from benchrunner.table import Row

MPU_COLUMNS = (
    "Model",
    "Format",
    "Resolution",
    "Quantization",
    "Board",
    "Execution Engine",
    "Frequency",
    "Inference time (ms)",
    "%NPU",
    "%GPU",
    "%CPU",
    "X-LINUX-AI version",
    "Framework",
    "fidelity",
)
COMBINED_COLUMNS = (
    "Board",
    "Engine",
    "Execution Engine",
    "Model",
    "Latency",
    "95 % interval",
    "p95",
    "n",
    "fidelity",
    "outcome",
)

_ACCELERATED = "NPU"
# Words of the published tables for what a runtime calls itself.
_FRAMEWORKS = {
    "tflite_runtime": "TensorFlowLite",
    "tensorflow": "TensorFlowLite",
    "tensorflow.lite": "TensorFlowLite",
    "ai_edge_litert": "LiteRT",
    "litert": "LiteRT",
    "onnxruntime": "ONNX Runtime",
    "openvx": "OpenVX",
}
_OF_ENGINE = {
    "tflite": "TensorFlowLite",
    "benchmark-model": "TensorFlowLite",
    "onnxruntime": "ONNX Runtime",
    "nbg": "OpenVX",
}
_NAMED_VERSION = re.compile(r"^(\S+) (\S+)$")
_PER_CHANNEL_NOTE = (
    "** on the MP2's NPU: per-channel weights run mostly on its GPU, per-tensor ones on the NPU"
)


def mpu_table(rows: Sequence[Row]) -> Table:
    """MPU inference time; a case without a number is a row with its reason."""
    made = [
        (
            row.model,
            row.format.capitalize(),
            row.resolution,
            quantization(row),
            row.board_name,
            row.execution_engine,
            cells.frequency(row.clock_hz),
            mpu_latency(row),
            accelerator_share(row, row.npu_percent),
            accelerator_share(row, row.gpu_percent),
            processor_share(row.cpu_percent),
            str(row.x_linux_ai_version),
            framework(row),
            cells.fidelity(row),
        )
        for row in rows
    ]
    notes = [_PER_CHANNEL_NOTE] if any(quantization(row).endswith("**") for row in rows) else []
    definitions = {str(row.shares_definition) for row in rows if has_shares(row)}
    notes += [f"%NPU, %GPU, %CPU: {definition}" for definition in sorted(definitions)]
    return made_table(
        "MPU inference time", MPU_COLUMNS, made, notes + estimator_notes(rows) + cells.latency_notes(rows)
    )


def combined_table(rows: Sequence[Row]) -> Table:
    """All boards, one definition: the median of warm inferences, of several starts the median of medians."""
    made = [
        (
            row.board_name,
            f"{row.engine} {row.engine_version}",
            row.execution_engine,
            row.model,
            cells.milliseconds(row.latency_median_ms, cells.half_width(row)) + _mark(row) + _band(row),
            _interval(row),
            cells.milliseconds(row.latency_p95_ms),
            replicates(row),
            cells.fidelity(row),
            row.outcome if row.outcome == Outcome.OK else f"{row.outcome}: {row.reason}",
        )
        for row in rows
    ]
    notes = [
        "Latency: median of warm inferences; where there are several starts, the median of their medians"
    ]
    return made_table(
        "Latency of all boards",
        COMBINED_COLUMNS,
        made,
        notes + estimator_notes(rows) + cells.latency_notes(rows),
    )


def mpu_latency(row: Row) -> str:
    """Two decimals with their zeros, as published (`6.60 ms`), or as few as the interval allows."""
    median_ms, width = row.latency_median_ms, cells.half_width(row)
    text = cells.milliseconds(median_ms, width)
    if isinstance(median_ms, NotMeasured):
        return text
    if median_ms >= 1 and width < 0.1:
        text = f"{median_ms:.2f} ms"
    if row.outcome == Outcome.DEGRADED:
        text += f" degraded: {row.reason}"
    return text + _mark(row) + _band(row)


def quantization(row: Row) -> str:
    """With the two asterisks of the published tables where an NPU that wants per-tensor weights ran it."""
    text = str(row.quantization)
    marked = text == "per-channel" and row.execution_engine.startswith(_ACCELERATED)
    return f"{text}**" if marked else text


def accelerator_share(row: Row, percent: float | NotMeasured) -> str:
    """`12.28`; `NA` where the CPU did it all; the reason where an accelerator's share is not known."""
    if isinstance(percent, NotMeasured):
        return str(percent) if row.execution_engine.startswith(_ACCELERATED) else "NA"
    return f"{percent:.2f}"


def processor_share(percent: float | NotMeasured) -> str:
    if isinstance(percent, NotMeasured):
        return str(percent)
    return f"{percent:.2f}".removesuffix(".00")


def framework(row: Row) -> str:
    """`OpenVX`, `TensorFlowLite 2.18.0`: what executed the model, in the words of the published tables."""
    named = _NAMED_VERSION.match(row.engine_version)
    known = named and _FRAMEWORKS.get(named[1].lower().replace("-", "_"))
    if named and known:
        return f"{known} {named[2]}"
    name = _OF_ENGINE.get(row.engine, row.engine)
    return name if row.engine == "nbg" else f"{name} {row.engine_version}".rstrip()


def replicates(row: Row) -> str:
    """`5x50`, `10`; `5 starts` where a tool told one figure for each."""
    if isinstance(row.starts, NotMeasured) or isinstance(row.timed_runs, NotMeasured):
        return "0"
    if is_figure(row):
        return f"{row.starts} start{'' if row.starts == 1 else 's'}"
    each = row.timed_runs / row.starts if row.starts else 0
    return str(row.timed_runs) if row.starts == 1 else f"{row.starts}x{each:g}"


def is_figure(row: Row) -> bool:
    """Whether a tool told one figure for each start, so that there are no samples."""
    return not isinstance(row.latency_median_ms, NotMeasured) and isinstance(row.cell_class, NotMeasured)


def estimator_notes(rows: Sequence[Row]) -> list[str]:
    """How the figures of tools came about: they are not what our own times are."""
    found = {(row.engine, row.latency_estimator) for row in rows if is_figure(row)}
    return [f"* {engine}: {estimator}" for engine, estimator in sorted(found, key=str)]


def _mark(row: Row) -> str:
    return " *" if is_figure(row) else ""


def _band(row: Row) -> str:
    simulated = row.fidelity == Fidelity.SIMULATED and not isinstance(row.latency_median_ms, NotMeasured)
    return f" {cells.error_band(row)}" if simulated else ""


def _interval(row: Row) -> str:
    low, high = row.latency_ci_low_ms, row.latency_ci_high_ms
    if isinstance(low, NotMeasured) or isinstance(high, NotMeasured):
        return "n/a (n<6)" if not isinstance(row.latency_median_ms, NotMeasured) else "n/a"
    return f"{cells.duration(low)} .. {cells.duration(high)} ms"


def has_shares(row: Row) -> bool:
    """Whether any part of the work is known to be an accelerator's."""
    return not isinstance(row.npu_percent, NotMeasured) or not isinstance(row.gpu_percent, NotMeasured)
