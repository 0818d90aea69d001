"""Output of ST's `x-linux-ai-benchmark`, for import: its tables, its JSON as far as can be known."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchrunner.errors import ToolOutputError
from benchrunner.protocol.linux_tools.text import fall_back_text, last_words, number, plain, scaled

_BARS = re.compile(r"[║│┃|]")
_VERSION = re.compile(r"X-LINUX-AI version:\s*(v?\d[\w.\-]{0,30})", re.IGNORECASE)
# The estimators differ: what one table calls inference time is three things.
_ESTIMATORS = {
    "nbg": "mean of ten runs, the cold first one included (nbg_benchmark)",
    "tflite": "mean after a warm-up (benchmark_model)",
    "onnxruntime": "mean of ten runs, without the first (onnxruntime_perf_test)",
}
_MEBIBYTE = 1 << 20
_MAX_DEPTH = 12


@dataclass(frozen=True, slots=True)
class UnifiedRow:
    """One model of one table; None where the cell says NA or is not there."""

    runtime: str  # key of the estimators: "nbg", "tflite", "onnxruntime"
    model: str
    latency_ns: int
    cpu_percent: float | None
    gpu_percent: float | None
    npu_percent: float | None
    peak_bytes: int | None

    @property
    def estimator(self) -> str:
        return _ESTIMATORS[self.runtime]


@dataclass(frozen=True, slots=True)
class UnifiedReport:
    """Everything that one run of the program printed."""

    machine: Mapping[str, str]  # by the table's own words: "Machine", "CPU cores", "X-LINUX-AI Version" ...
    rows: tuple[UnifiedRow, ...]
    warnings: tuple[str, ...] = field(default=())  # models that it calls not optimal, or retried on the CPU


def parse_x_linux_ai_version(text: str) -> str:
    """`v6.1.1` of `x-linux-ai -v`; raises `ToolOutputError` if it says nothing of the kind."""
    if match := _VERSION.search(plain(text)):
        return match[1]
    raise ToolOutputError(f"x-linux-ai -v printed no version; it ended with: {last_words(text) or 'nothing'}")


def parse_unified(text: str) -> UnifiedReport:
    """The tables that the program prints; raises `ToolOutputError` if none of them has a model."""
    runtime, header = "", list[str]()
    machine: dict[str, str] = {}
    rows: list[UnifiedRow] = []
    warnings: list[str] = []
    for line in plain(text).split("\n"):
        cells = [cell.strip() for cell in _BARS.split(line.strip())]
        inner = cells[1:-1] if len(cells) > 2 else []
        title = _runtime(line)
        if "models benchmark" in line.lower() and title:
            runtime, header = title, []
        elif len(inner) > 2 and "modelname" in (names := [_key(cell) for cell in inner]):
            header = names
        elif header and len(inner) == len(header) and runtime:
            if any(inner):
                rows.append(_row(runtime, dict(zip(header, inner, strict=True))))
        elif len(inner) == 2 and inner[0]:
            machine[inner[0]] = inner[1]
        elif "GPU usage is" in line or "failed model" in line:
            warnings.append(" ".join(cell for cell in cells if cell)[:300])
    if fall_back := fall_back_text(text):
        warnings = list(dict.fromkeys([*warnings, fall_back]))
    if not rows:
        raise ToolOutputError(
            f"no table of x-linux-ai-benchmark with a model; the end is: {last_words(text) or 'nothing'}",
            hint="save what the program prints: x-linux-ai-benchmark -d FOLDER | tee result.txt",
        )
    return UnifiedReport(machine, tuple(rows), tuple(warnings))


def parse_unified_json(text: str) -> UnifiedReport:
    """The exported JSON, whose keys ST has not published: objects that name a model and a time are its rows.

    Raises `ToolOutputError` if there are none, or it is no JSON.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ToolOutputError(f"expected the JSON of x-linux-ai-benchmark: {str(error)[:120]}") from None
    rows: list[UnifiedRow] = []
    machine: dict[str, str] = {}
    for trail, found in _objects(document, ""):
        cells = {
            _key(key): _text(value) for key, value in found.items() if not isinstance(value, dict | list)
        }
        runtime = _runtime(f"{trail} {cells.get('modelname', '')} {cells.get('framework', '')}")
        if "modelname" not in cells and "inferencetimems" in cells:
            cells["modelname"] = trail.rsplit("/", 1)[-1]  # a table whose rows are keyed by the model
        if cells.get("modelname") and "inferencetimems" in cells:
            if not runtime:
                model = cells["modelname"][:60]
                raise ToolOutputError(f"{trail or 'the document'}: no runtime is named for {model!r}")
            rows.append(_row(runtime, cells))
        else:
            machine |= {
                key: _text(value) for key, value in found.items() if isinstance(value, str | int | float)
            }
    if not rows:
        raise ToolOutputError(
            "no object of the JSON has a model name and an inference time in ms",
            hint="import the text that the program prints instead",
        )
    return UnifiedReport(machine, tuple(rows))


def _objects(value: object, trail: str, depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        yield trail, value
        for key, inner in value.items():
            yield from _objects(inner, f"{trail}/{key}", depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner, trail, depth + 1)


def _row(runtime: str, cells: Mapping[str, str]) -> UnifiedRow:
    model = cells["modelname"]
    what = f"x-linux-ai-benchmark: {model[:60]}"
    time = cells.get("inferencetimems")
    if time is None:
        raise ToolOutputError(f"{what}: the table has no column of the inference time in ms")
    peak = _value(cells.get("peakrammb"), f"{what}: Peak RAM (MB)")
    return UnifiedRow(
        runtime=runtime,
        model=model,
        latency_ns=scaled(time, 10**6, f"{what}: Inference Time (ms)"),
        cpu_percent=_value(cells.get("cpu"), f"{what}: CPU %"),
        gpu_percent=_value(cells.get("gpu"), f"{what}: GPU %"),
        npu_percent=_value(cells.get("npu"), f"{what}: NPU %"),
        peak_bytes=None if peak is None else round(peak * _MEBIBYTE),
    )


def _value(cell: str | None, what: str) -> float | None:
    if cell is None or cell.upper() in ("", "NA", "N/A", "NONE", "-"):
        return None
    return float(number(cell.removesuffix("%"), what))


def _runtime(text: str) -> str:
    lowered = text.lower()
    for runtime, words in {
        "nbg": ("nbg", ".nb", "openvx"),
        "onnxruntime": ("onnx",),
        "tflite": ("tflite", "tensorflow"),
    }.items():
        if any(word in lowered for word in words):
            return runtime
    return ""


def _key(title: str) -> str:
    """`Inference Time (ms)` and `inference_time_ms` are one column; so are `CPU %` and `cpu_percent`."""
    key = "".join(character for character in title.lower() if character.isalnum())
    for ending in ("percentage", "percent", "usage"):
        key = key.removesuffix(ending)
    return {"model": "modelname", "name": "modelname", "inferencetime": "inferencetimems"}.get(key, key)


def _text(value: object) -> str:
    return "" if value is None else str(value)
