"""Accuracy as a table in the ST model zoo's columns, with who computed it and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from benchrunner.accuracy.document import BoardFacts, Figure, Source, StoredAccuracy
from benchrunner.record import Fidelity
from benchrunner.report.cells import Table, one_line

COLUMNS = ("Model", "Format", "Resolution", "Top 1 Accuracy (%)")
ADDED = ("95 % interval", "images", "computed by", "fidelity")

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class FigureRow:
    """One row, and what it comes from."""

    stored: StoredAccuracy
    figure: Figure
    cells: tuple[str, ...]


def figure_rows(stored: Sequence[StoredAccuracy]) -> list[FigureRow]:
    """A row for each figure; the same figure of the same model and data stands there once."""
    rows: dict[tuple[object, ...], FigureRow] = {}
    for each in stored:
        for figure in each.document.figures:
            key, cells = _row(each, figure)
            rows.pop(key, None)  # the latest, at its own place
            rows[key] = FigureRow(each, figure, cells)
    return list(rows.values())


def accuracy_table(stored: Sequence[StoredAccuracy]) -> Table:
    """The table of `figure_rows`."""
    return table_of(figure_rows(stored))


def table_of(rows: Sequence[FigureRow]) -> Table:
    return Table("Accuracy", (*COLUMNS, *ADDED), tuple(row.cells for row in rows), ())


def percent(share: float) -> str:
    """`94.44`."""
    return str((Decimal(share) * 100).quantize(_CENT, ROUND_HALF_UP))


def _row(stored: StoredAccuracy, figure: Figure) -> tuple[tuple[object, ...], tuple[str, ...]]:
    document, board = stored.document, stored.document.board
    float_row = figure.source is Source.FLOAT_HOST and document.float_model is not None
    model = document.float_model if float_row and document.float_model else document.model
    on_device = figure.source is Source.DEVICE and board is not None
    by, fidelity = "host", "host"
    if on_device and board is not None:
        by, fidelity = _computed_by(board), str(board.fidelity)
        if document.is_wrong:
            fidelity += ", wrong output"
    key = (
        model.sha256,
        document.dataset.sha256,
        repr(sorted(document.preprocessing.items())),
        _device_key(board) if on_device and board is not None else None,
    )
    exact = Decimal(figure.right) / Decimal(figure.images) * 100
    return key, (
        one_line(model.name),
        # As in the zoo: "Float", "Int8".
        "Float" if model.format == "float32" else model.format.capitalize(),
        model.resolution,
        str(exact.quantize(_CENT, ROUND_HALF_UP)),
        f"{percent(figure.low)} to {percent(figure.high)}",
        str(figure.images),
        by,
        f"{fidelity}, altered" if stored.altered else fidelity,
    )


def _device_key(board: BoardFacts) -> tuple[object, ...]:
    """What makes two figures of devices the same. On Linux boards runtime and kernels decide, too."""
    key = (board.board, board.engine, board.fidelity)
    return (*key, board.board_name, board.engine_version, board.kernels) if board.kernels else key


def _computed_by(board: BoardFacts) -> str:
    if not board.kernels:
        return f"{board.board_name}, {board.engine} {board.engine_version}"
    said = [board.board_name, board.engine_version]
    if "delegate" in board.options:
        said.append("NPU/GPU")
    elif board.options.get("kernels") == "reference":
        said.append("reference kernels")
    return ", ".join(map(one_line, said))


def of_fidelity(stored: Sequence[StoredAccuracy], fidelity: Fidelity) -> list[StoredAccuracy]:
    """Documents whose device figure is of this fidelity."""
    return [each for each in stored if each.document.board and each.document.board.fidelity is fidelity]


def zoo_columns(rows: Sequence[FigureRow]) -> tuple[Table, list[FigureRow]]:
    """The zoo's columns alone; with `fidelity` where a device answered that was not measured.

    Rows that are equal then are one; the first of them stands for it.
    """
    table = table_of(rows)
    index = table.header.index("fidelity")
    kept = [0, 1, 2, 3]
    if any(row.cells[index] not in ("host", Fidelity.MEASURED) for row in rows):
        kept.append(index)
    made: dict[tuple[str, ...], FigureRow] = {}
    for row in rows:
        made.setdefault(tuple(row.cells[column] for column in kept), row)
    return Table(table.title, tuple(table.header[column] for column in kept), tuple(made), ()), [
        *made.values()
    ]
