"""The conversation of one case, from the device's manifest to its memory report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

from benchrunner.deadline import Deadline
from benchrunner.errors import OutputMismatchError
from benchrunner.protocol.exchange import data_bytes_per_message
from benchrunner.protocol.messages import Manifest, Sample
from benchrunner.record import ClockCheck, CounterUnit, Fidelity, Latency, LayerCounts, NotMeasured, Start
from benchrunner.run.device import Device
from benchrunner.run.draft import Draft
from benchrunner.run.prepare import Image, Prepared
from benchrunner.run.request import Observer, RunRequest, Step, StepTimer
from benchrunner.run.start_up import bring_up, check_identity
from benchrunner.session import mcu
from benchrunner.session.clock import LIMIT_PPM, Reading, finish_window, read_counter
from benchrunner.session.link import Link
from benchrunner.session.output import compare_outputs

_RECONCILED = 0.01  # the profiled layers and the clean total may differ by so much without a word


def measure(
    request: RunRequest,
    prepared: Prepared,
    image: Image,
    connection: Device,
    draft: Draft,
    timer: StepTimer,
    observer: Observer,
) -> None:
    """Bring the image to the board, start it, and talk to it from its manifest to its memory report."""
    limits, link = request.limits, Link(connection.transport, baud_hz=connection.baud_hz)

    def soon() -> Deadline:
        return Deadline(limits.request_s)

    manifest = bring_up(image, connection, link, limits, draft, timer, observer)
    with timer(Step.MANIFEST):
        check_identity(manifest, request, prepared, image, connection, draft)
    clock_hz = manifest.core_clock_hz
    chunk_bytes = data_bytes_per_message(manifest.max_payload_bytes)
    wire_s = sum(manifest.input_bytes) * 10 / connection.baud_hz  # start, 8 data, stop
    with timer(Step.INPUT):
        mcu.load_inputs(
            link, prepared.inputs, chunk_bytes=chunk_bytes, deadline=Deadline(limits.request_s + 4 * wire_s)
        )
    with timer(Step.COLD):
        began_s = time.monotonic()
        first = mcu.run_batch(link, 1, Deadline(limits.first_inference_s))
        waited_s = time.monotonic() - began_s
        if not first.first_is_cold:
            draft.warnings.append("the cold inference was not the first since reset")
        cold = first.samples[0]
    with timer(Step.OUTPUT):
        outputs = mcu.read_outputs(link, manifest, chunk_bytes=chunk_bytes, deadline=soon())
        draft.output = compare_outputs(
            outputs,
            prepared.reference,
            prepared.output_dtypes,
            reference_name=prepared.reference_name,
            tolerance_lsb=request.tolerance_lsb,
        )

    # What one inference takes here and now: on boards whose time is not wall time, what it took to wait for.
    inference_s = max(waited_s, cold.cycles / clock_hz * manifest.time_scale_permille / 1000)
    largest = min(manifest.max_samples, max(1, int(mcu.BATCH_S / inference_s)))

    def batch_deadline(count: int) -> Deadline:
        return Deadline(limits.request_s + 3 * count * inference_s)

    emulated = connection.fidelity is Fidelity.EMULATED
    checkable = not emulated and (manifest.time_scale_permille == 1000 or connection.shares_clock)
    opened = read_counter(link, connection.clock, soon())
    with timer(Step.WARM_UP):
        warmups = mcu.warm_up(link, count=request.warmups, largest=largest, deadline=batch_deadline)
    with timer(Step.TIMED):
        timed = mcu.run_series(
            link,
            request.runs,
            largest=largest,
            deadline=batch_deadline,
            progress=lambda done, total: observer.progress(done, total, "inferences"),
        )
        _check_answers(cold, (*warmups, *timed))
    draft.latency = _latency(manifest, cold, warmups, timed, emulated=emulated)
    with timer(Step.CLOCK):
        if checkable:
            deadline = Deadline(limits.request_s + 20)
            draft.clock = _clock(connection, link, opened, clock_hz, deadline, draft.warnings)
        else:
            why = (
                "an emulator counts instructions"
                if emulated
                else "the board says that its time is not wall time"
            )
            draft.clock = NotMeasured(why)
    with timer(Step.LAYERS):
        draft.layers = _layers(prepared, link, timed, draft.warnings, batch_deadline)
    with timer(Step.MEMORY):
        draft.memory = mcu.read_memory(link, soon())
    draft.warnings += [f"device: {log.text}" for log in link.logs]
    if link.counts.link_errors:
        draft.warnings.append(f"{link.counts.link_errors} damaged or lost frames were put right")


def _latency(
    manifest: Manifest,
    cold: Sample,
    warmups: Sequence[Sample],
    timed: Sequence[Sample],
    *,
    emulated: bool,
) -> Latency:
    return Latency(
        unit=CounterUnit.INSTRUCTIONS if emulated else CounterUnit.CYCLES,
        counter_hz=manifest.core_clock_hz,
        starts=(
            Start(
                init_counts=NotMeasured("the model is part of the image"),
                cold_counts=cold.cycles,
                warmup_counts=tuple(sample.cycles for sample in warmups),
                timed_counts=tuple(sample.cycles for sample in timed),
                output_crc32=tuple(sample.output_crc32 for sample in timed),
            ),
        ),
        overhead_counts=manifest.loop_overhead_cycles,
        overhead_subtracted=True,
    )


def _clock(
    connection: Device, link: Link, opened: Reading, nominal_hz: int, deadline: Deadline, warnings: list[str]
) -> ClockCheck:
    """The device's counter since `opened` against the host's clock; raises `ClockInvalidError`."""
    chip = connection.mcu.chip
    checked = finish_window(
        link,
        connection.clock,
        opened,
        nominal_hz=nominal_hz,
        deadline=deadline,
        tolerance_ppm=chip.clock_tolerance_ppm,
    )
    if chip.clock_tolerance_ppm > LIMIT_PPM:
        warnings.append(
            f"the clock comes from {chip.clock_source}, which is within "
            f"{chip.clock_tolerance_ppm / 1e4:g} %: milliseconds are no more exact than that"
        )
    return checked


def _check_answers(cold: Sample, later: tuple[Sample, ...]) -> None:
    """Every inference must give the answer that was checked."""
    for index, sample in enumerate(later):
        if sample.output_crc32 != cold.output_crc32:
            raise OutputMismatchError(
                f"inference {index + 1} after the cold one gave another output for the same input: CRC-32 "
                f"{sample.output_crc32:08x}, checked {cold.output_crc32:08x}",
                hint="the firmware keeps state between inferences, or memory is overwritten",
            )


def _layers(
    prepared: Prepared,
    link: Link,
    timed: tuple[Sample, ...],
    warnings: list[str],
    batch_deadline: Callable[[int], Deadline],
) -> tuple[LayerCounts, ...] | NotMeasured:
    """Cycles by layer, in a pass of its own, held against the clean total."""
    cycles, _ = mcu.profile_layers(link, batch_deadline(1))
    operators = prepared.model.graph.operators
    if len(cycles) != len(operators):
        return NotMeasured(f"the device times {len(cycles)} layers, the model has {len(operators)}")
    clean = median(sample.cycles for sample in timed)
    if abs(sum(cycles) - clean) > clean * _RECONCILED:
        warnings.append(f"layers sum to {sum(cycles)} cycles, a clean inference takes {clean:g}")
    return tuple(
        LayerCounts(operator.index, operator.name, layer)
        for operator, layer in zip(operators, cycles, strict=True)
    )
