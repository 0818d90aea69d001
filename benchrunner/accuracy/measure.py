"""The measurement: every image through the float model, the host and the device, kept as it goes."""

from __future__ import annotations

import hashlib
import platform
import sys
import time
import zlib
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from benchrunner import __version__
from benchrunner.accuracy.dataset import Dataset, open_dataset
from benchrunner.accuracy.device import DeviceAnswers, device_answers, prepare_device
from benchrunner.accuracy.document import FOLDER, AccuracyDocument, ModelFacts, save_accuracy
from benchrunner.accuracy.journal import Answer, Journal
from benchrunner.accuracy.preprocessing import Preprocessing, encode, pixels_of, stated, values_of
from benchrunner.accuracy.summary import summarise
from benchrunner.errors import (
    BoardResetError,
    DatasetError,
    DeadlineExceededError,
    LinkError,
    ModelError,
    PortError,
    UnreadableImageError,
    UsageError,
)
from benchrunner.model import load_model
from benchrunner.run.prepare import Prepared, weight_format
from benchrunner.run.provenance import installed_packages, revision
from benchrunner.run.request import Observer, RunRequest, uninterrupted
from benchrunner.runtime import ORACLE, Interpreter, KernelSet, Tensor
from benchrunner.session.output import compare_outputs
from benchrunner.store import new_run_id

BATCH_IMAGES = 16
BATCH_S = 5.0  # a slow board's batch is shorter: so much is lost at most
_ANY_LSB = 1 << 62  # a difference is counted here, not refused
_TRANSIENT = (LinkError, DeadlineExceededError, BoardResetError, PortError)
_RECONNECTS = 3  # in a row, without an answer between them
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


@dataclass(frozen=True, slots=True)
class _Classifier:
    """A model on the host with one picture in and one score for each class out."""

    facts: ModelFacts
    interpreter: Interpreter

    @property
    def tensor(self) -> Tensor:
        return self.interpreter.inputs[0]

    def run(self, tensor: bytes) -> bytes:
        return self.interpreter.run((tensor,))[0]

    def class_of(self, output: bytes) -> int:
        """The class with the highest score; of equal ones the first."""
        import numpy as np

        return int(np.argmax(np.frombuffer(output, self.interpreter.outputs[0].dtype)))


def measure_accuracy(request: AccuracyRequest, observer: AccuracyObserver) -> AccuracyResult:
    """Measure, or go on where an earlier start stopped, and store the result.

    Ctrl-C keeps what was answered and is raised again. Raises `DatasetError`, `ModelError`, `UsageError`
    before anything is touched, `LabError` where the board fails, `StoreError` on a full disk.
    """
    began = datetime.now(UTC)
    dataset = open_dataset(request.dataset, split=request.split, classes_file=request.classes_file)
    host = _classifier(request.model, ORACLE, dataset)
    twin = _classifier(request.float_model, FLOAT_KERNELS, dataset) if request.float_model else None
    if twin is not None and twin.tensor.dtype != "float32":
        raise UsageError(f"{request.float_model}: takes {twin.tensor.dtype}; a float model takes float32")
    for classifier in (host, twin):
        if classifier is not None:
            request.preprocessing.check(classifier.tensor)
    prepared = prepare_device(request.device) if request.device else None
    chosen = _chosen(len(dataset.items), request.limit)
    identity = _identity(request, dataset, chosen, host, twin)
    with Journal(request.results / FOLDER, identity, new=request.new) as journal:
        work = _Work(request, dataset, chosen, host, twin, prepared, journal, observer)
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
            provenance=_provenance(request, began),
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
        host: _Classifier,
        twin: _Classifier | None,
        prepared: Prepared | None,
        journal: Journal,
        observer: AccuracyObserver,
    ) -> None:
        self._request, self._dataset, self._journal, self._observer = request, dataset, journal, observer
        self._host, self._twin, self._prepared = host, twin, prepared
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
                self._observer.note(f"{error.message}; connecting again")

    def _session(self) -> None:
        """One connection, or none: until all is answered, or something ends it."""
        device: DeviceAnswers | None = None
        with ExitStack() as stack:
            if self._request.device is not None and self._prepared is not None:
                device = stack.enter_context(
                    device_answers(self._request.device, self._prepared, self._observer)
                )
                self._journal.begin_session({**asdict(device.facts), "started_at": _now()})
            else:
                self._journal.begin_session({"started_at": _now()})
            self._observer.images(self._total - len(self._left), self._total, self._resumed)
            while self._left:
                self._batch(device)

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
        difference = None
        if found is not None:
            difference = compare_outputs(
                (found,),
                (expected,),
                (self._host.interpreter.outputs[0].dtype,),
                reference_name=self._host.facts.kernels,
                tolerance_lsb=_ANY_LSB,
            ).max_difference_lsb
        return Answer(
            index,
            sha256=raw.sha256,
            label=item.label,
            float_class=float_class,
            host_class=self._host.class_of(expected),
            device_class=None if found is None else self._host.class_of(found),
            host_crc32=zlib.crc32(expected),
            device_crc32=None if found is None else zlib.crc32(found),
            difference_lsb=difference,
            outside=outside,
        )


def _classifier(path: Path, kernels: KernelSet, dataset: Dataset) -> _Classifier:
    model = load_model(path)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise UsageError(f"{path}: the file changed while it was being read")
    interpreter = Interpreter(data, kernels)
    if len(interpreter.inputs) != 1 or len(interpreter.outputs) != 1:
        raise ModelError(
            f"{path}: {len(interpreter.inputs)} inputs and {len(interpreter.outputs)} outputs; a classifier "
            "has one of each"
        )
    (tensor,), (scores,) = interpreter.inputs, interpreter.outputs
    if tensor.shape[0] != 1 or tensor.dtype not in ("float32", "int8", "uint8"):
        raise ModelError(
            f"{path}: input {tensor.dtype} {list(tensor.shape)}: expected one picture of a type known"
        )
    count = scores.shape[-1] if scores.shape else 0
    if any(size != 1 for size in scores.shape[:-1]) or count != len(dataset.classes):
        raise DatasetError(
            f"{path}: output {list(scores.shape)}, the data set has {len(dataset.classes)} classes",
            hint="expected one score for each class; --classes FILE names them all in the model's order",
        )
    resolution = "x".join(str(size) for size in tensor.shape[1:])
    facts = ModelFacts(model.name, model.sha256, weight_format(model), resolution, interpreter.reference)
    return _Classifier(facts, interpreter)


def _chosen(count: int, limit: int | None) -> list[int]:
    """All images, or `limit` of them at equal distances, so that every class has its share."""
    if limit is None or limit >= count:
        return list(range(count))
    return [index * count // limit for index in range(limit)]


def _identity(
    request: AccuracyRequest, dataset: Dataset, chosen: list[int], host: _Classifier, twin: _Classifier | None
) -> dict[str, Any]:
    """All that the answers depend on; what is not in here may change between two starts."""
    listing = hashlib.sha256()
    for index in chosen:
        item = dataset.items[index]
        listing.update(f"{item.name}\0{item.label}\0{item.stamp}\n".encode("utf-8", "replace"))
    device = request.device
    return {
        "model": asdict(host.facts),
        "float_model": asdict(twin.facts) if twin else None,
        "preprocessing": stated(request.preprocessing, host.tensor, dataset.array_shape),
        "classes": list(dataset.classes),
        "listing_sha256": listing.hexdigest(),
        "images": len(chosen),
        "tool_version": __version__,
        "board": None
        if device is None
        else {
            "board": device.board.id,
            "board_file_sha256": device.board_file_sha256,
            "engine": device.engine,
            "local": "simulated" if device.simulate else "emulated" if device.emulate else "",
        },
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _provenance(
    request: AccuracyRequest, began: datetime
) -> dict[str, str | int | list[str] | dict[str, str]]:
    return {
        "tool_version": __version__,
        "revision": revision(),
        "started_at": began.isoformat(timespec="milliseconds"),
        "finished_at": _now(),
        "host": f"{platform.node()} {platform.system()} {platform.release()} {platform.machine()}",
        "python": sys.version.split()[0],
        "packages": installed_packages(),
        "command": list(request.command),
    }
