"""`benchrunner compare`: two runs, nights, revisions or baselines, cell by cell."""

from __future__ import annotations

from pathlib import Path

import click

from benchrunner.cli import terminal
from benchrunner.cli.results import across_option, folder_option, opened, store_option
from benchrunner.errors import ExitStatus, UsageError
from benchrunner.wording import counted


@click.command(
    epilog="""\b
Examples:
  benchrunner compare 2026-11-20 latest
  benchrunner compare v1.2 HEAD --format markdown
  benchrunner compare main 20261121T020000Z-1f0c93ab --all
  benchrunner compare 2026-11-20 latest --across kernel --across x_linux_ai_version

Exit status: 0, or 4 where something could not be compared. Only `check` fails on a regression."""
)
@click.argument("before")
@click.argument("after")
@folder_option
@store_option
@across_option
@click.option("--metric", "metrics", multiple=True, help="Only this metric; may be repeated.")
@click.option(
    "--format", "layout", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True
)
@click.option("--all", "all_cells", is_flag=True, help="Also cells that are the same (JSON: always).")
def command(
    before: str,
    after: str,
    folder: Path,
    shared: str | None,
    across: tuple[str, ...],
    metrics: tuple[str, ...],
    layout: str,
    all_cells: bool,
) -> int:
    """Compare two sets of results: change, 95 % interval and verdict of each cell.

    BEFORE and AFTER are run ids, runs of a suite, dates, git revisions, baselines, or `latest`. Cells
    measured under different conditions are not compared; the condition is named, and --across allows it.
    """
    from benchrunner.compare import Settings, Verdict, select, verdicts
    from benchrunner.history import METRICS
    from benchrunner.report import comparison, markdown, text

    unknown = [metric for metric in metrics if metric not in METRICS]
    if unknown:
        raise UsageError(f"{unknown[0]}: no such metric", hint=f"one of {', '.join(METRICS)}")
    with opened(folder, shared) as history:
        first, second = (
            [
                point
                for point in history.points(select(history, name))
                if point.key.metric in (metrics or METRICS)
            ]
            for name in (before, after)
        )
    found = verdicts(first, second, Settings(across=frozenset(across)))
    if layout == "json":
        click.echo(comparison.comparisons_json(found), nl=False)
    else:
        table = comparison.comparison_table(found, f"{before} and {after}", all_cells=all_cells)
        same = sum(one.verdict is Verdict.SAME for one in found)
        if table.rows:
            width = terminal.width()
            laid_out = markdown.layout(table) if layout == "markdown" else text.layout(table, width)
            click.echo(laid_out, nl=False)
        click.echo(f"{same} of {counted(len(found), 'cell')} the same")
    unsure = (Verdict.UNLIKE, Verdict.INCONCLUSIVE, Verdict.SUSPECT, Verdict.MISSING)
    return ExitStatus.INCONCLUSIVE if any(one.verdict in unsure for one in found) else ExitStatus.GOOD
