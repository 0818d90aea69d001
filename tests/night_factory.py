"""Nights of a lab for tests: documents of runs that differ in date, samples and conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import record_factory as factory

from benchrunner import store
from benchrunner.record import BoardClass, CounterUnit, Fidelity, Latency, Measurement, NotMeasured, Start

FIRST_NIGHT = datetime(2026, 1, 1, 2, tzinfo=UTC)


def run_id(night: int, number: int = 0) -> str:
    """The id of a run of the n-th night; `number` tells runs of one night apart."""
    started = FIRST_NIGHT + timedelta(days=night, seconds=number)
    return f"{started:%Y%m%dT%H%M%SZ}-{night & 0xFFFF:04x}{number:04x}"


def linux_latency(*starts: Sequence[int], inputs: Sequence[int] = ()) -> Latency:
    """Nanoseconds of several starts of a program on a Linux board."""
    indexes = inputs or [0] * len(starts)
    return Latency(
        unit=CounterUnit.NANOSECONDS,
        counter_hz=1_000_000_000,
        starts=tuple(
            Start(
                init_counts=NotMeasured("not asked for"),
                cold_counts=2 * max(counts),
                warmup_counts=(),
                timed_counts=tuple(counts),
                output_crc32=(1,) * len(counts),
                input_index=index,
            )
            for counts, index in zip(starts, indexes, strict=True)
        ),
        overhead_counts=0,
        overhead_subtracted=True,
    )


def linux(latency: Latency, *, case: dict[str, Any] | None = None, **changes: Any) -> Measurement:
    """A measured case on a Linux board."""
    return factory.measurement(
        case={
            "board": "stm32mp257f-ev1",
            "board_class": BoardClass.LINUX,
            "board_name": "STM32MP257F-EV1",
            "series": "STM32MP2",
            "engine": "tflite",
            "engine_version": "2.16.1",
            "clock_hz": 1_500_000_000,
            **(case or {}),
        },
        **{
            "latency": latency,
            "fidelity": Fidelity.MEASURED,
            "timing_model": NotMeasured("measured"),
            "conditions": {"kernel": "6.6.48", "governor": "performance"},
            **changes,
        },
    )


def provenance(**changes: Any) -> Any:
    return replace(factory.MEASUREMENT.provenance, **changes)


def save_night(folder: Path, night: int, *measurements: Measurement, number: int = 0, **prov: Any) -> str:
    """Store one run of the n-th night, started then; returns its id."""
    started_at = (FIRST_NIGHT + timedelta(days=night, seconds=number)).isoformat()
    dated = [
        replace(one, provenance=replace(one.provenance, started_at=started_at, **prov))
        for one in measurements or (factory.MEASUREMENT,)
    ]
    name = run_id(night, number)
    store.save_run(factory.document(*dated, run_id=name), folder)
    return name
