"""From the answers to all images to the document: figures, agreements, what differs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchrunner.accuracy.comparison import Rule, is_beyond
from benchrunner.accuracy.dataset import Dataset
from benchrunner.accuracy.document import (
    AccuracyDocument,
    Agreement,
    BoardFacts,
    DatasetFacts,
    DifferingImage,
    Figure,
    ModelFacts,
    NamedImage,
    Source,
    figure,
)
from benchrunner.accuracy.journal import Answer
from benchrunner.errors import DatasetError
from benchrunner.record import Fidelity

if TYPE_CHECKING:
    from benchrunner.accuracy.measure import AccuracyRequest

_LISTED = 1000  # differing or unreadable images in the document
_CLIPPED_SHARE = 0.01  # of the input values, from which on it is said


def summarise(
    *,
    run_id: str,
    request: AccuracyRequest,
    dataset: Dataset,
    model: ModelFacts,
    float_model: ModelFacts | None,
    steps: tuple[dict[str, Any], dict[str, Any] | None],
    answers: Sequence[Answer],
    sessions: Sequence[dict[str, Any]],
    provenance: dict[str, str | int | list[str] | dict[str, str]],
    rule: Rule,
) -> AccuracyDocument:
    """The document of a finished measurement. Raises `DatasetError` when no image could be read."""
    used = [answer for answer in answers if not answer.unreadable]
    unreadable = [answer for answer in answers if answer.unreadable]
    if not used:
        raise DatasetError(
            f"{dataset.path}: none of {len(answers)} images could be read; the first, "
            f"{dataset.items[unreadable[0].index].name}: {unreadable[0].unreadable}"
        )
    compared = rule.compare(used)
    at = rule.names.index(compared.reference) if compared else 0
    differing = [answer for answer in used if _differs(answer, at)]
    if compared:  # what is wrong before what is rounded
        differing.sort(key=lambda answer: not is_beyond(answer, at, compared.tolerance_lsb))
    clipped = sum(answer.outside for answer in used)
    return AccuracyDocument(
        run_id=run_id,
        model=model,
        float_model=float_model,
        dataset=DatasetFacts(
            path=str(dataset.path),
            layout=str(dataset.layout),
            split=dataset.split,
            sha256=_dataset_sha256(dataset, used),
            classes=dataset.classes,
            images=len(dataset.items),
            chosen=len(answers),
            used=len(used),
            unreadable=tuple(
                NamedImage(dataset.items[answer.index].name, answer.unreadable)
                for answer in unreadable[:_LISTED]
            ),
            passed_over=dataset.passed_over,
            passed_over_count=dataset.passed_over_count,
        ),
        preprocessing=steps[0],
        float_preprocessing=steps[1],
        clipped_input_values=clipped,
        board=_board(request, sessions),
        figures=_figures(len(dataset.classes), used),
        agreements=_agreements(used),
        differing=tuple(_differing(dataset, answer, at) for answer in differing[:_LISTED]),
        differing_count=len(differing),
        sessions=len(sessions),
        warnings=tuple(_warnings(sessions, clipped, len(used), model)),
        provenance=provenance,
        comparison=compared,
    )


def _dataset_sha256(dataset: Dataset, used: Sequence[Answer]) -> str:
    lines = sorted(
        f"{answer.sha256}  {answer.label}  {dataset.items[answer.index].name}\n" for answer in used
    )
    return hashlib.sha256("".join(lines).encode("utf-8", "replace")).hexdigest()


def _board(request: AccuracyRequest, sessions: Sequence[dict[str, Any]]) -> BoardFacts | None:
    device = request.device
    if device is None:
        return None
    last = sessions[-1]
    return BoardFacts(
        board=device.board.id,
        board_name=last["board_name"],
        engine=device.engine,
        engine_version=last["engine_version"],
        fidelity=Fidelity(last["fidelity"]),
        image_sha256=last["image_sha256"],
        place=last["place"],
        port=last["port"],
        conditions=last["conditions"],
        board_file_sha256=device.board_file_sha256,
        kernels=last["kernels"],
        options=last["options"],
    )


def class_by(source: Source, answer: Answer) -> int | None:
    """The class that it gave for the image; None where it was not asked."""
    match source:
        case Source.FLOAT_HOST:
            return answer.float_class
        case Source.HOST:
            return answer.host_class
        case Source.DEVICE:
            return answer.device_class


def _figures(classes: int, used: Sequence[Answer]) -> tuple[Figure, ...]:
    made = []
    for source in Source:
        pairs = [(answer.label, class_by(source, answer)) for answer in used]
        known = [(label, found) for label, found in pairs if found is not None]
        if known:
            made.append(figure(source, classes, known))
    return tuple(made)


def _agreements(used: Sequence[Answer]) -> tuple[Agreement, ...]:
    made = []
    for first, second in ((Source.HOST, Source.DEVICE), (Source.FLOAT_HOST, Source.HOST)):
        both = [a for a in used if class_by(first, a) is not None and class_by(second, a) is not None]
        if not both:
            continue
        bytewise = second is Source.DEVICE
        made.append(
            Agreement(
                first=first,
                second=second,
                images=len(both),
                same_class=sum(class_by(first, answer) == class_by(second, answer) for answer in both),
                same_bytes=sum(answer.host_crc32 == answer.device_crc32 for answer in both)
                if bytewise
                else None,
                largest_difference_lsb=max(answer.difference_lsb or 0 for answer in both)
                if bytewise
                else None,
            )
        )
    return tuple(made)


def _differs(answer: Answer, at: int) -> bool:
    classes = {answer.float_class, answer.host_class, answer.device_class} - {None}
    return len(classes) > 1 or (bool(answer.against) and answer.device_crc32 != answer.against[at][1])


def _differing(dataset: Dataset, answer: Answer, at: int) -> DifferingImage:
    return DifferingImage(
        name=dataset.items[answer.index].name,
        label=answer.label,
        float_class=answer.float_class,
        host_class=answer.host_class,
        device_class=answer.device_class,
        device_equals_host=None if answer.device_crc32 is None else answer.device_crc32 == answer.host_crc32,
        difference_lsb=answer.against[at][2] if answer.against else None,
    )


def _warnings(sessions: Sequence[dict[str, Any]], clipped: int, used: int, model: ModelFacts) -> list[str]:
    found = list(dict.fromkeys(text for facts in sessions for text in facts.get("warnings", ())))
    values = used
    for size in model.resolution.split("x"):
        values *= int(size)
    if clipped > _CLIPPED_SHARE * values:
        found.append(
            f"{clipped / values:.1%} of the input values are beyond what the model's input can hold: the "
            "scaling is not the one that it was quantised for"
        )
    return found
