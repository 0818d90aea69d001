"""Layer times that the NPU's OpenVX driver prints when asked by environment: which unit executed what."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchrunner.protocol.linux_tools.text import plain, scaled

# Switches of the driver's own profiling. It prints for each operation its target, and then its time.
PROFILING_ENVIRONMENT = {
    "CNN_PERF": "1",
    "NN_EXT_SHOW_PERF": "1",
    "VIV_VX_DEBUG_LEVEL": "1",
    "VIV_VX_PROFILE": "1",
}
# SH runs on the shader cores, which are the GPU; NN and TP (tensor processing, scaler SC) are the NPU's.
_UNITS = {"NN": "npu", "TP": "npu", "SC": "npu", "SH": "gpu", "SW": "cpu"}

# Older drivers: an operation on one line, and the layer's sum on a line of its own, without a target.
_WHOLE = re.compile(
    r"type\s+(?:VXNNE_OPERATOR_)?([A-Za-z0-9_]{1,60})\s+target\s+VXNNE_OPERATION_TARGET_(NN|TP|SC|SH|SW)\s"
)
_TARGET = re.compile(r"target\s*:\s*(?:VXNNE_OPERATION_TARGET_)?(NN|TP|SC|SH|SW)\b")
_TIME = re.compile(r"execution time\s*:\s*(\d{1,12}(?:\.\d{1,9})?)\s*us")
_OPERATION = re.compile(r"(?:VXNNE_OPERATOR_|operation type\s*:\s*)([A-Za-z0-9_]{1,60})")


@dataclass(frozen=True, slots=True)
class DriverLayer:
    """One operation of the compiled graph."""

    operator: str
    unit: str  # "npu", "gpu", "cpu"
    time_ns: int


def parse_driver_profile(text: str) -> tuple[DriverLayer, ...]:
    """Every operation that has a target and a time behind it; empty if the driver printed none.

    Where the text holds several inferences, all of them are in the result: shares are quotients.
    """
    layers: list[DriverLayer] = []
    target, operator = "", ""
    for line in plain(text).split("\n"):
        if (match := _WHOLE.search(line)) and _TIME.search(line):
            operator, target = match[1], match[2]
        elif match := _OPERATION.search(line):
            operator = match[1]
        if match := _TARGET.search(line):
            target = match[1]
        if target and (match := _TIME.search(line)):
            layers.append(
                DriverLayer(operator or "operation", _UNITS[target], scaled(match[1], 1000, "execution time"))
            )
            target, operator = "", ""
    return tuple(layers)


def shares_percent(layers: tuple[DriverLayer, ...]) -> dict[str, float] | None:
    """Share of the layers' time by unit; None without times."""
    total = sum(layer.time_ns for layer in layers)
    if not total:
        return None
    return {
        unit: 100 * sum(layer.time_ns for layer in layers if layer.unit == unit) / total
        for unit in ("npu", "gpu", "cpu")
    }
