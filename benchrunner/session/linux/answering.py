"""A runner on the board that has loaded a model once, and answers one set of inputs after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, Protocol

from benchrunner.deadline import Deadline
from benchrunner.errors import MalformedMessageError
from benchrunner.session.linux.events import (
    MAX_LINE_BYTES,
    Answered,
    Done,
    Event,
    EventLines,
    Hello,
    LoadedModel,
    MemoryUse,
    RunnerFailed,
)
from benchrunner.session.linux.failures import died, failure, tail, unexpected
from benchrunner.session.linux.start import ENVIRONMENT, StartRequest
from benchrunner.transport.shell import Dialogue, Shell

MAX_OUTPUT_BYTES: Final = MAX_LINE_BYTES // 2
"""All outputs of one set of inputs: they come as one event, in base64."""
_MAX_EXCHANGE_BYTES: Final = 4 * MAX_LINE_BYTES
_SLOWER: Final = 10  # than the slowest inference so far: a host that is busy, not a board that hangs


class Patience(Protocol):
    """How long a board may take, in seconds."""

    @property
    def command_s(self) -> float: ...

    @property
    def runtime_s(self) -> float: ...

    @property
    def first_inference_s(self) -> float: ...


class AnsweringRunner:
    """The runner's process, from its hello to its last answer."""

    def __init__(self, dialogue: Dialogue, request: StartRequest, where: str, limits: Patience) -> None:
        self._dialogue, self._request, self._where, self._limits = dialogue, request, where, limits
        self._lines = EventLines(self._take)
        self._hello: Hello | None = None
        self._loaded: LoadedModel | None = None
        self._answer: Answered | None = None
        self._failed: RunnerFailed | None = None
        self._done: Done | None = None
        self._answered = 0
        self._slowest_s = 0.0
        self._asked = False

    def begin(self) -> tuple[Hello, LoadedModel]:
        """The runtime that it has found, and the model that it has loaded."""
        limits = self._limits
        self._exchange(self._request.document() + b"\n", lambda: self._hello, limits.runtime_s)
        self._exchange(b"", lambda: self._loaded, limits.runtime_s + limits.first_inference_s)
        hello, loaded = self._hello, self._loaded
        assert hello is not None, "or `_exchange` had raised"
        assert loaded is not None, "or `_exchange` had raised"
        return hello, loaded

    def answer(self, inputs: Sequence[bytes]) -> tuple[bytes, ...]:
        """The outputs for `inputs`, which have the sizes that the runner has told.

        Raises `CaseFailedError` for what the runner says, `BoardError` for one that dies, and what the shell
        raises; nothing more can be asked then.
        """
        assert self._loaded is not None, "begin first"
        limits, known = self._limits, self._slowest_s
        limit_s = limits.command_s + (_SLOWER * known if known else limits.first_inference_s)
        deadline = Deadline(limit_s)
        self._answer, self._asked = None, True
        self._exchange(b"".join(inputs), lambda: self._answer, limit_s)
        self._slowest_s = max(self._slowest_s, limit_s - deadline.remaining_s())
        answer = self._answered_with()
        sizes = [len(data) for data in answer.outputs]
        if sizes != [tensor.size_bytes for tensor in self._loaded.outputs]:
            raise MalformedMessageError(
                f"{self._where}: the runner on the board answered outputs of {sizes} bytes for a model that "
                f"has {[tensor.size_bytes for tensor in self._loaded.outputs]}"
            )
        self._answered += 1
        return answer.outputs

    def _answered_with(self) -> Answered:
        assert self._answer is not None, "or `_exchange` had raised"
        return self._answer

    def end(self) -> None:
        """Nothing more is asked. Raises where the runner has not answered what was asked."""
        self._finish()
        if self._done is None or self._done.samples != self._answered:
            found = "nothing" if self._done is None else f"{self._done.samples}"
            raise MalformedMessageError(
                f"{self._where}: the runner on the board gave {self._answered} answers, and counts {found}"
            )

    def _exchange(self, data: bytes, wanted: Callable[[], Event | None], limit_s: float) -> None:
        """Send `data` and wait for the event, or for the end that came instead of it."""

        def take(piece: bytes) -> bool:
            self._lines.feed(piece)
            return wanted() is not None or self._failed is not None

        if wanted() is None:  # it may have come together with the one before
            self._dialogue.exchange(data, Deadline(limit_s), take=take, max_output_bytes=_MAX_EXCHANGE_BYTES)
        if self._failed is not None or wanted() is None:
            self._finish()
            raise MalformedMessageError(
                f"{self._where}: the runner on the board ended without a word after {self._last()}"
            )

    def _finish(self) -> None:
        """Wait for the end of the process. Raises where it was not a good one."""

        def take(piece: bytes) -> bool:
            self._lines.feed(piece)
            return False

        finished = self._dialogue.finish(Deadline(self._limits.command_s), take=take)
        said = tail(finished.stderr)
        if self._failed is not None:
            raise failure(self._failed, said)
        if finished.status != 0:
            raise died(
                self._where,
                self._request.python,
                finished.status,
                said,
                self._last(),
                started=self._hello is not None,
            )
        self._lines.end()

    def _take(self, event: Event) -> None:
        if self._done is not None or self._failed is not None:
            raise unexpected(event, "after the last event")
        if self._hello is None and not isinstance(event, Hello | RunnerFailed):
            raise unexpected(event, "before hello")
        match event:
            case Hello() if self._hello is None:
                self._hello = event
            case LoadedModel() if self._loaded is None:
                self._loaded = event
            case Answered() if self._asked and self._answer is None:
                self._answer = event
            case MemoryUse():
                pass
            case RunnerFailed():
                self._failed = event
            case Done():
                self._done = event
            case _:
                raise unexpected(event, "unasked")

    def _last(self) -> str:
        if self._answered:
            return f"{self._answered} answers"
        if self._loaded is not None:
            return "loading the model"
        return "finding a runtime" if self._hello is not None else "its start"


@contextmanager
def answering(shell: Shell, request: StartRequest, limits: Patience) -> Iterator[AnsweringRunner]:
    """Start the runner; its process ends with the block, and must end well where the block does."""
    argv = [request.python, request.runner]
    deadline = Deadline(limits.command_s)
    with shell.dialogue(argv, deadline, environment=ENVIRONMENT) as dialogue:
        runner = AnsweringRunner(dialogue, replace(request, answer=True), shell.description, limits)
        yield runner
        runner.end()
