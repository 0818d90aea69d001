"""`benchrunner table`: stored results as tables."""

from __future__ import annotations

from pathlib import Path

import click

from benchrunner import table
from benchrunner.cli import terminal
from benchrunner.cli.results import rows_of
from benchrunner.errors import UsageError
from benchrunner.report import Kind, Layout, render

_EXAMPLES = """\b
Examples:
  benchrunner table
  benchrunner table --latest --kind latency --format markdown
  benchrunner table results/2026-11-21 --format csv > results.csv
"""


@click.command(epilog=_EXAMPLES)
@click.argument("results", nargs=-1, type=click.Path(path_type=Path))
@click.option("--kind", type=click.Choice([kind.value for kind in Kind]), default="all", show_default=True)
@click.option(
    "--format",
    "layout",
    type=click.Choice([layout.value for layout in Layout]),
    default="text",
    show_default=True,
    help="csv and json are for programs: all columns, nothing rounded.",
)
@click.option(
    "--latest",
    is_flag=True,
    help="Only the last result of each board, engine, model and fidelity (1 CPU and 2 CPU apart).",
)
def command(results: tuple[Path, ...], kind: str, layout: str, latest: bool) -> None:
    """Print stored results: latency and memory footprint in the columns of the ST model zoo.

    Kinds: latency and footprint of microcontrollers, mpu (Linux boards), all of these, or combined: every
    board in one table, by one definition of latency.

    RESULTS are folders or result files; by default the folder results/.
    """
    sources = results or (Path("results"),)
    rows, problems = rows_of(sources)
    if not rows and problems:
        raise problems[0]
    if not rows:
        raise UsageError(
            f"no results under {', '.join(map(str, sources))}",
            hint="run this first: benchrunner run --board stm32h747i-disco --sim",
        )
    if latest:
        rows = table.latest(rows)
    width = terminal.width()
    click.echo(render(rows, Kind(kind), Layout(layout), width), nl=False)
