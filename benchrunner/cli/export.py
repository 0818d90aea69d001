"""`benchrunner export`: the history as a Parquet file."""

from __future__ import annotations

from pathlib import Path

import click

from benchrunner.cli.results import folder_option, opened, store_option
from benchrunner.wording import counted


@click.command(
    epilog="""\b
Examples:
  benchrunner export --out results.parquet
  benchrunner export --content cells --out samples.parquet"""
)
@folder_option
@store_option
@click.option(
    "--content",
    type=click.Choice(["measurements", "cells"]),
    default="measurements",
    show_default=True,
    help="A row per measurement, or per metric of each measurement with its samples as a list.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
def command(folder: Path, shared: str | None, content: str, out: Path) -> None:
    """Write all stored results to a Parquet file, which DuckDB, polars and pandas read."""
    from benchrunner.history.parquet import Content, export

    with opened(folder, shared) as history:
        count = export(history, out, Content(content))
    click.echo(f"{out}: {counted(count, 'row')}", err=True)
