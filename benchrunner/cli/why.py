"""`benchrunner why`: what a published number rests on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from benchrunner import store
from benchrunner.accuracy.document import load_accuracies
from benchrunner.publish.accuracy_chain import AccuracyCell
from benchrunner.publish.why import Cell, chain, find_cell

_EPILOG = """\b
Examples:
  benchrunner why README.md:42                        # the row in line 42 of a published document
  benchrunner why 20261121T020000Z-1f0c93ab
  benchrunner why 20261121T020000Z-1f0c93ab#2 --json  # the second measurement of that run
  benchrunner why 20261121T030000Z-5c11ab90           # an accuracy: all its figures"""


@click.command(epilog=_EPILOG)
@click.argument("target", metavar="FILE:LINE|RUN[#N]")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Folders or files of results; default: results/.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the whole measurement or accuracy, as it is stored."
)
def command(target: str, results: tuple[Path, ...], as_json: bool) -> None:
    """Print the chain behind a number: record, samples, checks, image, conditions, raw log.

    Of an accuracy: document, journal, models, data set, pre-processing, and what computed it.
    """
    sources = results or (Path("results"),)
    cell = find_cell(target, store.load_runs(sources).runs, load_accuracies(sources)[0])
    click.echo(json.dumps(_whole(cell), indent=1, ensure_ascii=False) if as_json else chain(cell))


def _whole(cell: Cell | AccuracyCell) -> dict[str, Any]:
    if isinstance(cell, AccuracyCell):
        stored = cell.stored
        document = dataclasses.asdict(stored.document)
        return {"path": str(stored.path), "altered": stored.altered, "accuracy": document}
    measurement = dataclasses.asdict(cell.measurement)
    return {"path": str(cell.run.path), "altered": cell.run.altered, "measurement": measurement}
