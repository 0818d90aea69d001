"""`benchrunner baseline`: the runs that later ones are judged by, and what was decided about changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from benchrunner.cli.results import folder_option, opened, store_option
from benchrunner.errors import UsageError
from benchrunner.wording import counted


@click.group(
    epilog="""\b
Examples:
  benchrunner baseline set main
  benchrunner baseline set release 2026-11-20 --canary fdmobilenet_0.25_128_int8
  benchrunner baseline canary main fdmobilenet_0.25_128_int8
  benchrunner baseline decide main expected "h747i mobilenet_v2 total_flash" --note "new kernels"
  benchrunner baseline show main"""
)
def command() -> None:
    """Keep the runs that later ones are judged by."""


@command.command("set")
@click.argument("name")
@click.argument("runs", default="latest")
@folder_option
@store_option
@click.option(
    "--canary", default="", metavar="MODEL", help="A model that never changes: if it moves, the lab did."
)
@click.option("--note", default="", help="Why.")
def set_(name: str, runs: str, folder: Path, shared: str | None, canary: str, note: str) -> None:
    """Make RUNS (as in `compare`) the baseline NAME, and learn what is noise from the nights before."""
    from benchrunner.compare import Baseline, Settings, gate, save_baseline, select
    from benchrunner.compare.baselines import changing

    with opened(folder, shared) as history, changing(folder, name):
        run_ids = select(history, runs)
        points = history.points(run_ids)
        if not points:
            raise UsageError(f"{runs}: no case in it has a number", hint="choose other runs")
        if canary and canary not in {point.key.model for point in points}:
            known = ", ".join(sorted({point.key.model for point in points}))
            raise UsageError(
                f"--canary {canary}: not among the models of these runs", hint=f"they have {known}"
            )
        limits = gate.limits_of(history, run_ids, Settings())
        baseline = Baseline(name, tuple(run_ids), _now(), note, canary, limits=limits)
        path = save_baseline(folder, baseline)
    cells = counted(len({point.key.cell_id for point in points}), "cell")
    click.echo(f"{path}: {counted(len(run_ids), 'run')}, {cells}, noise learned for {len(limits)}")


@command.command("canary")
@click.argument("name")
@click.argument("model")
@folder_option
@store_option
def canary_(name: str, model: str, folder: Path, shared: str | None) -> None:
    """Declare the canary of the baseline NAME; its runs stay the level. MODEL "" is none."""
    from benchrunner.compare import load_baseline, save_baseline

    baseline = load_baseline(folder, name)
    with opened(folder, shared) as history:
        cells = history.cells()
    boards = sorted({key.board for key in cells if key.model == model})
    if model and not boards:
        known = ", ".join(sorted({key.model for key in cells}))
        raise UsageError(f"{model}: never measured", hint=f"put it into the suite; there are {known}")
    save_baseline(folder, replace(baseline, canary=model))
    click.echo(f"canary of {name}: {model or 'none'}" + f", measured on {', '.join(boards)}" * bool(boards))


@command.command("list")
@folder_option
def list_(folder: Path) -> None:
    """List the baselines."""
    from benchrunner.compare import list_baselines, load_baseline

    for name in list_baselines(folder):
        baseline = load_baseline(folder, name)
        runs = counted(len(baseline.run_ids), "run")
        click.echo(f"{name}  {baseline.created_at}  {runs}  {baseline.note}".rstrip())


@command.command("show")
@click.argument("name")
@folder_option
def show(name: str, folder: Path) -> None:
    """Show a baseline: its runs, its canary, and the decisions."""
    from benchrunner.compare import load_baseline
    from benchrunner.report.cells import one_line

    baseline = load_baseline(folder, name)
    click.echo(f"{baseline.name}, set {baseline.created_at}{f': {baseline.note}' if baseline.note else ''}")
    click.echo(f"runs: {', '.join(baseline.run_ids)}")
    if baseline.canary:
        click.echo(f"canary: {baseline.canary}")
    click.echo(f"noise learned for {counted(len(baseline.limits), 'cell')}")
    for one in baseline.triage:
        click.echo(
            one_line(f"{one.state}: {one.label} at {one.run_id} ({one.revisions}) {one.note}".rstrip())
        )


@command.command("decide")
@click.argument("name")
@click.argument("state", type=click.Choice(["open", "acknowledged", "fixed", "expected"]))
@click.argument("cell")
@folder_option
@store_option
@click.option("--note", default="", help="Why, or where it is worked on.")
def decide(name: str, state: str, cell: str, folder: Path, shared: str | None, note: str) -> None:
    """Say what is to be thought of a change: CELL is words of its label, as `history` prints it.

    `acknowledged`: reported without an alarm while it stays at this level. `expected`: the newest result
    becomes the baseline of this cell. `open` and `fixed`: an alarm again.
    """
    from benchrunner.compare import load_baseline, save_baseline
    from benchrunner.compare.baselines import State, Triage, changing

    with opened(folder, shared) as history, changing(folder, name):
        baseline = load_baseline(folder, name)
        keys = history.cells(*cell.split())
        if not keys:
            raise UsageError(f"{cell}: no cell has all these words", hint="benchrunner history lists them")
        for key in keys:
            series = history.series(key)
            before = [point for point in series if point.run_id in baseline.runs_of(key.cell_id)]
            good = before[-1].revision if before else ""
            last = series[-1]
            decision = Triage(
                key.cell_id, key.label, State(state), last.run_id, last.median,
                f"{good}..{last.revision}", note, _now(),
            )  # fmt: skip
            baseline = baseline.decided(decision)
        save_baseline(folder, baseline)
    for key in keys:
        click.echo(f"{state}: {key.label}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
