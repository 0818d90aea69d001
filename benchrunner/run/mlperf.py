"""One case on firmware that speaks MLPerf Tiny's serial commands: any vendor's, already on the board."""

from __future__ import annotations

import hashlib
import struct
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchrunner.errors import BenchrunnerError, ClockInvalidError, ExitStatus, StoreError, UsageError
from benchrunner.model import Model, load_model
from benchrunner.protocol import mlperf_tiny as tiny
from benchrunner.record import (
    BoardClass,
    Case,
    ClockCheck,
    CounterUnit,
    Fidelity,
    Footprint,
    Latency,
    Measurement,
    NotMeasured,
    Outcome,
    OutputCheck,
    Provenance,
    RunDocument,
    Start,
)
from benchrunner.run.access import SystemClock, open_line
from benchrunner.run.prepare import INPUT_SEED, quantization
from benchrunner.run.provenance import provenance
from benchrunner.run.request import CaseResult, Observer, RunRequest, Step, StepTimer
from benchrunner.run.stated import fidelity_of
from benchrunner.runtime import ORACLE, Interpreter, natural_input, reference_name
from benchrunner.session import mlperf
from benchrunner.store import new_run_id, require_writable, save_run

ENGINE = "mlperf-tiny"
_NS = 1_000_000_000
_AD_TOLERANCE = 1e-3  # of the anomaly score: the device sums 640 squares in single precision


@dataclass(frozen=True, slots=True)
class _Quantised:
    scale: float
    zero_point: int

    def values(self, data: bytes) -> list[float]:
        return [(value - self.zero_point) * self.scale for (value,) in struct.iter_unpack("<b", data)]


@dataclass(frozen=True, slots=True)
class PreparedTiny:
    """Five inputs for one of the benchmark's models, and what the reference on the host says to each."""

    model: Model
    tiny_model: tiny.TinyModel
    inputs: tuple[bytes, ...]  # as tensors
    cases: tuple[mlperf.Case, ...]
    tolerance: float  # of a printed result


def run_tiny_case(request: RunRequest, observer: Observer) -> CaseResult:
    """Measure the firmware on the request's port by the benchmark's rules, and store the record.

    Raises `UsageError` or `ModelError` for a case that cannot be tried, `LabError` for a port that cannot be
    opened or on which no firmware answers; what happens later becomes a record with its reason.
    """
    started_at, began_ns = datetime.now(UTC), time.perf_counter_ns()
    if request.simulate or request.emulate:
        raise UsageError(
            f"engine {ENGINE} measures firmware that is on a board already; one that starts with this run "
            "has none",
            hint="give --port",
        )
    run_id = request.run_id or new_run_id(started_at)
    timer = StepTimer(observer)
    with timer(Step.ANALYSE, request.model.name):
        prepared = cases_of(request.model, tolerance_lsb=request.tolerance_lsb)
        require_writable(request.results, run_id)
    outcome, reason, hint, status = Outcome.OK, "", "", ExitStatus.GOOD
    measured: mlperf.TinyMeasurement | None = None
    with open_line(request, observer) as line:
        port = line.transport.description
        device = mlperf.TinyDevice(line.transport, SystemClock(), baud_hz=line.baud_hz)
        with timer(Step.CONNECT):
            announced = mlperf.identify(device)
            fidelity = fidelity_of(request.stated_fidelity, line, announced.fidelity)
        timed = fidelity is Fidelity.MEASURED
        try:
            with timer(Step.TIMED, f"{tiny.WINDOWS} windows" if timed else f"{tiny.WINDOWS} inputs"):
                measured = mlperf.measure(
                    device,
                    announced,
                    prepared.tiny_model,
                    prepared.cases,
                    tolerance=prepared.tolerance,
                    timed=timed,
                    progress=lambda done, total: observer.progress(done, total, "windows"),
                )
        except KeyboardInterrupt:
            outcome, reason, status = (
                Outcome.ABANDONED,
                f"stopped by {request.stopped_by}",
                ExitStatus.INTERRUPTED,
            )
        except BenchrunnerError as error:
            outcome = Outcome.INVALID if isinstance(error, ClockInvalidError) else Outcome.FAILED
            reason, hint, status = error.message, error.hint, error.exit_status
    origin = provenance(
        request,
        started_at=started_at,
        duration_ns=time.perf_counter_ns() - began_ns,
        place=line.place,
        port=port,
        image_sha256="",
    )
    steps_ns = dict(timer.elapsed_ns)
    measurement = _measurement(request, prepared, measured, fidelity, outcome, reason, origin, steps_ns)
    try:
        path = save_run(RunDocument(run_id, (measurement,)), request.results)
    except StoreError as error:
        return CaseResult(measurement, None, error.exit_status, error.hint, error.message)
    return CaseResult(measurement, path, status, hint)


def cases_of(file: Path, *, tolerance_lsb: int = 0) -> PreparedTiny:
    """The inputs of a run. Raises `UsageError` or `ModelError` for a model that is not the benchmark's."""
    model = load_model(file)
    graph = model.graph
    interpreter = Interpreter(file.read_bytes(), ORACLE)
    tensors = (*interpreter.inputs, *interpreter.outputs)
    found = None
    if len(tensors) == 2 and all(tensor.dtype == "int8" for tensor in tensors):
        found = tiny.model_of_shape(tensors[0].shape, tensors[1].size_bytes)
    if found is None:
        known = ", ".join(
            f"{each.name} {list(each.input_shape)} -> {each.output_values}" for each in tiny.MODELS.values()
        )
        raise UsageError(
            f"{file}: takes {[list(tensor.shape) for tensor in interpreter.inputs]}, "
            "which is no int8 model of MLPerf Tiny",
            hint=f"those are {known}",
        )
    source, target = (
        _Quantised(quantisation.scales[0], quantisation.zero_points[0])
        for index in (graph.inputs[0], graph.outputs[0])
        if (quantisation := graph.tensors[index].quantisation) is not None
    )
    inputs = tuple(natural_input(tensors[0], INPUT_SEED + number) for number in range(tiny.WINDOWS))
    cases = tuple(_tiny_case(found, data, interpreter.run([data])[0], source, target) for data in inputs)
    tolerance = tolerance_lsb * target.scale
    if found.load is tiny.Load.FLOATS:
        tolerance = max(case.expected[0] for case in cases) * _AD_TOLERANCE * (1 + tolerance_lsb)
    return PreparedTiny(model, found, inputs, cases, tolerance)


def _tiny_case(
    model: tiny.TinyModel, data: bytes, output: bytes, source: _Quantised, target: _Quantised
) -> mlperf.Case:
    """The bytes that `db` takes for an input tensor, and the results that belong to its output tensor."""
    values = target.values(output)
    match model.load:
        case tiny.Load.AS_IS:
            return mlperf.Case(data, tuple(values))
        case tiny.Load.PIXELS:
            return mlperf.Case(bytes(byte ^ 0x80 for byte in data), tuple(values))
        case tiny.Load.FLOATS:
            packed = struct.pack(f"<{len(data)}f", *source.values(data))
            floats = [value for (value,) in struct.iter_unpack("<f", packed)]
            squares = [(ours - theirs) ** 2 for ours, theirs in zip(values, floats, strict=True)]
            return mlperf.Case(packed, (sum(squares) / len(squares),))


# --- the record -----------------------------------------------------------------------------------------


def _measurement(
    request: RunRequest,
    prepared: PreparedTiny,
    measured: mlperf.TinyMeasurement | None,
    fidelity: Fidelity,
    outcome: Outcome,
    reason: str,
    origin: Provenance,
    steps_ns: dict[str, int],
) -> Measurement:
    """With `reason` in the place of every value that is missing where nothing was `measured`."""
    return Measurement(
        case=_case(request, prepared),
        fidelity=fidelity,
        outcome=outcome,
        reason=reason,
        step=Step.STORE if measured else Step.TIMED,
        latency=_latency(measured, fidelity) if measured else NotMeasured(reason),
        layers=NotMeasured("the benchmark's commands time whole inferences only"),
        footprint=_footprint(),
        process_memory=NotMeasured("a microcontroller has no processes"),
        shares=NotMeasured("the core does all the work"),
        output=_output(measured, prepared) if measured else NotMeasured(reason),
        clock=_clock(measured, fidelity) if measured else NotMeasured(reason),
        flashing=NotMeasured("the firmware was on the board already"),
        timing_model=NotMeasured("time is not modelled"),
        conditions=_conditions(measured) if measured else {},
        conditions_after={},
        steps_ns=steps_ns,
        provenance=origin,
        warnings=_warnings(measured) if measured and fidelity is Fidelity.MEASURED else (),
    )


def _case(request: RunRequest, prepared: PreparedTiny) -> Case:
    model, board = prepared.model, request.board
    return Case(
        board=board.id,
        board_class=BoardClass.MCU,
        board_name=board.name,
        series=board.series,
        engine=ENGINE,
        engine_version="",  # the firmware does not say; its vendor is among the conditions
        model=model.name,
        model_sha256=model.sha256,
        graph_sha256=model.graph_sha256,
        format="int8",
        quantization=quantization(model),
        resolution="x".join(str(size) for size in prepared.tiny_model.input_shape[1:]),
        execution_engine="1 CPU",  # no engine of an STM32 microcontroller uses more than one core
        clock_hz=NotMeasured("the benchmark's commands do not tell"),
        starts=1,
        timed_runs=tiny.WINDOWS,
        input_sha256=hashlib.sha256(b"".join(prepared.inputs)).hexdigest(),
    )


def _latency(measured: mlperf.TinyMeasurement, fidelity: Fidelity) -> Latency | NotMeasured:
    """For each window the mean of its inferences in nanoseconds; the conditions have the raw times."""
    if fidelity is not Fidelity.MEASURED:
        return NotMeasured(f"the device is {fidelity}: what it takes for microseconds are none")
    return Latency(
        unit=CounterUnit.NANOSECONDS,
        counter_hz=_NS,
        starts=(
            Start(
                init_counts=NotMeasured("the benchmark's commands do not tell"),
                cold_counts=measured.first_us * 1000,
                warmup_counts=(),
                timed_counts=tuple(
                    round(window.elapsed_us * 1000 / window.iterations) for window in measured.windows
                ),
                output_crc32=tuple(_crc(window.results) for window in measured.windows),
            ),
        ),
        overhead_counts=0,
        overhead_subtracted=False,
    )


def _crc(results: Sequence[float]) -> int:
    return zlib.crc32(",".join(f"{value:.3f}" for value in results).encode())


def _output(measured: mlperf.TinyMeasurement, prepared: PreparedTiny) -> OutputCheck:
    """Counted in thousandths, the last decimal that the commands print."""
    found = [value for window in measured.windows for value in window.results]
    expected = [value for case in prepared.cases for value in case.expected]
    differing = [round(abs(ours - theirs) * 1000) for ours, theirs in zip(found, expected, strict=True)]
    texts = [",".join(f"{value:.3f}" for value in values).encode() for values in (found, expected)]
    return OutputCheck(
        reference=f"{reference_name(ORACLE)}, printed results in steps of 0.001",
        tolerance_lsb=round(prepared.tolerance * 1000),
        max_difference_lsb=max(differing),
        differing_values=sum(difference != 0 for difference in differing),
        values=len(found),
        output_sha256=hashlib.sha256(texts[0]).hexdigest(),
        reference_sha256=hashlib.sha256(texts[1]).hexdigest(),
    )


def _clock(measured: mlperf.TinyMeasurement, fidelity: Fidelity) -> ClockCheck | NotMeasured:
    """The device's timer against the host's clock, over all windows."""
    if fidelity is not Fidelity.MEASURED:
        return NotMeasured(f"the device is {fidelity}: it has no clock")
    device_us = sum(window.elapsed_us for window in measured.windows)
    host_s = sum(window.host_s for window in measured.windows)
    return ClockCheck(
        device_cycles=device_us,
        host_ns=round(host_s * 1e9),
        measured_hz=round(device_us / host_s),
        nominal_hz=1_000_000,
        deviation_ppm=round((device_us / host_s / 1e6 - 1) * 1e6),
        uncertainty_ppm=round(mlperf.CLOCK_SLACK_S * len(measured.windows) / host_s * 1e6),
        limit_ppm=round(mlperf.CLOCK_LIMIT * 1e6),
    )


def _conditions(measured: mlperf.TinyMeasurement) -> dict[str, str | int | bool]:
    said = measured.announced
    names: dict[str, str | int | bool] = {
        "mlperf.vendor": said.vendor,
        "mlperf.profile": said.profile,
        "mlperf.model": said.model,
    }
    if not measured.rules:
        return names
    windows = {
        f"mlperf.window_{number}": f"{window.iterations} inferences in {window.elapsed_us} us"
        for number, window in enumerate(measured.windows, start=1)
    }
    return {
        **names,
        "mlperf.warmups": measured.windows[0].warmups,
        "mlperf.median_inferences_per_s": f"{measured.median_per_s:.3f}",
        "mlperf.rules_kept": all(rule.kept for rule in measured.rules),
        **windows,
    }


def _warnings(measured: mlperf.TinyMeasurement) -> tuple[str, ...]:
    broken = [
        f"MLPerf Tiny rule not kept: {rule.text}: {rule.found}" for rule in measured.rules if not rule.kept
    ]
    return ("the cold inference was the first asked for, not the first since reset", *broken)


def _footprint() -> Footprint:
    unknown = NotMeasured("the benchmark's commands do not tell")
    return Footprint(unknown, unknown, unknown, unknown, unknown, unknown)
