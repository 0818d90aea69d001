"""A Linux board whose runtime has the model loaded, and answers many inputs over one connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchrunner.accuracy.device import DeviceFacts
from benchrunner.errors import UsageError
from benchrunner.run.linux.answering import LinuxAnswers, linux_answers
from benchrunner.run.linux.prepare import PreparedLinux, prepare_linux
from benchrunner.run.request import Observer, RunRequest
from benchrunner.runtime import Interpreter
from benchrunner.session.linux.answering import MAX_OUTPUT_BYTES

ENGINE = "tflite"  # the boards' own tools keep their outputs to themselves


class LinuxDevice:
    """`DeviceAnswers` of a runner."""

    def __init__(self, answers: LinuxAnswers) -> None:
        draft = answers.draft
        assert draft.fidelity is not None, "the board has said what it is"
        self._runner = answers.runner
        self.facts = DeviceFacts(
            fidelity=draft.fidelity,
            board_name=draft.case.board_name,
            engine_version=draft.case.engine_version,
            place=draft.place,
            port=draft.port,
            image_sha256="",
            conditions=draft.conditions,
            warnings=(),
            exact=answers.exact,
            kernels=answers.kernels,
            options=dict(draft.case.options),
        )

    def answer(self, tensor: bytes) -> bytes:
        (output,) = self._runner.answer((tensor,))
        return output


def prepare_on_linux(request: RunRequest) -> PreparedLinux:
    """What the host decides before it touches the board. Raises `UsageError`, `ModelError`."""
    if request.engine != ENGINE:
        raise UsageError(
            f"engine {request.engine!r}: accuracy on a Linux board is for engine {ENGINE}, whose runner "
            "takes inputs and gives outputs; the boards' own tools keep theirs to themselves",
            hint=f"--engine {ENGINE}, with --delegate for an accelerator",
        )
    return prepare_linux(request)


@contextmanager
def linux_device(
    request: RunRequest, prepared: PreparedLinux, host: Interpreter, observer: Observer
) -> Iterator[LinuxDevice]:
    """The board with the model loaded, for the length of the block. Raises as `linux_answers`."""
    size_bytes = sum(tensor.size_bytes for tensor in host.outputs)
    if size_bytes > MAX_OUTPUT_BYTES:
        raise UsageError(f"{request.model}: an output of {size_bytes} bytes; {MAX_OUTPUT_BYTES} are the most")
    with linux_answers(request, prepared, host, observer) as answers:
        yield LinuxDevice(answers)
