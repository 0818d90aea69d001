"""`benchrunner why`: what a published number rests on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from benchrunner import store
from benchrunner.accuracy.document import load_accuracies
from benchrunner.publish.why import chain, find_cell

_EPILOG = """\b
Examples:
  benchrunner why README.md:42                        # the row in line 42 of a published document
  benchrunner why 20261121T020000Z-1f0c93ab
  benchrunner why 20261121T020000Z-1f0c93ab#2 --json  # the second measurement of that run"""


@click.command(epilog=_EPILOG)
@click.argument("target", metavar="FILE:LINE|RUN[#N]")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Folders or files of results; default: results/.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole measurement, as it is stored.")
def command(target: str, results: tuple[Path, ...], as_json: bool) -> None:
    """Print the chain behind a number: record, samples, checks, image, conditions, raw log."""
    sources = results or (Path("results"),)
    cell = find_cell(target, store.load_runs(sources).runs, load_accuracies(sources)[0])
    if as_json:
        record = {
            "path": str(cell.run.path),
            "altered": cell.run.altered,
            "measurement": dataclasses.asdict(cell.measurement),
        }
        click.echo(json.dumps(record, indent=1, ensure_ascii=False))
    else:
        click.echo(chain(cell))
