"""One case on a Linux board from model to stored record: the steps in order, and what an early end leaves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Final

from benchrunner import kept
from benchrunner.deadline import Deadline
from benchrunner.errors import (
    BenchrunnerError,
    ExitStatus,
    NotFitError,
    OutputMismatchError,
    StoreError,
    UsageError,
    WrongBoardError,
)
from benchrunner.model import layer_costs
from benchrunner.record import Fidelity, NotMeasured, Outcome, RunDocument, TimingModel
from benchrunner.run.linux import tflite, tools
from benchrunner.run.linux.access import Reached, reach, staged
from benchrunner.run.linux.draft import LinuxDraft
from benchrunner.run.linux.identify import identify
from benchrunner.run.linux.prepare import PreparedLinux, prepare_linux
from benchrunner.run.linux_timing import simulated_timing
from benchrunner.run.request import CaseResult, Observer, RunRequest, Step, StepTimer, uninterrupted
from benchrunner.session.linux.conditions import Conditions, read_conditions
from benchrunner.session.linux.preflight import (
    Policy,
    degradations,
    judge,
    looks_busy,
    other_cpus,
    others_at_work,
    unfit,
)
from benchrunner.session.linux.tune import recover, tuned
from benchrunner.store import clock_warning, new_run_id, require_writable, save_run
from benchrunner.transport.shell import Shell

# Could not even be tried: nothing is stored, the error says what to do.
_NOT_TRIED: Final = (UsageError, WrongBoardError, NotFitError)
_SECOND_LOOK_S: Final = 1.0


def run_linux_case(request: RunRequest, observer: Observer) -> CaseResult:
    """Run one case and store its record.

    Whatever ends the case after the board has said what it is becomes a record with its reason; Ctrl-C does,
    too. What could not be tried raises, and nothing is stored.
    """
    started_at, began_ns = datetime.now(UTC), time.perf_counter_ns()
    run_id = request.run_id or new_run_id(started_at)
    timer = StepTimer(observer)
    with timer(Step.ANALYSE, request.model.name):
        prepared = prepare_linux(request)
        require_writable(request.results, run_id)
    draft = LinuxDraft(prepared.case)
    if problem := clock_warning(request.results, run_id):
        draft.warnings.append(problem)
    outcome, reason, hint, status = Outcome.OK, "", "", ExitStatus.GOOD
    try:
        with ExitStack() as stack:
            with timer(Step.CONNECT):
                reached = stack.enter_context(reach(request, observer))
                draft.place, draft.port = reached.place, reached.shell.description
            moved = _measure(request, prepared, reached, draft, timer, observer)
        if moved:
            outcome, reason = Outcome.DEGRADED, "; ".join(moved)
            hint = _advice(request, draft)
            if request.linux.policy is Policy.REFUSE:
                status = ExitStatus.INCONCLUSIVE
    except KeyboardInterrupt:
        if draft.fidelity is None:
            raise
        outcome, status = Outcome.ABANDONED, ExitStatus.INTERRUPTED
        reason = f"stopped by {request.stopped_by} in step {timer.current}"
    except _NOT_TRIED:
        raise
    except BenchrunnerError as error:
        if draft.fidelity is None:
            raise
        outcome, reason, hint, status = Outcome.FAILED, error.message, error.hint, error.exit_status
        if isinstance(error, OutputMismatchError):
            draft.latency = NotMeasured("the output is wrong")
    last_step = Step.STORE if outcome in (Outcome.OK, Outcome.DEGRADED) else timer.current
    try:
        with uninterrupted(), timer(Step.STORE):
            measurement = draft.measurement(
                request,
                outcome=outcome,
                reason=reason,
                step=last_step,
                steps_ns=dict(timer.elapsed_ns),
                started_at=started_at,
                duration_ns=time.perf_counter_ns() - began_ns,
            )
            path = save_run(RunDocument(run_id, (measurement,)), request.results)
            model = prepared.model_bytes
            if problem := kept.keep(request.results, prepared.case.model_sha256, kept.MODEL, model):
                observer.note(problem)
    except StoreError as error:  # a full disk must not cost the numbers: whoever called still gets them
        return CaseResult(measurement, None, error.exit_status, error.hint, error.message)
    except KeyboardInterrupt:
        status = ExitStatus.INTERRUPTED  # it came while the record was written, which was finished first
    return CaseResult(measurement, path, status, hint)


def _measure(
    request: RunRequest,
    prepared: PreparedLinux,
    reached: Reached,
    draft: LinuxDraft,
    timer: StepTimer,
    observer: Observer,
) -> list[str]:
    """Everything that is done on the board; returns how its conditions moved meanwhile."""
    options, shell, root = request.linux, reached.shell, request.linux.system_root

    def soon() -> Deadline:
        return Deadline(request.limits.command_s)

    with ExitStack() as stack, _left_soon(shell, observer):
        with timer(Step.CONDITIONS):
            if recover(shell, soon(), root=root):
                draft.warnings.append(
                    "an earlier run had left the frequency pinned: the governor was given back"
                )
            conditions = read_conditions(shell, soon(), root=root)
            identify(request, conditions, draft)
            draft.conditions |= reached.facts
            if options.tune:
                how = stack.enter_context(tuned(shell, soon(), root=root, warnings=draft.warnings))
                draft.conditions |= {"tuned_cpus": how.cpus, "governor_before_tuning": how.was}
                if not how.watched:
                    draft.warnings.append(
                        "no process on the board watches over the governor: after a lost connection only the "
                        "next contact gives it back"
                    )
            if draft.fidelity is Fidelity.EMULATED and not reached.counts_instructions:
                draft.warnings.append("the clock of an emulator: its nanoseconds are no time of any board")
            if draft.fidelity is Fidelity.SIMULATED:
                draft.timing_model = _timing(request, prepared, draft)
            before = _fit(request, prepared, reached, draft)
        with timer(Step.COPY):
            staging = stack.enter_context(staged(shell, soon(), draft.warnings))
            if request.engine == tflite.ENGINE:
                start = tflite.copy(request, prepared, before, staging, draft)
            else:
                tool_request = tools.copy(request, prepared, staging)
        if request.engine == tflite.ENGINE:
            tflite.measure(
                request,
                prepared,
                start,
                shell,
                before,
                draft,
                timer,
                observer,
                counts_instructions=reached.counts_instructions,
            )
        else:
            tools.measure(
                request,
                tool_request,
                shell,
                draft,
                timer,
                observer,
                counts_instructions=reached.counts_instructions,
            )
        with timer(Step.AFTER):
            after = read_conditions(shell, soon(), root=root)
            draft.conditions_after = after.moving_facts()
            return _moved(request, before, after, draft)


@contextmanager
def _left_soon(shell: Shell, observer: Observer) -> Iterator[None]:
    """After Ctrl-C the board is put back in the time that is left for it; a second one leaves it as it is."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        shell.leave_soon(interrupt)
        observer.note("stopping: the board is put back; another Ctrl-C leaves it to the next contact")
        raise


def _timing(request: RunRequest, prepared: PreparedLinux, draft: LinuxDraft) -> TimingModel | NotMeasured:
    """Where a simulated board's times come from, and how far they may be off: it executes nothing."""
    system, options = request.board.linux, request.linux
    assert system is not None
    return simulated_timing(
        draft.case,
        layer_costs(prepared.model),
        core=system.core,
        threads=min(options.threads, len(options.affinity or range(options.threads))),
        x_linux_ai_version=str(draft.conditions.get("x_linux_ai_version", "")),
    )


def _fit(request: RunRequest, prepared: PreparedLinux, reached: Reached, draft: LinuxDraft) -> Conditions:
    """The conditions under which the case begins, judged by the policy."""
    options, shell = request.linux, reached.shell

    def read() -> Conditions:
        return read_conditions(shell, Deadline(request.limits.command_s), root=options.system_root)

    conditions, later = read(), None
    if looks_busy(conditions, options.fit):
        time.sleep(_SECOND_LOOK_S)
        later = read()
    draft.busy_before = others_at_work(conditions, later, options.fit)
    problems = unfit(conditions, later, model_bytes=len(prepared.model_bytes), limits=options.fit)
    judge(problems, options.policy, draft.port)
    draft.warnings += problems
    before = later or conditions
    draft.conditions |= before.moving_facts()
    draft.note_accelerator_clock(before.npu_clock_hz)
    return before


def _advice(request: RunRequest, draft: LinuxDraft) -> str:
    """What to do about conditions that moved: nothing that was done already, or has no effect there."""
    if request.linux.tune:
        return "let nothing else run on the board, and let it cool down"
    alone = "let nothing else run on the board"
    return alone if draft.fidelity is Fidelity.EMULATED else f"--tune pins the frequency; {alone}"


def _moved(request: RunRequest, before: Conditions, after: Conditions, draft: LinuxDraft) -> list[str]:
    seen = [khz for start in draft.frequencies for limits in start.values() for khz in limits]
    if seen:
        draft.conditions_after |= {"cpu_lowest_khz": min(seen), "cpu_highest_khz": max(seen)}
    limits = request.linux.fit
    if draft.tool_load is None:
        others, own_cpu_s = other_cpus(before, after, draft.own_cpu_s), draft.own_cpu_s
    else:
        # Over the whole case it would have to be known what copying the model took: the calls are looked at.
        others, own_cpu_s = draft.tool_load.other_cpus(before.cpus or len(before.online)), float("inf")
    if others is not None:
        draft.conditions_after["other_cpus"] = f"{others:.2f}"
    found = degradations(before, after, draft.frequencies, own_cpu_s=own_cpu_s, limits=limits)
    if draft.tool_load is not None and others is not None and others > limits.other_cpu_share:
        found.append(f"others used {others:.2f} CPUs while the tool ran (limit {limits.other_cpu_share:g})")
    # A short case may end within what the harness's own commands are allowed to use.
    return [*found, draft.busy_before] if draft.busy_before else found
