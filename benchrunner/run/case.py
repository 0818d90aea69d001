"""One case from model to stored record: the steps in order, and what is kept when one of them ends it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from statistics import median

from benchrunner import kept
from benchrunner.board import BoardKind
from benchrunner.deadline import Deadline
from benchrunner.emulator.machines import MACHINES
from benchrunner.errors import (
    BenchrunnerError,
    ClockInvalidError,
    DeviceFaultError,
    ExitStatus,
    LabError,
    OutputMismatchError,
    ReadoutProtectedError,
    StoreError,
    UsageError,
    WrongChipError,
    WrongImageError,
)
from benchrunner.protocol.exchange import data_bytes_per_message
from benchrunner.protocol.messages import FidelityCode, Manifest, Sample
from benchrunner.record import (
    CounterUnit,
    Fidelity,
    Latency,
    LayerCounts,
    NotMeasured,
    Outcome,
    RunDocument,
    Start,
)
from benchrunner.run.access import connect
from benchrunner.run.device import Device
from benchrunner.run.draft import Draft, conditions, timing_model
from benchrunner.run.prepare import Image, Prepared, make_image, prepare
from benchrunner.run.request import (
    CaseResult,
    Limits,
    Observer,
    RunRequest,
    Step,
    StepTimer,
    uninterrupted,
)
from benchrunner.session import mcu
from benchrunner.session.clock import LIMIT_PPM, finish_window, read_counter
from benchrunner.session.link import Link
from benchrunner.session.output import compare_outputs
from benchrunner.store import clock_warning, new_run_id, require_writable, save_run

_FIDELITY = {
    FidelityCode.MEASURED: Fidelity.MEASURED,
    FidelityCode.EMULATED: Fidelity.EMULATED,
    FidelityCode.SIMULATED: Fidelity.SIMULATED,
}
# Could not even be tried: nothing is stored, the error says what to do.
_NOT_TRIED = (UsageError, WrongChipError, ReadoutProtectedError)
_RECONCILED = 0.01  # the profiled layers and the clean total may differ by so much without a word


def run_case(request: RunRequest, observer: Observer) -> CaseResult:
    """Run one case and store its record.

    Whatever ends the case after the board was identified becomes a record with its reason; Ctrl-C at any
    step after the analysis does, too. What could not be tried raises, and nothing is stored.
    """
    if request.board.kind is BoardKind.LINUX:
        from benchrunner.run.linux import run_linux_case

        return run_linux_case(request, observer)
    started_at, began_ns = datetime.now(UTC), time.perf_counter_ns()
    run_id = request.run_id or new_run_id(started_at)
    timer = StepTimer(observer)
    with timer(Step.ANALYSE, request.model.name):
        prepared = prepare(request)
        require_writable(request.results, run_id)
    draft = Draft(Fidelity.SIMULATED)  # until the device says what it is; it has no number before that
    if problem := clock_warning(request.results, run_id):
        draft.warnings.append(problem)
    outcome, reason, hint, status = Outcome.OK, "", "", ExitStatus.GOOD
    try:
        with ExitStack() as stack:
            with timer(Step.CONNECT):
                connection = stack.enter_context(connect(request, observer))
                draft.place, draft.port = connection.place, connection.port
                draft.fidelity = connection.fidelity
            try:
                with timer(Step.IMAGE):
                    image = make_image(request, prepared, connection)
                    draft.image = image
                    _keep(request, prepared, image, observer)
                    if image.kept_input_bytes:
                        draft.warnings.append(
                            f"{image.kept_input_bytes} bytes of RAM beside the table's keep a copy of the "
                            "input, which an inference overwrites; an application has its own"
                        )
                _measure(request, prepared, image, connection, draft, timer, observer)
            except BaseException as error:
                left = connection.leave_sane(timer.current)
                if not isinstance(error, _NOT_TRIED):
                    draft.warnings.append(left)
                raise
    except KeyboardInterrupt:
        outcome, reason, status = (
            Outcome.ABANDONED,
            f"stopped by {request.stopped_by} in step {timer.current}",
            ExitStatus.INTERRUPTED,
        )
        if not draft.warnings:
            draft.warnings.append("the board was not touched")
    except _NOT_TRIED:
        raise
    except BenchrunnerError as error:
        if timer.current in (Step.IMAGE, Step.CONNECT):
            raise
        invalid = isinstance(error, ClockInvalidError)
        outcome = Outcome.INVALID if invalid else Outcome.FAILED
        reason, hint, status = error.message, error.hint, error.exit_status
        if isinstance(error, DeviceFaultError) and draft.image is not None:
            reason += _where(error, draft.image)
        if isinstance(error, ClockInvalidError | OutputMismatchError):
            why = "the clock cannot be trusted" if invalid else "the output is wrong"
            draft.latency = draft.layers = NotMeasured(why)
    last_step = Step.STORE if outcome is Outcome.OK else timer.current
    try:
        with uninterrupted(), timer(Step.STORE):
            measurement = draft.measurement(
                request,
                prepared,
                outcome=outcome,
                reason=reason,
                step=last_step,
                steps_ns=dict(timer.elapsed_ns),
                started_at=started_at,
                duration_ns=time.perf_counter_ns() - began_ns,
            )
            path = save_run(RunDocument(run_id, (measurement,)), request.results)
    except StoreError as error:  # a full disk must not cost the numbers: whoever called still gets them
        return CaseResult(measurement, None, error.exit_status, error.hint, error.message)
    except KeyboardInterrupt:
        status = ExitStatus.INTERRUPTED  # it came while the record was written, which was finished first
    return CaseResult(measurement, path, status, hint)


def _keep(request: RunRequest, prepared: Prepared, image: Image, observer: Observer) -> None:
    """Keep what runs: the gate brings it to a board again, in turns with what ran in another night."""
    if request.board.id in MACHINES:
        return  # QEMU loads an ELF file: the bytes alone could not be run again
    ran: tuple[tuple[str, kept.Kind, bytes], ...] = (
        (image.info.image_sha256.hex(), kept.IMAGE, image.data),
        (prepared.model.sha256, kept.MODEL, prepared.model_bytes),
    )
    for sha256, kind, data in ran:
        if problem := kept.keep(request.results, sha256, kind, data):
            observer.note(problem)
            return  # what is wrong with the disk is said once


def _where(error: DeviceFaultError, image: Image) -> str:
    """The function and layer of a fault, where the firmware was built here."""
    if image.built is None:
        return ""
    from benchrunner.firmware.fault import explain_fault

    found = explain_fault(error.text, image.built.project, image.built.firmware)
    return f"; {found}" if found else ""


def _measure(
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
    wire_s = sum(manifest.input_bytes) * 10 / connection.baud_hz
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
    draft.latency = Latency(
        unit=CounterUnit.INSTRUCTIONS if emulated else CounterUnit.CYCLES,
        counter_hz=clock_hz,
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
    with timer(Step.CLOCK):
        if checkable:
            chip = connection.mcu.chip
            draft.clock = finish_window(
                link,
                connection.clock,
                opened,
                nominal_hz=clock_hz,
                deadline=Deadline(limits.request_s + 20),
                tolerance_ppm=chip.clock_tolerance_ppm,
            )
            if chip.clock_tolerance_ppm > LIMIT_PPM:
                draft.warnings.append(
                    f"the clock comes from {chip.clock_source}, which is within "
                    f"{chip.clock_tolerance_ppm / 1e4:g} %: milliseconds are no more exact than that"
                )
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


def check_identity(
    manifest: Manifest,
    request: RunRequest,
    prepared: Prepared,
    image: Image,
    connection: Device,
    draft: Draft,
) -> None:
    """Refuse firmware that is not what was built for this chip; keep the conditions that it announces.

    Raises `WrongImageError` and as `mcu.check_manifest`.
    """
    announced = _FIDELITY[manifest.fidelity]
    if announced is not connection.fidelity:
        raise WrongImageError(
            f"the chip is {connection.fidelity} by its unique id, its firmware announces {announced}",
            hint="a number must not pass for what it is not: rebuild the firmware for this board",
        )
    draft.conditions = conditions(manifest)
    draft.timing_model = timing_model(manifest)
    mcu.check_manifest(
        manifest,
        mcu.Expected(
            board=request.board.id,
            chip_id=connection.mcu.chip.chip_id,
            image_sha256=image.info.image_sha256,
            model_sha256=bytes.fromhex(prepared.model.sha256),
            input_bytes=tuple(len(data) for data in prepared.inputs),
            output_bytes=tuple(len(data) for data in prepared.reference),
        ),
    )


def bring_up(
    image: Image,
    connection: Device,
    link: Link,
    limits: Limits,
    draft: Draft,
    timer: StepTimer,
    observer: Observer,
) -> Manifest:
    """Flash the image and start it.

    Where flash was taken as unchanged by samples, the SHA-256 that the firmware announces is the proof;
    without it every byte is compared after all (docs/decisions/reflash.md).
    """

    def flash(*, full: bool) -> bool:
        """Whether all of the image was seen in flash, and not only samples of it."""
        with timer(Step.FLASH, f"{len(image.data) / 1024:.1f} KiB"):
            draft.flashing = connection.program(
                image,
                lambda done, total: observer.progress(done, total, "bytes"),
                Deadline(limits.flash_s),
                full=full,
            )
        return isinstance(draft.flashing, NotMeasured) or draft.flashing.verified_by != "sample"

    def boot() -> Manifest:
        with timer(Step.BOOT):
            connection.start_application(Deadline(limits.boot_s))
            return link.wait_for_manifest(Deadline(limits.boot_s))

    seen = flash(full=False)
    try:
        manifest = boot()
        if seen or manifest.image_sha256 == image.info.image_sha256:
            return manifest
        problem = "the firmware announces another image"
    except LabError as error:
        if seen:
            raise
        problem = error.message
    draft.warnings.append(f"flash looked unchanged by samples, but {problem}: every byte was compared")
    with timer(Step.CONNECT):
        connection.identify(Deadline(limits.connect_s))
    flash(full=True)
    return boot()


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
