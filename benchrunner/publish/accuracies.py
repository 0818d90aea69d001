"""The table of accuracy results of a block: what the host computed, and devices of one fidelity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from benchrunner.accuracy.document import StoredAccuracy
from benchrunner.accuracy.table import (
    ADDED,
    COLUMNS,
    FigureRow,
    figure_rows,
    of_fidelity,
    table_of,
    zoo_columns,
)
from benchrunner.errors import ConfigError
from benchrunner.publish.beside import ACCURACY, beside
from benchrunner.record import Fidelity
from benchrunner.report.cells import Table
from benchrunner.report.style import Style

_ACCURACY: Final = "Top 1 Accuracy (%)"


def measured_accuracy(
    where: str,
    attributes: Mapping[str, str],
    fidelity: Fidelity,
    style: Style,
    accuracies: Sequence[StoredAccuracy],
) -> tuple[Table, list[FigureRow], list[str]]:
    """The table, what its rows come from, and the ids of the documents that it is made of.

    Raises `ConfigError` without any.
    """
    chosen = _chosen(where, attributes, fidelity, accuracies)
    rows, ids = figure_rows(chosen), [each.document.run_id for each in chosen]
    if style is Style.BENCHRUNNER:
        return table_of(rows), rows, ids
    return *zoo_columns(rows), ids


def _matches(each: StoredAccuracy, attributes: Mapping[str, str]) -> bool:
    board = each.document.board
    names = {
        "model": each.document.model.name,
        "board": board.board if board else "",
        "engine": board.engine if board else "",
    }
    return all(fnmatchcase(name, attributes.get(key, "*")) for key, name in names.items())


def accuracy_beside(
    where: str,
    file: Path,
    attributes: Mapping[str, str],
    fidelity: Fidelity,
    accuracies: Sequence[StoredAccuracy],
) -> tuple[Table, tuple[FigureRow | None, ...], list[str]]:
    """Published accuracies with ours on the same data set: the one whose folder or file has that name."""
    chosen = _chosen(where, attributes, fidelity, accuracies)
    lines: dict[tuple[str, ...], FigureRow] = {}
    for each in chosen:
        dataset = Path(each.document.dataset.path).stem
        for row in figure_rows([each]):
            cells = dict(zip((*COLUMNS, *ADDED), row.cells, strict=True))
            by = cells["computed by"] + ("" if cells["fidelity"] == "host" else f", {cells['fidelity']}")
            lines[(cells["Model"], dataset, cells["Format"], cells["Resolution"], by, cells[_ACCURACY])] = row
    header = ("Model", "Dataset", "Format", "Resolution", "computed by", _ACCURACY)
    own = Table("", header, tuple(lines), ())
    table, rows = beside(where, file, ACCURACY, "ours", own, [*lines.values()])
    return table, rows, [each.document.run_id for each in chosen]


def _chosen(
    where: str,
    attributes: Mapping[str, str],
    fidelity: Fidelity,
    accuracies: Sequence[StoredAccuracy],
) -> list[StoredAccuracy]:
    if "suite" in attributes:
        raise ConfigError(f"{where}: suite= is not for table=accuracy", hint="leave it away")
    matching = [each for each in accuracies if _matches(each, attributes)]
    on_host = [each for each in matching if each.document.board is None]
    chosen = sorted([*on_host, *of_fidelity(matching, fidelity)], key=lambda each: each.document.run_id)
    if not chosen and "beside" not in attributes:
        others = sorted({each.document.board.fidelity for each in matching if each.document.board})
        found = f"; there are {' and '.join(others)} ones" if others else ""
        raise ConfigError(
            f"{where}: no {fidelity} accuracy for this block{found}",
            hint="measure it with benchrunner accuracy; say fidelity=simulated where that is meant, and "
            "beside=FILE for published values",
        )
    altered = [each.document.run_id for each in chosen if each.altered]
    if altered:
        raise ConfigError(
            f"{where}: accuracy {altered[0]} is not as it was written",
            hint="restore the document, or measure again: what was edited is not published",
        )
    return chosen
