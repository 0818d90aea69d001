"""Output of `onnxruntime_perf_test`: the mean without the first inference; quantiles where it has them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchrunner.errors import ToolOutputError
from benchrunner.protocol.linux_tools.text import last_words, lines_of, scaled

_LINE = re.compile(
    r"^([A-Za-z0-9 ]{1,60}?)(?::| is)\s*(\d\S{0,39})(?:\s+([^\s(]{1,10}))?(?:\s+\(.{0,40}\))?$"
)
_NS = {"s": 10**9, "sec": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
# What other versions call it: those before 1.2, and recent ones, which tell the time of submitting apart.
_ALIASES = {
    "Average time cost": "Average inference time cost",
    "Average inference time cost total": "Average inference time cost",
    "Total iterations": "Total inference requests",
}
_LATENCIES = ("Min", "Max", "P50", "P90", "P95", "P99", "P999")


@dataclass(frozen=True, slots=True)
class OnnxruntimeResult:
    """One start of the tool."""

    requests: int  # timed inferences
    mean_ns: int
    first_ns: int | None  # not part of the mean
    init_ns: int | None  # creating the session
    peak_bytes: int | None
    cpu_percent: float | None
    latencies_ns: dict[str, int]  # by "min", "p50" ...


def parse_onnxruntime_perf_test(text: str) -> OnnxruntimeResult:
    """Raises `ToolOutputError` without the line of the average."""
    found: dict[str, tuple[str, str]] = {}
    for line in lines_of(text):
        if match := _LINE.match(line):
            name = match[1].strip()
            found[_ALIASES.get(name, name)] = (match[2], match[3] or "")
    if "Average inference time cost" not in found:
        raise ToolOutputError(
            "onnxruntime_perf_test printed no average inference time; it ended with: "
            f"{last_words(text) or 'nothing'}",
            hint="run the command of the record's log on the board",
        )
    latencies = {
        name.lower(): _ns(found, f"{name} Latency") for name in _LATENCIES if f"{name} Latency" in found
    }
    requests = found.get("Total inference requests", ("0", ""))[0]
    peak = found.get("Peak working set size")
    usage = found.get("Avg CPU usage")
    return OnnxruntimeResult(
        requests=scaled(requests, 1, "onnxruntime_perf_test: Total inference requests"),
        mean_ns=_ns(found, "Average inference time cost"),
        first_ns=_ns(found, "First inference time cost") if "First inference time cost" in found else None,
        init_ns=_ns(found, "Session creation time cost") if "Session creation time cost" in found else None,
        peak_bytes=scaled(peak[0], 1, "onnxruntime_perf_test: Peak working set size") if peak else None,
        cpu_percent=_percent(usage[0]) if usage else None,
        latencies_ns=latencies,
    )


def _ns(found: dict[str, tuple[str, str]], key: str) -> int:
    value, unit = found[key]
    if unit not in _NS:
        raise ToolOutputError(f"onnxruntime_perf_test: {key}: expected a time in s or ms, found {unit!r}")
    return scaled(value, _NS[unit], f"onnxruntime_perf_test: {key}")


def _percent(text: str) -> float:
    return scaled(text.removesuffix("%"), 1000, "onnxruntime_perf_test: Avg CPU usage") / 1000
