"""What a published accuracy rests on: document, journal, models, data, pre-processing, what computed it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchrunner.accuracy.document import (
    AccuracyDocument,
    BoardFacts,
    Figure,
    ModelFacts,
    Source,
    StoredAccuracy,
)
from benchrunner.accuracy.journal import answers_in
from benchrunner.accuracy.summary import class_by
from benchrunner.accuracy.table import percent
from benchrunner.accuracy.text import comparison_line, stated_input
from benchrunner.errors import StoreError


@dataclass(frozen=True, slots=True)
class AccuracyCell:
    """Figures, and the document that they stand in."""

    stored: StoredAccuracy
    figures: tuple[Figure, ...]


def accuracy_chain(cell: AccuracyCell) -> list[str]:
    """From the figures back to the single answers, line by line."""
    document, data = cell.stored.document, cell.stored.document.dataset
    state = "NOT as it was written" if cell.stored.altered else "as it was written (content_sha256)"
    part = f", split {data.split}" if data.split else ""
    names = ", ".join(_title(document, figure) for figure in cell.figures)
    lines = [names, f"  document    {cell.stored.path}: {state}", *_journal_lines(cell)]
    for figure in cell.figures:
        lines.append(
            f"  figure      {figure.source}: {figure.right} of {figure.images} images are right, "
            f"{100 * figure.right / figure.images:.2f} %; 95 % interval {percent(figure.low)} to "
            f"{percent(figure.high)} % (Wilson)"
        )
    sources = {figure.source for figure in cell.figures}
    lines += _agreement_lines(document, sources)
    if sources - {Source.FLOAT_HOST}:
        lines += _model_lines("model", document.model)
    if Source.FLOAT_HOST in sources and document.float_model is not None:
        lines += _model_lines("float model", document.float_model)
    lines += [
        f"  data set    {data.path}: {data.layout}{part}, {len(data.classes)} classes",
        f"  images      {data.images}, {data.chosen} chosen, {data.used} used, "
        f"{data.chosen - data.used} unreadable",
        f"  data SHA    {data.sha256}",
    ]
    if sources - {Source.FLOAT_HOST}:
        lines.append(f"  input       {stated_input(document.preprocessing)}")
        lines.append(f"  clipped     {document.clipped_input_values} input values")
    if Source.FLOAT_HOST in sources and document.float_preprocessing is not None:
        lines.append(f"  float input {stated_input(document.float_preprocessing)}")
    if Source.DEVICE in sources and document.board is not None:
        lines += _board_lines(document.board)
    provenance = document.provenance
    command = provenance.get("command", [])
    lines += [
        f"  sessions    {document.sessions}",
        f"  taken       {provenance.get('started_at')} by benchrunner {provenance.get('tool_version')} "
        f"{provenance.get('revision')} on {provenance.get('host')}",
        f"  command     {' '.join(command) if isinstance(command, list) else command}",
    ]
    if Source.DEVICE in sources and document.board is not None:
        lines += [f"  condition   {key} = {value}" for key, value in document.board.conditions.items()]
    return [*lines, *(f"  warning     {warning}" for warning in document.warnings)]


def _title(document: AccuracyDocument, figure: Figure) -> str:
    float_row = figure.source is Source.FLOAT_HOST and document.float_model is not None
    model = document.float_model if float_row and document.float_model else document.model
    on = "the host"
    if figure.source is Source.DEVICE and document.board is not None:
        on = f"{document.board.board_name}  {document.board.fidelity}"
    return f"{model.name} {model.format} {model.resolution}  on  {on}"


def _journal_lines(cell: AccuracyCell) -> Iterator[str]:
    """The single answers, counted again: a figure that they do not give is said."""
    path = cell.stored.path.with_suffix(".jsonl")
    try:
        answers = [answer for answer in answers_in(path).values() if not answer.unreadable]
    except StoreError as error:
        yield f"  journal     {error.message}: the single answers are not there"
        return
    for figure in cell.figures:
        said = [(answer.label, class_by(figure.source, answer)) for answer in answers]
        count = sum(found is not None for _, found in said)
        right = sum(label == found for label, found in said)
        same = (count, right) == (figure.images, figure.right)
        yield (
            f"  journal     {path}: {count} answers by {figure.source}, {right} right"
            f"{'' if same else ', which is NOT the figure'}"
        )


def _agreement_lines(document: AccuracyDocument, sources: set[Source]) -> Iterator[str]:
    for each in document.agreements:
        if not sources & {each.first, each.second}:
            continue
        line = f"  agreement   {each.first} and {each.second}: the same class for {each.same_class} of "
        line += f"{each.images} images"
        if each.same_bytes is not None:
            line += f", the same bytes for {each.same_bytes}"
            if each.same_bytes != each.images:
                line += f", others by up to {each.largest_difference_lsb} LSB"
        yield line
    if Source.DEVICE in sources and document.comparison is not None:
        yield f"  output      {comparison_line(document.comparison)}"


def _model_lines(label: str, model: ModelFacts) -> Iterator[str]:
    yield f"  {label:<11} {model.sha256}"
    yield f"  kernels     {model.kernels}, on the host"


def _board_lines(board: BoardFacts) -> Iterator[str]:
    yield f"  image       {board.image_sha256 or 'none: the model file was executed'}"
    with_kernels = f"; kernels: {board.kernels}" if board.kernels else ""
    yield f"  engine      {board.engine} {board.engine_version}{with_kernels}"
    for key, value in board.options.items():
        yield f"  option      {key} = {value}"
    yield f"  board file  {board.board_file_sha256}"
    yield f"  place       {board.place or '-'} at {board.port}"
