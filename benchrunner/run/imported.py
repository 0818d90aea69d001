"""Records of a result table that the board's own `x-linux-ai-benchmark` printed, elsewhere and before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchrunner.board import Board
from benchrunner.errors import ModelError, UsageError
from benchrunner.model import Model, load_model
from benchrunner.protocol.linux_tools import (
    UnifiedReport,
    UnifiedRow,
    decode,
    fall_back_text,
    parse_unified,
    parse_unified_json,
)
from benchrunner.record import (
    BoardClass,
    Case,
    CounterUnit,
    Fidelity,
    Footprint,
    Latency,
    Measurement,
    NotMeasured,
    Outcome,
    ProcessMemory,
    Shares,
    Start,
)
from benchrunner.run.prepare import quantization, weight_format
from benchrunner.run.provenance import provenance
from benchrunner.run.request import RunRequest

TOOL = "x-linux-ai-benchmark"
SHARES_OF_TABLE = f"as {TOOL} prints them: share of the layers' time in a profiled run of its own (inferred)"
_MAX_FILE_BYTES = 4 << 20
_MAX_LOG_CHARACTERS = 64 << 10
_RUNS = 10  # the program's own habit
_ENGINES = {"tflite": "benchmark-model", "nbg": "nbg", "onnxruntime": "onnxruntime"}
_SUFFIXES = {"tflite": ".tflite", "nbg": ".nb", "onnxruntime": ".onnx"}
# TensorFlow Lite and ONNX Runtime of the releases (recipes of meta-st-x-linux-ai).
_RUNTIMES = {
    "5": {"tflite": "2.11.0", "onnxruntime": "1.14.0"},
    "6.0": {"tflite": "2.16.2", "onnxruntime": "1.19.2"},
    "6.1": {"tflite": "2.18.0", "onnxruntime": "1.19.2"},
}
_XNNPACK_OFF_SINCE = (6, 1, 1)
_FREQUENCY = re.compile(r"^(\d{1,12}(?:\.\d{1,6})?)\s*(Hz|kHz|MHz|GHz)$", re.IGNORECASE)
_HZ = {"hz": 1, "khz": 10**3, "mhz": 10**6, "ghz": 10**9}
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """A table, and what it does not say itself."""

    file: Path
    board: Board
    board_file_sha256: str
    fidelity: Fidelity  # the table of a simulated board looks the same as a real one's
    models: Path | None = None  # folder with the models, by the names of the table
    command: tuple[str, ...] = ()


def import_unified(request: ImportRequest) -> list[Measurement]:
    """A record for each row of the table, which is kept as it is in each.

    Raises `UsageError` for a board of another kind or name, `ToolOutputError` for a file without such a
    table.
    """
    if request.board.linux is None:
        raise UsageError(
            f"board {request.board.id} runs no Linux, and so no {TOOL}",
            hint="benchrunner boards lists the boards by kind",
        )
    text = _read(request.file)
    report = parse_unified_json(text) if text.lstrip()[:1] in "{[" else parse_unified(text)
    _check_machine(request, report)
    return [_measurement(request, report, row, text) for row in report.rows]


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror or error}") from error
    if len(data) > _MAX_FILE_BYTES:
        raise UsageError(f"{file}: larger than {_MAX_FILE_BYTES >> 20} MiB, which no table of {TOOL} is")
    return decode(data)


def _check_machine(request: ImportRequest, report: UnifiedReport) -> None:
    """The table names the board that printed it, in the words of its device tree."""
    assert request.board.linux is not None
    machine = _said(report.machine, "machine")
    known = [text for text in request.board.linux.device_tree if "," not in text.partition(" ")[0]]
    if machine and known and not any(_same(machine, text) for text in known):
        raise UsageError(
            f"{request.file}: the table is of {machine!r}, board {request.board.id} is {known[0]!r}",
            hint="name the board that printed the table with --board",
        )


def _measurement(request: ImportRequest, report: UnifiedReport, row: UnifiedRow, text: str) -> Measurement:
    absent = NotMeasured(f"imported from a table of {TOOL}, which does not tell")
    model, warnings = _model(request, row)
    accelerated = bool(row.npu_percent or row.gpu_percent)
    fell_back = _fell_back(row, text)
    version = _said(report.machine, "xlinuxaiversion")
    started = datetime.now(UTC)
    latency = Latency(
        unit=CounterUnit.NANOSECONDS,
        counter_hz=10**9,
        starts=(Start(absent, absent, (), (row.latency_ns,), ()),),
        overhead_counts=0,
        overhead_subtracted=False,
    )
    return Measurement(
        case=_case(request, report, row, model, accelerated=accelerated, version=version),
        fidelity=request.fidelity,
        outcome=Outcome.FAILED if fell_back else Outcome.OK,
        reason=f"{TOOL} tried the model again on the CPU: {fell_back}" if fell_back else "",
        step="import",
        latency=latency,
        layers=absent,
        footprint=Footprint(*(NotMeasured("a Linux board has no footprint in flash"),) * 6),
        process_memory=absent
        if row.peak_bytes is None
        else ProcessMemory(absent, absent, row.peak_bytes, f"Peak RAM of {TOOL}"),
        shares=_shares(row),
        output=NotMeasured(f"imported from a table of {TOOL}: no output was there to check"),
        clock=absent,
        flashing=NotMeasured("a Linux board is not flashed"),
        timing_model=NotMeasured("time is not modelled"),
        conditions=_conditions(request, report, row, accelerated=accelerated, version=version),
        conditions_after={},
        steps_ns={},
        provenance=provenance(
            RunRequest(
                board=request.board,
                board_file_sha256=request.board_file_sha256,
                model=request.file,
                command=request.command,
            ),
            started_at=started,
            duration_ns=0,
            place="imported",
            port=request.file.name,
            image_sha256="",
        ),
        warnings=(*warnings, *report.warnings),
        logs={TOOL: text[:_MAX_LOG_CHARACTERS]},
    )


def _conditions(
    request: ImportRequest, report: UnifiedReport, row: UnifiedRow, *, accelerated: bool, version: str
) -> dict[str, str | int | bool]:
    conditions: dict[str, str | int | bool] = {
        "estimator": f"imported from {TOOL}: {row.estimator}",
        "imported_from": request.file.name,
        **{f"table.{key.strip()}": value for key, value in report.machine.items()},
    }
    if version:
        conditions["x_linux_ai_version"] = version
        if row.runtime == "tflite" and not accelerated:
            conditions["xnnpack_default"] = _numbers(version) < _XNNPACK_OFF_SINCE
    return conditions


def _case(
    request: ImportRequest,
    report: UnifiedReport,
    row: UnifiedRow,
    model: Model | None,
    *,
    accelerated: bool,
    version: str,
) -> Case:
    board = request.board
    cores = _said(report.machine, "cpucores")
    clock = _frequency(_said(report.machine, "gpunpuclockfrequency" if accelerated else "cpuclockfrequency"))
    shape = model.graph.tensors[model.graph.inputs[0]].shape if model and model.graph.inputs else ()
    return Case(
        board=board.id,
        board_class=BoardClass.LINUX,
        board_name=board.name,
        series=board.series,
        engine=_ENGINES[row.runtime],
        engine_version=_runtime_version(row.runtime, version),
        model=model.name if model else row.model,
        model_sha256=model.sha256 if model else "",
        graph_sha256=model.graph_sha256 if model else "",
        format=weight_format(model) if model else _UNKNOWN,
        quantization=quantization(model) if model else NotMeasured("the model was not given"),
        resolution="x".join(str(size) for size in shape[1:]) or _UNKNOWN,
        execution_engine="NPU/GPU" if accelerated else f"{cores or '?'} CPU",
        clock_hz=clock,
        starts=1,
        timed_runs=_RUNS,
        input_sha256="",
    )


def _model(request: ImportRequest, row: UnifiedRow) -> tuple[Model | None, list[str]]:
    """The `.tflite` that the row's name means: with it a record says what exactly was executed."""
    if request.models is None:
        return None, ["the table tells the model's name only: which file it was is not known (--models)"]
    name = row.model.rsplit("/", 1)[-1].removesuffix(_SUFFIXES[row.runtime]).removesuffix(".tflite")
    file = request.models / f"{name}.tflite"
    if not file.is_file():
        return None, [f"{file.name} is not in {request.models}: which file was executed is not known"]
    try:
        return load_model(file), []
    except ModelError as error:
        return None, [error.message]


def _fell_back(row: UnifiedRow, text: str) -> str:
    """The program's words, where this row's time may be the CPU's instead of the delegate's.

    It does not say of which model: every row of that runtime that the CPU did is in doubt.
    """
    said = fall_back_text(text)
    runtime = "onnxruntime" if "VSINPU" in said else "tflite"
    on_cpu = not row.npu_percent and not row.gpu_percent
    return said if said and row.runtime == runtime and on_cpu else ""


def _shares(row: UnifiedRow) -> Shares | NotMeasured:
    if row.npu_percent is None and row.gpu_percent is None and row.cpu_percent is None:
        return NotMeasured("the table has no shares for this row")
    unused = NotMeasured("no accelerator was used")
    return Shares(
        npu_percent=unused if row.npu_percent is None else row.npu_percent,
        gpu_percent=unused if row.gpu_percent is None else row.gpu_percent,
        cpu_percent=NotMeasured("the table does not tell") if row.cpu_percent is None else row.cpu_percent,
        definition=SHARES_OF_TABLE,
    )


def _said(machine: Mapping[str, str], key: str) -> str:
    """What the table says under a title, whatever its blanks, case and punctuation."""
    for title, value in machine.items():
        if "".join(character for character in title.lower() if character.isalnum()) == key:
            return value.strip()
    return ""


def _same(said: str, known: str) -> bool:
    return known.casefold() in said.casefold() or said.casefold() in known.casefold()


def _frequency(text: str) -> int | NotMeasured:
    match = _FREQUENCY.match(text)
    if match is None:
        return NotMeasured(f"the table says {text!r}" if text else "the table does not tell")
    return round(float(match[1]) * _HZ[match[2].lower()])


def _runtime_version(runtime: str, release: str) -> str:
    major = release.removeprefix("v")
    for prefix, versions in _RUNTIMES.items():
        if major == prefix or major.startswith(f"{prefix}."):
            return versions.get(runtime, _UNKNOWN)
    return _UNKNOWN


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
