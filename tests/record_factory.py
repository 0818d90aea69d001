"""Builds measurements for tests: a plausible simulated one, any part of which can be replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchrunner.record import (
    BoardClass,
    Case,
    ClockCheck,
    CounterUnit,
    Fidelity,
    Flashing,
    Footprint,
    Latency,
    LayerCounts,
    Measurement,
    NotMeasured,
    Outcome,
    OutputCheck,
    ProcessMemory,
    Provenance,
    RunDocument,
    Shares,
    Start,
    TimingModel,
)

RUN_ID = "20261121T020000Z-1f0c93ab"

CASE = Case(
    board="stm32h747i-disco",
    board_class=BoardClass.MCU,
    board_name="STM32H747I-DISCO",
    series="STM32H7",
    engine="aot",
    engine_version="0.1.0",
    model="fdmobilenet_0.25_128",
    model_sha256="a1" * 32,
    graph_sha256="b2" * 32,
    format="int8",
    quantization="per-channel",
    resolution="128x128x3",
    execution_engine="1 CPU",
    clock_hz=400_000_000,
    starts=1,
    timed_runs=10,
    input_sha256="c3" * 32,
)
LATENCY = Latency(
    unit=CounterUnit.CYCLES,
    counter_hz=400_000_000,
    starts=(
        Start(
            init_counts=NotMeasured("the model is part of the image"),
            cold_counts=8_400_000,
            warmup_counts=(7_092_010, 7_092_000),
            timed_counts=(7_092_000,) * 9 + (7_092_100,),
            output_crc32=(0xDEADBEEF,) * 10,
        ),
    ),
    overhead_counts=12,
    overhead_subtracted=True,
)
FOOTPRINT = Footprint(
    activation_ram_bytes=160_800,
    runtime_ram_bytes=14_541,
    weights_flash_bytes=131_396,
    code_flash_bytes=NotMeasured("a simulator image has no code"),
    stack_bytes=2_048,
    heap_bytes=0,
)
MEASUREMENT = Measurement(
    case=CASE,
    fidelity=Fidelity.SIMULATED,
    outcome=Outcome.OK,
    reason="",
    step="memory report",
    latency=LATENCY,
    layers=(LayerCounts(0, "CONV_2D", 4_000_000), LayerCounts(1, "SOFTMAX", 3_092_000)),
    footprint=FOOTPRINT,
    process_memory=NotMeasured("a microcontroller has no processes"),
    shares=NotMeasured("the core does all the work"),
    output=OutputCheck(
        reference="LiteRT 2.3.0 builtin-without-default-delegates",
        tolerance_lsb=0,
        max_difference_lsb=0,
        differing_values=0,
        values=5,
        output_sha256="d4" * 32,
        reference_sha256="d4" * 32,
    ),
    clock=ClockCheck(
        device_cycles=400_001_200,
        host_ns=1_000_000_000,
        measured_hz=400_001_200,
        nominal_hz=400_000_000,
        deviation_ppm=3,
        uncertainty_ppm=40,
        limit_ppm=2_000,
    ),
    flashing=Flashing(
        route="serial boot loader",
        image_bytes=180_224,
        written_bytes=180_224,
        erased_sectors=2,
        skipped_sectors=0,
        retries=0,
        link_errors=0,
        duration_ns=1_500_000_000,
        verified_by="read-back",
    ),
    timing_model=TimingModel("1", 13.4, "24 published int8 networks on Cortex-M7"),
    conditions={"core": "cortex-m7", "clock_hz": 400_000_000, "icache": True, "compiler": "none"},
    conditions_after={},
    steps_ns={"analyse": 12_000_000, "flash": 1_500_000_000},
    provenance=Provenance(
        tool_version="0.1.0",
        revision="599e6ee",
        started_at="2026-11-21T02:00:00+00:00",
        duration_ns=2_100_000_000,
        host="bench",
        python="3.11.7",
        packages={"numpy": "2.4.0"},
        place="simulated",
        port="rfc2217://127.0.0.1:40001",
        image_sha256="e5" * 32,
        board_file_sha256="f6" * 32,
        command=("benchrunner", "run", "--sim"),
    ),
)


def measurement(*, case: dict[str, Any] | None = None, **changes: Any) -> Measurement:
    """The plausible measurement with fields of the measurement, or of its case, replaced."""
    if case is not None:
        changes["case"] = replace(CASE, **case)
    return replace(MEASUREMENT, **changes)


def timed(*counts: int, cold: int | None = None, counter_hz: int = LATENCY.counter_hz) -> Latency:
    """The plausible latency with other timed counts in its one start."""
    start = LATENCY.starts[0]
    start = replace(start, timed_counts=counts, cold_counts=start.cold_counts if cold is None else cold)
    return replace(LATENCY, starts=(start,), counter_hz=counter_hz)


def linux(
    *,
    case: dict[str, Any] | None = None,
    starts: tuple[tuple[int, ...], ...] = ((22_760_000,) * 9 + (22_800_000,),) * 6,
    **changes: Any,
) -> Measurement:
    """A plausible measurement of a Linux board; `starts` are the timed nanoseconds of each."""
    on_linux = {
        "board": "stm32mp157f-dk2",
        "board_class": BoardClass.LINUX,
        "board_name": "STM32MP157F-DK2",
        "series": "STM32MP1",
        "engine": "tflite",
        "engine_version": "tflite_runtime 2.11.0",
        "execution_engine": "2 CPU",
        "clock_hz": 800_000_000,
        "starts": len(starts),
    }
    unused = NotMeasured("no accelerator was used")
    no_flash = NotMeasured("a Linux board has no footprint in flash")
    values: dict[str, Any] = {
        "fidelity": Fidelity.MEASURED,
        "timing_model": NotMeasured("a real board"),
        "latency": Latency(
            unit=CounterUnit.NANOSECONDS,
            counter_hz=1_000_000_000,
            starts=tuple(
                Start(
                    init_counts=3_300_000,
                    cold_counts=31_000_000,
                    warmup_counts=(22_900_000,),
                    timed_counts=timed_ns,
                    output_crc32=(1,) * len(timed_ns),
                )
                for timed_ns in starts
            ),
            overhead_counts=900,
            overhead_subtracted=False,
        ),
        "footprint": Footprint(*(no_flash,) * 6),
        "flashing": NotMeasured("a Linux board is not flashed"),
        "clock": NotMeasured("the system's clock"),
        "process_memory": ProcessMemory(20 << 20, 21 << 20, 24 << 20, "VmHWM of /proc/self/status"),
        "shares": Shares(unused, unused, 100.0, "no accelerator was used"),
        "conditions": {
            "governor": "performance",
            "cpu_khz": 800_000,
            "temperature_c.cpu": "45.2",
            "load_1min": "0.05",
            "x_linux_ai_version": "v5.1.0",
            "kernel": "6.1.82",
        },
        "conditions_after": {"governor": "performance", "cpu_khz": 650_000, "temperature_c.cpu": "51.0"},
    }
    return measurement(case=on_linux | (case or {}), **(values | changes))


def failed(reason: str, outcome: Outcome = Outcome.FAILED) -> Measurement:
    """A case that ended without numbers."""
    missing = NotMeasured(reason)
    return replace(
        MEASUREMENT,
        outcome=outcome,
        reason=reason,
        step="check output",
        latency=missing,
        layers=missing,
        clock=missing,
        output=missing,
    )


def document(*measurements: Measurement, run_id: str = RUN_ID) -> RunDocument:
    """A document of the measurements given, or of the plausible one."""
    return RunDocument(run_id, measurements or (MEASUREMENT,))
