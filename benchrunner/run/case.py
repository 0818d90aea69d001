"""One case from model to stored record: the steps in order, and what is kept when one of them ends it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime

from benchrunner import kept
from benchrunner.board import BoardKind
from benchrunner.emulator.machines import MACHINES
from benchrunner.errors import (
    BenchrunnerError,
    ClockInvalidError,
    DeviceFaultError,
    ExitStatus,
    OutputMismatchError,
    ReadoutProtectedError,
    StoreError,
    UsageError,
    WrongChipError,
)
from benchrunner.record import Fidelity, NotMeasured, Outcome, RunDocument
from benchrunner.run.access import connect
from benchrunner.run.draft import Draft
from benchrunner.run.measuring import measure
from benchrunner.run.prepare import Image, Prepared, make_image, prepare
from benchrunner.run.request import CaseResult, Observer, RunRequest, Step, StepTimer, uninterrupted
from benchrunner.store import clock_warning, new_run_id, require_writable, save_run

# Could not even be tried: nothing is stored, the error says what to do.
_NOT_TRIED = (UsageError, WrongChipError, ReadoutProtectedError)


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
                measure(request, prepared, image, connection, draft, timer, observer)
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
        outcome, reason, hint, status = _ended(error, draft)
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


def _ended(error: BenchrunnerError, draft: Draft) -> tuple[Outcome, str, str, ExitStatus]:
    """Outcome, reason, hint and exit status; what the error makes worthless is taken out of `draft`."""
    invalid = isinstance(error, ClockInvalidError)
    reason = error.message
    if isinstance(error, DeviceFaultError) and draft.image is not None:
        reason += _where(error, draft.image)
    if isinstance(error, ClockInvalidError | OutputMismatchError):
        why = "the clock cannot be trusted" if invalid else "the output is wrong"
        draft.latency = draft.layers = NotMeasured(why)
    return Outcome.INVALID if invalid else Outcome.FAILED, reason, error.hint, error.exit_status


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
