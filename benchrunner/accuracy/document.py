"""The stored accuracy of one model on one data set, with where each figure comes from (docs/accuracy.md)."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchrunner.durable import write_atomic
from benchrunner.errors import NewerSchemaError, StoreError
from benchrunner.record import Fidelity

if TYPE_CHECKING:
    from pydantic import BaseModel

ACCURACY_SCHEMA_VERSION = 2  # 1: no `comparison`, and nothing of Linux boards
FOLDER = "accuracy"  # below the results
_NAME = re.compile(r"accuracy-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")
_MAX_BYTES = 64 << 20
_Z = 1.959963984540054  # 97.5 % of the standard normal distribution


class Source(StrEnum):
    """Who answered."""

    FLOAT_HOST = "float host"
    HOST = "host"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    name: str
    sha256: str
    format: str
    resolution: str
    kernels: str  # that computed it on the host


@dataclass(frozen=True, slots=True)
class NamedImage:
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """`sha256` is over the sorted lines `<sha256 of the image>  <label>  <name>` of the used images."""

    path: str
    layout: str
    split: str
    sha256: str
    classes: tuple[str, ...]
    images: int  # in the data set
    chosen: int  # of them, by --limit
    used: int  # of them, that could be read
    unreadable: tuple[NamedImage, ...]
    passed_over: tuple[str, ...]
    passed_over_count: int


@dataclass(frozen=True, slots=True)
class BoardFacts:
    board: str
    board_name: str
    engine: str
    engine_version: str
    fidelity: Fidelity
    image_sha256: str
    place: str
    port: str
    conditions: dict[str, str | int | bool]
    board_file_sha256: str
    kernels: str = ""  # of a runtime on the board
    options: dict[str, str | int | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """`confusion[label][answer]` counts images; the interval is Wilson's, of 95 %."""

    source: Source
    images: int
    right: int
    low: float
    high: float
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two sources, image by image."""

    first: Source
    second: Source
    images: int
    same_class: int
    same_bytes: int | None  # None where the two have other data types
    largest_difference_lsb: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The device's outputs against those of the kernel set that they must be equal to, or near.

    `exact`: it is the very one that the device runs. Otherwise it is the nearest of those that are on this
    computer, the same for all images; `others` are farther.
    """

    reference: str
    exact: bool
    tolerance_lsb: int
    images: int
    same_bytes: int
    same_class: int
    largest_difference_lsb: int
    beyond: int  # images that differ by more than the tolerance
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DifferingImage:
    """Sources that do not say the same, or a device that is not its reference; classes by their index."""

    name: str
    label: int
    float_class: int | None
    host_class: int | None
    device_class: int | None
    device_equals_host: bool | None  # bit for bit
    difference_lsb: int | None = None  # between the device and the reference of the comparison


@dataclass(frozen=True, slots=True)
class AccuracyDocument:
    run_id: str
    model: ModelFacts
    float_model: ModelFacts | None
    dataset: DatasetFacts
    preprocessing: dict[str, str | int | float | list[float]]
    float_preprocessing: dict[str, str | int | float | list[float]] | None
    clipped_input_values: int
    board: BoardFacts | None
    figures: tuple[Figure, ...]
    agreements: tuple[Agreement, ...]
    differing: tuple[DifferingImage, ...]  # at most the first few; the journal has all
    differing_count: int
    sessions: int  # a measurement that was stopped and went on has several
    warnings: tuple[str, ...]
    provenance: dict[str, str | int | list[str] | dict[str, str]]
    comparison: Comparison | None = None  # None without a device, and in documents of version 1
    accuracy_schema_version: int = ACCURACY_SCHEMA_VERSION

    @property
    def is_wrong(self) -> bool:
        """Whether the device's answers are not what its kernels must give."""
        if self.comparison is not None:
            return self.comparison.beyond > 0
        return any(each.same_bytes not in (None, each.images) for each in self.agreements)

    def figure(self, source: Source) -> Figure | None:
        return next((figure for figure in self.figures if figure.source is source), None)


@dataclass(frozen=True, slots=True)
class StoredAccuracy:
    """A document as it was found on disk."""

    path: Path
    document: AccuracyDocument
    altered: bool


def wilson(right: int, images: int) -> tuple[float, float]:
    """The 95 % score interval of a share; of no images it is everything."""
    if images == 0:
        return 0.0, 1.0
    share, square = right / images, _Z * _Z
    centre = (share + square / (2 * images)) / (1 + square / images)
    half = _Z / (1 + square / images) * math.sqrt(share * (1 - share) / images + square / (4 * images**2))
    # At the ends the interval reaches the end exactly; in floating point it misses it by one part in 2^53.
    low = 0.0 if right == 0 else max(0.0, centre - half)
    high = 1.0 if right == images else min(1.0, centre + half)
    return low, high


def figure(source: Source, classes: int, pairs: Iterable[tuple[int, int]]) -> Figure:
    """The figure of (label, answer) pairs."""
    confusion = [[0] * classes for _ in range(classes)]
    for label, answer in pairs:
        confusion[label][answer] += 1
    images, right = sum(map(sum, confusion)), sum(confusion[each][each] for each in range(classes))
    return Figure(source, images, right, *wilson(right, images), tuple(map(tuple, confusion)))


def save_accuracy(document: AccuracyDocument, results: Path) -> Path:
    """Write `results/accuracy/accuracy-<run id>.json`, whole or not at all. Raises `StoreError`."""
    path = results / FOLDER / f"accuracy-{document.run_id}.json"
    # A file's name may hold bytes that are no text (surrogates); JSON cannot carry them.
    fields = json.loads(json.dumps(asdict(document), ensure_ascii=False).encode("utf-8", "replace"))
    fields["content_sha256"] = hashlib.sha256(_canonical(fields)).hexdigest()
    data = json.dumps(fields, indent=1, sort_keys=True, ensure_ascii=True).encode() + b"\n"
    _decode(path, data)  # what is written can be read
    try:
        write_atomic(path, data, overwrite=False)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot write the result: {error.strerror or error}",
            hint="free space, or choose another folder with --out; the same command makes it of its journal",
        ) from error
    return path


def load_accuracy(path: Path) -> StoredAccuracy:
    """Read one document; raises `StoreError` for one that is damaged or of a later version."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}", hint="check its permissions") from error
    if len(data) > _MAX_BYTES:
        raise StoreError(f"{path}: larger than {_MAX_BYTES >> 20} MiB", hint="move it out of the results")
    return _decode(path, data)


def load_accuracies(sources: Iterable[Path]) -> tuple[tuple[StoredAccuracy, ...], tuple[StoreError, ...]]:
    """All documents in folders of results, oldest first, and an error for each that cannot be read."""
    found: list[StoredAccuracy] = []
    problems: list[StoreError] = []
    for source in sources:
        for path in sorted(source.rglob("accuracy-*.json")) if source.is_dir() else ():
            if not _NAME.fullmatch(path.stem):
                continue
            try:
                found.append(load_accuracy(path))
            except StoreError as error:
                problems.append(error)
    return tuple(sorted(found, key=lambda each: each.document.run_id)), tuple(problems)


def _decode(path: Path, data: bytes) -> StoredAccuracy:
    hint = "restore it from a copy, or move it out of the results folder"
    try:
        fields = json.loads(data)
        found = fields.get("accuracy_schema_version") if isinstance(fields, dict) else None
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            raise ValueError("no accuracy_schema_version")
        if found > ACCURACY_SCHEMA_VERSION:
            raise NewerSchemaError(
                f"{path}: accuracy schema version {found}, this benchrunner reads {ACCURACY_SCHEMA_VERSION}",
                hint="a later benchrunner wrote it: pip install --upgrade benchrunner",
            )
        checksum = fields.pop("content_sha256", None)
        text = _canonical(fields)
        content: Any = _content_model().model_validate_json(b'{"document":' + text + b"}")
    except (ValueError, RecursionError) as error:  # pydantic's are ValueErrors, too
        reason = " ".join(str(error).split())[:300]
        raise StoreError(f"{path}: not an accuracy result, or damaged: {reason}", hint=hint) from error
    document: AccuracyDocument = content.document
    for each in document.figures:
        counted = sum(map(sum, each.confusion)), sum(row[i] for i, row in enumerate(each.confusion))
        if counted != (each.images, each.right):
            raise StoreError(
                f"{path}: the counts of {each.source} contradict its confusion matrix", hint=hint
            )
    return StoredAccuracy(path, document, checksum != hashlib.sha256(text).hexdigest())


def _canonical(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


@cache
def _content_model() -> type[BaseModel]:
    from pydantic import BaseModel, ConfigDict

    class Content(BaseModel):
        model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
        document: AccuracyDocument

    return Content
