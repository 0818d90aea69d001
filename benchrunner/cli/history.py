"""`benchrunner history`: a cell night by night, and where its level changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchrunner.cli.results import folder_option, opened, store_option
from benchrunner.errors import UsageError
from benchrunner.wording import counted

if TYPE_CHECKING:
    from benchrunner.compare.nights import Era
    from benchrunner.history import CellKey


@click.command(
    epilog="""\b
Examples:
  benchrunner history
  benchrunner history h747i mobilenet_v2 latency
  benchrunner history latency --changes
  benchrunner history "cold" --json"""
)
@click.argument("words", nargs=-1)
@folder_option
@store_option
@click.option("--changes", "only_changes", is_flag=True, help="Only cells whose level changed.")
@click.option(
    "--floor", "floor_percent", type=float, default=0.5, show_default=True, help="Least change, in %."
)
@click.option(
    "--detector",
    type=click.Choice(["auto", "sensitive", "conservative"]),
    default="auto",
    show_default=True,
    help="auto: conservative for a cell that drifts.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every night as JSON.")
def command(
    words: tuple[str, ...],
    folder: Path,
    shared: str | None,
    only_changes: bool,
    floor_percent: float,
    detector: str,
    as_json: bool,
) -> None:
    """Show the history of cells: change points with date, revisions and size, changes of environment.

    CELL is words of its label; without any, the cells are listed.
    """
    from benchrunner.compare.nights import eras

    with opened(folder, shared) as history:
        keys = history.cells(*(part for word in words for part in word.split()))
        if not keys:
            raise UsageError(
                "no cell has all these words", hint="benchrunner history (without words) lists all"
            )
        if not words and not only_changes and not as_json:
            for key in keys:
                click.echo(key.label)
            return
        records = []
        for key in keys:
            found = eras(history.series(key), floor_percent, detector=detector)
            if only_changes and not any(era.steps or era.modes for era in found):
                continue
            if as_json:
                records.append(_record(key, found))
            else:
                _print(key, found)
    if as_json:
        click.echo(json.dumps(records, indent=1, ensure_ascii=False))


def _print(key: CellKey, found: list[Era]) -> None:
    from benchrunner.compare.nights import level
    from benchrunner.report.cells import one_line
    from benchrunner.report.comparison import level as shown

    click.echo(one_line(key.label))
    for era in found:
        first, last = era.nights[0], era.nights[-1]
        if era.began_because:
            click.echo(one_line(f"  {first.date}  conditions changed: {era.began_because}"))
        edges = [0, *(step.change.index for step in era.steps), len(era.nights)]
        click.echo(
            f"  {first.date}  {shown(level(era.nights[: edges[1]]), key.unit)}"
            f"  ({counted(len(era.nights), 'night')} to {last.date})"
        )
        for step in era.steps:
            change = step.change
            click.echo(
                one_line(
                    f"  {step.first_bad.date}  {shown(change.before, key.unit)} -> "
                    f"{shown(change.after, key.unit)}  {change.percent:+.2f} %  {step.revisions}"
                )
            )
        if era.modes is not None:
            click.echo(f"  ! {era.modes.text(min(30, len(era.nights)))}")
        if era.drifting:
            click.echo("  ! drifts: only large steps are told from it")


def _record(key: CellKey, found: list[Era]) -> dict[str, Any]:
    return {
        "cell_id": key.cell_id,
        "label": key.label,
        "unit": key.unit,
        "eras": [
            {
                "began_because": era.began_because,
                "drifting": era.drifting,
                "modes": None if era.modes is None else era.modes.text(min(30, len(era.nights))),
                "nights": [
                    {"date": night.date, "value": night.value, "revision": night.revision}
                    for night in era.nights
                ],
                "changes": [
                    {
                        "date": step.first_bad.date,
                        "run_id": step.first_bad.points[0].run_id,
                        "before": step.change.before,
                        "after": step.change.after,
                        "percent": step.change.percent,
                        "revisions": step.revisions,
                    }
                    for step in era.steps
                ],
            }
            for era in found
        ],
    }
