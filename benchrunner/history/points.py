"""What the index answers with: a run, and one metric of one case as one run found it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from benchrunner import metrics
from benchrunner.history.entries import unpack
from benchrunner.history.metric import CellKey


@dataclass(frozen=True, slots=True)
class Run:
    """One document."""

    run_id: str
    started_at: str
    revision: str  # of the checkout that measured, empty for an installed package
    tool_version: str
    suite_run: str
    place: str
    measurements: int


@dataclass(frozen=True)
class Point:
    """One result: a cell at one run, with its raw samples and the conditions they were taken under."""

    key: CellKey
    run_id: str
    position: int
    started_at: str
    env_id: str
    environment: dict[str, str | int | bool]
    model_sha256: str
    image_sha256: str
    input_sha256: str
    clock_hz: int | None
    place: str
    revision: str
    tool_version: str
    engine_version: str
    suite_run: str
    cell_class: str  # "exact", "jitter", "noisy", or "single": one sample of what can vary
    quality: str  # "ok", "degraded", "altered"
    median: float
    ci_low: float | None
    ci_high: float | None
    p95: float
    n: int
    counter_hz: int
    sample_type: str
    layout: str
    samples: bytes

    @cached_property
    def starts(self) -> tuple[tuple[float, ...], ...]:
        """The samples of each start, in the unit of the cell."""
        values = self._values()
        sizes = [size for size, _ in json.loads(self.layout)]
        ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
        return tuple(values[end - size : end] for size, end in zip(sizes, ends, strict=True))

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """Which of the case's inputs each start ran with."""
        return tuple(index for _, index in json.loads(self.layout))

    @cached_property
    def start_medians(self) -> tuple[float, ...]:
        return tuple(metrics.median(start) for start in self.starts)

    @property
    def replicates(self) -> tuple[float, ...]:
        """What statistics count: the medians of the starts, or the samples of the only one."""
        return self.start_medians if len(self.starts) > 1 else self.starts[0]

    def _values(self) -> tuple[float, ...]:
        samples: Sequence[float] = unpack(self.sample_type, self.samples)
        if not self.counter_hz:
            return tuple(float(sample) for sample in samples)
        return tuple(sample * 1000 / self.counter_hz for sample in samples)
