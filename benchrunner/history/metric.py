"""What is followed over time of a measurement: one cell for each metric that it has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

from benchrunner.record import (
    Case,
    CounterUnit,
    Fidelity,
    Latency,
    Measurement,
    NotMeasured,
    Outcome,
    ProcessMemory,
    Shares,
)


class Better(StrEnum):
    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    better: Better = Better.LOWER
    static: bool = False  # follows from the image alone: one value says all


_COUNTER_HZ = range(1, 2**63)
LATENCY = Metric("latency")
COLD = Metric("cold")  # the first inference after a start, a metric of its own
INIT = Metric("init")
_BYTES = {
    Metric(name, static=True): f"{name}_bytes"
    for name in ("activation_ram", "runtime_ram", "weights_flash", "code_flash", "stack", "heap")
}
_TOTALS = {
    Metric("total_ram", static=True): ("activation_ram_bytes", "runtime_ram_bytes"),
    Metric("total_flash", static=True): ("weights_flash_bytes", "code_flash_bytes"),
}
PROCESS_PEAK = Metric("process_peak")
NPU = Metric("npu_share", Better.HIGHER)  # falls when an operator silently moves to the CPU

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (LATENCY, COLD, INIT, *_BYTES, *_TOTALS, PROCESS_PEAK, NPU)
}


@dataclass(frozen=True, slots=True)
class CellKey:
    """A case and one metric of it: what keeps its identity from night to night.

    The model is named, not hashed, and place and environment are not in it: those may change in the course
    of a history, and two results are only compared where they are equal.
    """

    board: str
    engine: str
    model: str
    format: str
    resolution: str
    execution_engine: str
    options: str  # JSON, sorted
    fidelity: str
    metric: str
    unit: str  # "ms", "instructions", "bytes", "percent"
    better: str

    @property
    def cell_id(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def case(self) -> str:
        """One line for people: everything but metric and fidelity."""
        options = [f"{name}={value}" for name, value in json.loads(self.options).items()]
        parts = (self.board, self.engine, self.model, self.format, self.resolution, self.execution_engine)
        return " ".join((*filter(None, parts), *options))

    @property
    def label(self) -> str:
        """One line for people; every word of it selects the cell on the command line."""
        return f"{self.case} {self.metric} {self.fidelity}"


@dataclass(frozen=True, slots=True)
class Sampled:
    """The raw values of one metric of one measurement, start by start."""

    metric: Metric
    unit: str
    counter_hz: int  # of samples that are counts of a clock, else 0
    starts: tuple[tuple[int, tuple[float | int, ...]], ...]  # (index of the input, samples)

    def value(self, sample: float) -> float:
        """A sample in `unit`."""
        return sample * 1000 / self.counter_hz if self.counter_hz else float(sample)


def cell_key(case: Case, fidelity: Fidelity, sampled: Sampled) -> CellKey:
    """What values of different nights must have in common to be points of one series."""
    return CellKey(
        board=case.board,
        engine=case.engine,
        model=case.model,
        format=case.format,
        resolution=case.resolution,
        execution_engine=case.execution_engine,
        options=json.dumps(case.options, sort_keys=True),
        fidelity=fidelity.value,
        metric=sampled.metric.name,
        unit=sampled.unit,
        better=sampled.metric.better.value,
    )


def metrics_of(measurement: Measurement) -> Iterator[Sampled]:
    """Every metric that the measurement has; none of a case that has no trusted numbers."""
    if measurement.outcome not in (Outcome.OK, Outcome.DEGRADED):
        return
    if isinstance(measurement.latency, Latency):
        yield from _latency(measurement.latency)
    footprint = measurement.footprint
    for metric, field in _BYTES.items():
        yield from _single(metric, "bytes", getattr(footprint, field))
    for metric, terms in _TOTALS.items():
        first, second = (getattr(footprint, term) for term in terms)
        if isinstance(first, int) and isinstance(second, int):
            yield from _single(metric, "bytes", first + second)
    if isinstance(measurement.process_memory, ProcessMemory):
        yield from _single(PROCESS_PEAK, "bytes", measurement.process_memory.peak_bytes)
    if isinstance(measurement.shares, Shares):
        yield from _single(NPU, "percent", measurement.shares.npu_percent)


def _latency(latency: Latency) -> Iterator[Sampled]:
    counts_time = latency.unit is not CounterUnit.INSTRUCTIONS
    if counts_time and latency.counter_hz not in _COUNTER_HZ:
        return  # nonsense of a device at fault; the table of results says so
    unit, counter_hz = ("ms", latency.counter_hz) if counts_time else ("instructions", 0)
    timed = tuple((start.input_index, start.timed_counts) for start in latency.starts if start.timed_counts)
    if timed:
        yield Sampled(LATENCY, unit, counter_hz, timed)
    for metric, name in ((COLD, "cold_counts"), (INIT, "init_counts")):
        once = tuple(
            (start.input_index, (getattr(start, name),))
            for start in latency.starts
            if not isinstance(getattr(start, name), NotMeasured)
        )
        if once:
            yield Sampled(metric, unit, counter_hz, once)


def _single(metric: Metric, unit: str, value: float | NotMeasured) -> Iterator[Sampled]:
    if not isinstance(value, NotMeasured) and -(2**63) <= value < 2**63:
        yield Sampled(metric, unit, 0, ((0, (value,)),))
