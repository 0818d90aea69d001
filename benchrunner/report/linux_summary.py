"""What a person sees of one case on a Linux board: starts, memory, shares, and the conditions that matter."""

from __future__ import annotations

from collections.abc import Mapping

from benchrunner.record import Measurement, NotMeasured, ProcessMemory, Shares
from benchrunner.report import cells, linux
from benchrunner.table import Row

_MIB = 1 << 20
_NAMES = {"governor": "governor", "cpu_khz": "CPU", "npu_clock_hz": "NPU", "load_1min": "load"}
_MOVING = (("governor", ""), ("cpu_khz", "MHz"), ("npu_clock_hz", "MHz"), ("load_1min", ""))


def details(measurement: Measurement, row: Row) -> list[str]:
    """The lines that stand in the place of a microcontroller's RAM and flash."""
    found = [f"  memory   {_memory(measurement.process_memory)}"]
    if not isinstance(measurement.shares, NotMeasured) and linux.has_shares(row):
        found.append(f"  shares   {_shares(measurement.shares, row)}")
    elif row.execution_engine.startswith("NPU"):
        found.append(f"  shares   {measurement.shares}")
    if system := _system(measurement):
        found.append(f"  system   {system}")
    return found


def _memory(memory: ProcessMemory | NotMeasured) -> str:
    if isinstance(memory, NotMeasured):
        return str(memory)
    parts = [
        f"{name} {mebibytes(value)}"
        for name, value in (("peak", memory.peak_bytes), ("before the model", memory.before_bytes))
        if not isinstance(value, NotMeasured)
    ]
    return f"{', '.join(parts) or memory.peak_bytes} ({memory.source})"


def mebibytes(value_bytes: int) -> str:
    return f"{cells.duration(value_bytes / _MIB)} MiB"


def _shares(shares: Shares, row: Row) -> str:
    parts = (
        f"NPU {linux.accelerator_share(row, shares.npu_percent)}",
        f"GPU {linux.accelerator_share(row, shares.gpu_percent)}",
        f"CPU {linux.processor_share(shares.cpu_percent)}",
    )
    return f"{', '.join(parts)} % ({shares.definition})"


def _system(measurement: Measurement) -> str:
    """Governor, clocks, temperature and load before the run, and after it where they moved; versions."""
    before, after = measurement.conditions, measurement.conditions_after
    parts = []
    for key, unit in _MOVING:
        if key in before:
            now = _reading(after, key, unit) if key in after else ""
            then = _reading(before, key, unit)
            parts.append(f"{_NAMES[key]} {then}" + (f" -> {now}" if now not in ("", then) else ""))
    zones = [key for key in before if key.startswith("temperature_c.")]
    parts += [
        f"{zone.partition('.')[2]} {before[zone]}{f' -> {after[zone]}' if zone in after else ''} °C"
        for zone in zones
    ]
    versions = (("x_linux_ai_version", "X-LINUX-AI"), ("kernel", "kernel"))
    parts += [f"{name} {before[key]}" for key, name in versions if key in before]
    return ", ".join(parts)


def _reading(conditions: Mapping[str, str | int | bool], key: str, unit: str) -> str:
    value = conditions[key]
    if unit and isinstance(value, int):
        return cells.frequency(value * 1000 if key.endswith("khz") else value)
    return str(value)
