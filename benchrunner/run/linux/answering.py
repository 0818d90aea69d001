"""A Linux board that answers many inputs: reached, identified and left as a case on it, and not timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchrunner.deadline import Deadline
from benchrunner.errors import BoardError, FallBackError
from benchrunner.run.linux.access import reach, staged
from benchrunner.run.linux.draft import LinuxDraft
from benchrunner.run.linux.identify import identify
from benchrunner.run.linux.prepare import PreparedLinux
from benchrunner.run.linux.tflite import describe_runtime, plain_start, runtime_to_the_bit
from benchrunner.run.request import Observer, RunRequest, Step, StepTimer
from benchrunner.runtime import Interpreter, KernelSet, reference_name
from benchrunner.session.linux.answering import AnsweringRunner, answering
from benchrunner.session.linux.conditions import read_conditions
from benchrunner.session.linux.events import LoadedModel
from benchrunner.session.linux.tune import recover


@dataclass(frozen=True, slots=True)
class LinuxAnswers:
    """The runner with the model loaded, and what is known about the board."""

    runner: AnsweringRunner
    draft: LinuxDraft
    kernels: str  # what computes on the board, for people
    exact: str  # the kernel set of this computer that must give the same bytes; empty: none is the same


@contextmanager
def linux_answers(
    request: RunRequest, prepared: PreparedLinux, host: Interpreter, observer: Observer
) -> Iterator[LinuxAnswers]:
    """The board with the model loaded, for the length of the block; nothing of it stays on the board.

    Raises what `run_linux_case` raises or stores as the reason of a failed case.
    """
    timer, draft = StepTimer(observer), LinuxDraft(prepared.case)
    try:
        with ExitStack() as stack:
            yield _started(request, prepared, host, draft, stack, timer, observer)
    finally:
        for text in draft.warnings:
            observer.note(text)


def _started(
    request: RunRequest,
    prepared: PreparedLinux,
    host: Interpreter,
    draft: LinuxDraft,
    stack: ExitStack,
    timer: StepTimer,
    observer: Observer,
) -> LinuxAnswers:
    root = request.linux.system_root
    with timer(Step.CONNECT):
        reached = stack.enter_context(reach(request, observer))
        shell = reached.shell
        draft.place, draft.port = reached.place, shell.description
    with timer(Step.CONDITIONS):
        if recover(shell, Deadline(request.limits.command_s), root=root):
            observer.note("an earlier run had left the frequency pinned: the governor was given back")
        conditions = read_conditions(shell, Deadline(request.limits.command_s), root=root)
        identify(request, conditions, draft)
        draft.conditions |= reached.facts
    with timer(Step.COPY):
        staging = stack.enter_context(staged(shell, Deadline(request.limits.command_s), draft.warnings))
        start = plain_start(request, prepared, staging, Deadline(request.limits.copy_s))
    with timer(Step.START):
        runner = stack.enter_context(answering(shell, start, request.limits))
        hello, loaded = runner.begin()
        _same_tensors(loaded, host, draft.port)
        describe_runtime(draft, hello, loaded)
        kernels = _kernels(request, loaded)
    here = runtime_to_the_bit(request, hello, conditions.machine)
    return LinuxAnswers(runner, draft, kernels, reference_name(KernelSet.BUILTIN, here) if here else "")


def _same_tensors(loaded: LoadedModel, host: Interpreter, where: str) -> None:
    """Inputs are sent as bytes: the board must cut them where this computer does."""
    for name, theirs, ours in (
        ("inputs", loaded.inputs, host.inputs),
        ("outputs", loaded.outputs, host.outputs),
    ):
        found = [(tensor.dtype, tensor.size_bytes) for tensor in theirs]
        expected = [(tensor.dtype, tensor.size_bytes) for tensor in ours]
        if found != expected:
            raise BoardError(f"{where}: the board's runtime has {name} of {found}, here they are {expected}")


def _kernels(request: RunRequest, loaded: LoadedModel) -> str:
    """Raises `FallBackError` where nobody knows whether the delegate computes anything."""
    if loaded.delegate is not None:
        if not loaded.delegated:
            raise FallBackError(
                f"{loaded.delegate}: the runtime on the board does not tell whether it took any of the model",
                hint="answers of the CPU would pass for its own: leave --delegate away to measure those",
            )
        return f"{loaded.delegate}, {loaded.delegated} of {loaded.operators} nodes"
    if request.linux.kernels == "reference":
        return "without default delegates"
    match loaded.delegated:
        case None:
            return "default"
        case 0:
            return "default, which has no XNNPACK"
        case _:
            return "default, with XNNPACK"
