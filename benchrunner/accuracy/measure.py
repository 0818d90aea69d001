"""The measurement: every image through the float model, the host and the device, kept as it goes."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from benchrunner.accuracy.classifier import Classifier, load_classifier
from benchrunner.accuracy.comparison import References, Rule
from benchrunner.accuracy.dataset import Dataset, open_dataset
from benchrunner.accuracy.device import DeviceAnswers
from benchrunner.accuracy.document import FOLDER, AccuracyDocument, save_accuracy
from benchrunner.accuracy.identity import chosen_images, identity_of, now, provenance_of
from benchrunner.accuracy.journal import Answer, Journal
from benchrunner.accuracy.linux import linux_device, prepare_on_linux
from benchrunner.accuracy.mcu import mcu_answers, prepare_mcu
from benchrunner.accuracy.preprocessing import Preprocessing, encode, pixels_of, stated, values_of
from benchrunner.accuracy.summary import summarise
from benchrunner.board import BoardKind
from benchrunner.errors import (
    BoardResetError,
    DeadlineExceededError,
    HostUnreachableError,
    LinkError,
    PortError,
    UnreadableImageError,
    UsageError,
)
from benchrunner.run.linux.prepare import PreparedLinux
from benchrunner.run.prepare import Prepared
from benchrunner.run.request import Observer, RunRequest, uninterrupted
from benchrunner.runtime import ORACLE, KernelSet
from benchrunner.store import new_run_id

BATCH_IMAGES = 16
BATCH_S = 5.0  # a slow board's batch is shorter: so much is lost at most
_TRANSIENT = (LinkError, DeadlineExceededError, BoardResetError, PortError, HostUnreachableError)
_RECONNECTS = 3  # in a row, without an answer between them
_REBOOT_S = 10.0  # for each failure before: a Linux board that starts anew takes half a minute
# Fast, on one thread, and without a delegate that depends on the processor's newest instructions.
FLOAT_KERNELS = KernelSet.BUILTIN


@dataclass(frozen=True, slots=True)
class AccuracyRequest:
    """What is asked for. Without `device` only the host computes."""

    model: Path
    dataset: Path
    float_model: Path | None = None
    device: RunRequest | None = None
    split: str | None = None
    classes_file: Path | None = None
    limit: int | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    results: Path = Path("results")
    new: bool = False  # forget unfinished work
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccuracyResult:
    document: AccuracyDocument
    path: Path


class AccuracyObserver(Observer, Protocol):
    """Who is told where the measurement is."""

    def images(self, done: int, total: int, resumed: int) -> None:
        """Images that have their answers, `resumed` of them from an earlier start."""


def measure_accuracy(request: AccuracyRequest, observer: AccuracyObserver) -> AccuracyResult:
    """Measure, or go on where an earlier start stopped, and store the result.

    Ctrl-C keeps what was answered and is raised again. Raises `DatasetError`, `ModelError`, `UsageError`
    before anything is touched, `LabError` where the board fails, `StoreError` on a full disk.
    """
    began = datetime.now(UTC)
    dataset = open_dataset(request.dataset, split=request.split, classes_file=request.classes_file)
    host = load_classifier(request.model, ORACLE, dataset)
    twin = load_classifier(request.float_model, FLOAT_KERNELS, dataset) if request.float_model else None
    if twin is not None and twin.tensor.dtype != "float32":
        raise UsageError(f"{request.float_model}: takes {twin.tensor.dtype}; a float model takes float32")
    for each in (host, twin):
        if each is not None:
            request.preprocessing.check(each.tensor)
    prepared = _prepare(request.device) if request.device else None
    others = tuple(prepared.interpreters()) if isinstance(prepared, PreparedLinux) else ()
    references = References(host.interpreter, others)
    chosen = chosen_images(len(dataset.items), request.limit)
    identity = identity_of(request, dataset, chosen, host, twin, prepared, references)
    with Journal(request.results / FOLDER, identity, new=request.new) as journal:
        work = _Work(request, dataset, chosen, host, twin, prepared, references, journal, observer)
        work.run()
        document = summarise(
            run_id=new_run_id(began),
            request=request,
            dataset=dataset,
            model=host.facts,
            float_model=twin.facts if twin else None,
            steps=(
                stated(request.preprocessing, host.tensor, dataset.array_shape),
                stated(request.preprocessing, twin.tensor, dataset.array_shape) if twin else None,
            ),
            answers=[journal.answers[index] for index in chosen],
            sessions=journal.sessions,
            provenance=provenance_of(request, began),
            rule=_rule(request, references, host, journal.sessions),
        )
        with uninterrupted():
            path = save_accuracy(document, request.results)
            journal.finish(path)
    return AccuracyResult(document, path)


class _Work:
    """The images that have no answer yet."""

    def __init__(
        self,
        request: AccuracyRequest,
        dataset: Dataset,
        chosen: list[int],
        host: Classifier,
        twin: Classifier | None,
        prepared: Prepared | PreparedLinux | None,
        references: References,
        journal: Journal,
        observer: AccuracyObserver,
    ) -> None:
        self._request, self._dataset, self._journal, self._observer = request, dataset, journal, observer
        self._host, self._twin, self._prepared, self._references = host, twin, prepared, references
        self._total = len(chosen)
        self._left = [index for index in chosen if index not in journal.answers]
        self._resumed = self._total - len(self._left)

    def run(self) -> None:
        failures, at_first = 0, len(self._left)
        while self._left:
            before = len(self._left)
            try:
                self._session()
            except _TRANSIENT as error:
                failures = 1 if len(self._left) < before else failures + 1
                if failures > _RECONNECTS or len(self._left) == at_first:
                    raise  # it never answered, or does not any more
                wait_s = _REBOOT_S * failures if isinstance(error, HostUnreachableError) else 0
                self._observer.note(
                    f"{error.message}; connecting again{f' in {wait_s:g} s' if wait_s else ''}"
                )
                time.sleep(wait_s)

    def _session(self) -> None:
        """One connection, or none: until all is answered, or something ends it."""
        device: DeviceAnswers | None = None
        with ExitStack() as stack:
            if self._request.device is not None:
                device = stack.enter_context(self._device(self._request.device))
                self._journal.begin_session({**asdict(device.facts), "started_at": now()})
            else:
                self._journal.begin_session({"started_at": now()})
            self._observer.images(self._total - len(self._left), self._total, self._resumed)
            while self._left:
                self._batch(device)

    def _device(self, request: RunRequest) -> AbstractContextManager[DeviceAnswers]:
        match self._prepared:
            case PreparedLinux() as prepared:
                return linux_device(request, prepared, self._host.interpreter, self._observer)
            case Prepared() as prepared:
                return mcu_answers(request, prepared, self._observer)
            case None:
                raise AssertionError("a device is prepared before it is reached")

    def _batch(self, device: DeviceAnswers | None) -> None:
        """Some images, then one synced line; also when an error or Ctrl-C ends the batch early."""
        answers: list[Answer] = []
        began_s = time.monotonic()
        try:
            for index in self._left[:BATCH_IMAGES]:
                answers.append(self._answer(index, device))
                if time.monotonic() - began_s > BATCH_S:
                    break
        finally:
            with uninterrupted():
                self._journal.add(answers)
                del self._left[: len(answers)]
        self._observer.images(self._total - len(self._left), self._total, self._resumed)

    def _answer(self, index: int, device: DeviceAnswers | None) -> Answer:
        item, steps = self._dataset.items[index], self._request.preprocessing
        try:
            raw = self._dataset.read(index)
            values = values_of(pixels_of(raw, steps, self._host.tensor), steps)
            float_class = None
            if self._twin is not None:
                same_size = self._twin.tensor.shape == self._host.tensor.shape
                own = values if same_size else values_of(pixels_of(raw, steps, self._twin.tensor), steps)
                float_class = self._twin.class_of(self._twin.run(encode(own, self._twin.tensor)[0]))
        except UnreadableImageError as error:
            return Answer(index, label=item.label, unreadable=error.message)
        tensor, outside = encode(values, self._host.tensor)
        expected = self._host.run(tensor)
        found = device.answer(tensor) if device is not None else None
        against = (
            self._references.against(tensor, expected, found, self._host.class_of)
            if found is not None
            else ()
        )
        return Answer(
            index,
            sha256=raw.sha256,
            label=item.label,
            float_class=float_class,
            host_class=self._host.class_of(expected),
            device_class=None if found is None else self._host.class_of(found),
            host_crc32=zlib.crc32(expected),
            device_crc32=None if found is None else zlib.crc32(found),
            difference_lsb=against[0][2] if against else None,
            against=against,
            outside=outside,
        )


def _prepare(request: RunRequest) -> Prepared | PreparedLinux:
    if request.board.kind is BoardKind.LINUX:
        return prepare_on_linux(request)
    return prepare_mcu(request)


def _rule(
    request: AccuracyRequest, references: References, host: Classifier, sessions: Sequence[dict[str, Any]]
) -> Rule:
    device = request.device
    return Rule(
        names=references.names,
        exact=sessions[-1]["exact"] if device is not None else "",
        tolerance_lsb=device.tolerance_lsb if device is not None and device.tolerance_stated else None,
        dtype=host.interpreter.outputs[0].dtype,
    )
