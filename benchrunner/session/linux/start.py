"""One start of the runner on the board: its request, its events in their order, its outputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchrunner.deadline import Deadline
from benchrunner.errors import BoardError, MalformedMessageError, OutputMismatchError
from benchrunner.session.linux.events import (
    VERSION,
    Answered,
    Calibrated,
    Done,
    Event,
    EventLines,
    Hello,
    LoadedModel,
    MemoryUse,
    OutputsWritten,
    RunnerFailed,
    SampleTaken,
    TimingMethod,
)
from benchrunner.session.linux.failures import HINTS, died, failure, tail, unexpected
from benchrunner.transport.shell import Shell

PROGRAM: Final = Path(__file__).with_name("board_runner.py")
EMPTY_MODEL: Final = Path(__file__).with_name("empty.tflite")
ENVIRONMENT: Final = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
_BYTES_PER_SAMPLE: Final = 256  # of an event
_OTHER_EVENT_BYTES: Final = 4 << 20
_MAX_OUTPUT_BYTES: Final = 256 << 20  # of one tensor


@dataclass(frozen=True, slots=True)
class StartRequest:
    """Paths are of the board."""

    python: str
    runner: str
    model: str
    inputs: tuple[str, ...]
    outputs: str
    runs: int
    runtime: str = "auto"
    kernels: str = "default"
    threads: int = 1
    affinity: tuple[int, ...] | None = None
    delegate: str | None = None
    warmups: int | None = None
    timing: str = "auto"
    calibration: str | None = None
    native_library: str | None = None
    answer: bool = False  # the outputs of inputs that come on standard input, and no times

    def document(self) -> bytes:
        return json.dumps(
            {
                "version": VERSION,
                "model": self.model,
                "inputs": list(self.inputs),
                "outputs": self.outputs,
                "runtime": self.runtime,
                "kernels": self.kernels,
                "threads": self.threads,
                "affinity": None if self.affinity is None else list(self.affinity),
                "delegate": self.delegate,
                "delegate_options": {},
                "runs": self.runs,
                "warmups": self.warmups,
                "timing": self.timing,
                "calibration": self.calibration,
                "native_library": self.native_library,
                "answer": self.answer,
            }
        ).encode()


@dataclass(slots=True)
class StartResult:
    """What a start said, complete once it is returned."""

    hello: Hello
    loaded: LoadedModel
    timing: TimingMethod
    calibrated: Calibrated | None
    samples: tuple[SampleTaken, ...]
    output_files: tuple[str, ...]
    output_sha256: tuple[str, ...]
    memory: tuple[MemoryUse, ...]
    done: Done
    remarks: str  # what was printed beside the events

    def of(self, phase: str) -> tuple[SampleTaken, ...]:
        return tuple(sample for sample in self.samples if sample.phase == phase)

    @property
    def cold(self) -> SampleTaken:
        return self.of("cold")[0]


def run_start(
    shell: Shell,
    request: StartRequest,
    deadline: Deadline,
    watch: Callable[[Event], None] = lambda _: None,
) -> StartResult:
    """Start the runner and wait for its end; `watch` is told every event as it comes.

    Raises `CaseFailedError` for what the runner says, `BoardError` for a board without Python or a runner
    that dies, `MalformedMessageError` for anything that is not the protocol, and what the shell raises.
    """
    conversation = _Conversation(request.runs, watch)
    lines = EventLines(conversation.take)
    finished = shell.run(
        [request.python, request.runner],
        deadline,
        stdin=request.document(),
        environment=ENVIRONMENT,
        max_output_bytes=_OTHER_EVENT_BYTES + _BYTES_PER_SAMPLE * (request.runs + 200),
        on_stdout=lines.feed,
    )
    said = tail(finished.stderr)
    if conversation.failed is not None:
        raise failure(conversation.failed, said)
    if finished.status != 0:
        started = conversation.hello is not None
        raise died(
            shell.description, request.python, finished.status, said, conversation.last(), started=started
        )
    lines.end()
    return conversation.result(said)


def fetch_outputs(shell: Shell, start: StartResult, deadline: Deadline) -> tuple[bytes, ...]:
    """The outputs of the first inference, as the board's files have them.

    Raises `BoardError` where they differ from what the runner said, or are larger than the model's.
    """
    found = []
    tensors = start.loaded.outputs
    for path, digest, tensor in zip(start.output_files, start.output_sha256, tensors, strict=True):
        if tensor.size_bytes > _MAX_OUTPUT_BYTES:
            raise BoardError(
                f"{shell.description}: output {tensor.name}: {tensor.size_bytes} bytes are too many"
            )
        data = shell.get(path, deadline, max_bytes=tensor.size_bytes)
        if hashlib.sha256(data).hexdigest() != digest:
            raise BoardError(f"{shell.description}: {path} is not what the runner wrote: its SHA-256 differs")
        found.append(data)
    return tuple(found)


@dataclass(slots=True)
class _Conversation:
    """Events in the order of the protocol; anything else raises `MalformedMessageError`."""

    runs: int
    watch: Callable[[Event], None]
    failed: RunnerFailed | None = None
    hello: Hello | None = None
    loaded: LoadedModel | None = None
    timing: TimingMethod | None = None
    calibrated: Calibrated | None = None
    samples: list[SampleTaken] = field(default_factory=list)
    outputs: OutputsWritten | None = None
    memory: list[MemoryUse] = field(default_factory=list)
    done: Done | None = None

    def take(self, event: Event) -> None:
        if self.done is not None or self.failed is not None:
            raise unexpected(event, "after the last event")
        if self.hello is None and not isinstance(event, Hello | RunnerFailed):
            raise unexpected(event, "before hello")
        match event:
            case Hello():
                if self.hello is not None:
                    raise unexpected(event, "twice")
                self.hello = event
            case Calibrated():
                self.calibrated = event
            case LoadedModel():
                if self.loaded is not None:
                    raise unexpected(event, "twice")
                self.loaded = event
            case TimingMethod():
                if self.loaded is None or any(sample.phase == "timed" for sample in self.samples):
                    raise unexpected(event, "out of order")
                self.timing = event
            case SampleTaken():
                self._sample(event)
            case OutputsWritten():
                self._outputs(event)
            case MemoryUse():
                if len(self.memory) > 8:
                    raise unexpected(event, "too often")
                self.memory.append(event)
            case Answered():
                raise unexpected(event, "unasked")
            case Done():
                self.done = event
            case RunnerFailed():
                self.failed = event
        self.watch(event)

    def _sample(self, event: SampleTaken) -> None:
        if self.loaded is None or (event.phase == "cold") != (not self.samples):
            raise unexpected(event, "out of order")
        if event.phase == "timed" and self.timing is None:
            raise unexpected(event, "before timing")
        if event.phase == "timed" and event.ns == 0:
            raise unexpected(event, "of 0 ns")
        if event.phase == "warmup" and self.samples[-1].phase == "timed":
            raise unexpected(event, "out of order")
        if self.samples and event.crc32 != self.samples[0].crc32:
            raise OutputMismatchError(
                f"an inference gave another output for the same input: CRC-32 {event.crc32:08x}, "
                f"checked {self.samples[0].crc32:08x}",
                hint=HINTS["output_changed"],
            )
        self.samples.append(event)

    def _outputs(self, event: OutputsWritten) -> None:
        if self.loaded is None or not self.samples or self.outputs is not None:
            raise unexpected(event, "out of order")
        if not len(event.files) == len(event.sha256) == len(self.loaded.outputs):
            raise unexpected(event, f"of {len(event.files)} files for {len(self.loaded.outputs)} outputs")
        self.outputs = event

    def result(self, remarks: str) -> StartResult:
        parts = (self.hello, self.loaded, self.timing, self.outputs, self.done)
        timed = sum(sample.phase == "timed" for sample in self.samples)
        match parts:
            case (
                Hello() as hello,
                LoadedModel() as loaded,
                TimingMethod() as timing,
                outputs,
                Done() as done,
            ):
                if outputs is None or timed != self.runs or done.samples != len(self.samples):
                    raise MalformedMessageError(
                        f"the runner on the board: expected {self.runs} timed samples and the outputs, found "
                        f"{timed} of {done.samples} announced"
                    )
                return StartResult(
                    hello=hello,
                    loaded=loaded,
                    timing=timing,
                    calibrated=self.calibrated,
                    samples=tuple(self.samples),
                    output_files=outputs.files,
                    output_sha256=outputs.sha256,
                    memory=tuple(self.memory),
                    done=done,
                    remarks=remarks,
                )
        raise MalformedMessageError(
            f"the runner on the board ended without a word after {self.last()}",
            hint="the record's log has what it printed",
        )

    def last(self) -> str:
        if self.samples:
            return f"{len(self.samples)} inferences"
        if self.loaded is not None:
            return "loading the model"
        return "finding a runtime" if self.hello is not None else "its start"
