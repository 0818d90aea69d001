"""`benchrunner check`: the regression gate."""

from __future__ import annotations

from pathlib import Path

import click

from benchrunner.cli import terminal
from benchrunner.cli.outputs import write_output
from benchrunner.cli.results import across_option, folder_option, opened, store_option


@click.command(
    epilog="""\b
Examples:
  benchrunner check --baseline main
  benchrunner check --baseline main --confirm --junit gate.xml
  benchrunner check 2026-11-21 --baseline release --json

Exit status: 0 good, 1 regression or failed case, 3 lab (an unchanged image or the canary moved),
4 inconclusive; of several 1 before 3 before 4."""
)
@click.argument("runs", default="latest")
@click.option("--baseline", "name", required=True, help="As set by `benchrunner baseline set`.")
@folder_option
@store_option
@across_option
@click.option("--confirm", is_flag=True, help="Run suspects again, now, before saying anything about them.")
@click.option("--lab", "lab_file", type=click.Path(path_type=Path), default=None, help="Use this lab.toml.")
@click.option(
    "--trust-nights",
    is_flag=True,
    help="Confirm against the baseline's nights where neither its image nor a canary can be run in turns.",
)
@click.option(
    "--junit", "junit_file", type=click.Path(path_type=Path), default=None, help="Also write JUnit XML."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the report as Markdown.")
def command(
    runs: str,
    name: str,
    folder: Path,
    shared: str | None,
    across: tuple[str, ...],
    confirm: bool,
    lab_file: Path | None,
    trust_nights: bool,
    junit_file: Path | None,
    as_json: bool,
    as_markdown: bool,
) -> int:
    """Judge RUNS (as in `compare`; default: latest) by a baseline."""
    from benchrunner.cli.again import AgainByCommand
    from benchrunner.compare import Settings, check, load_baseline, select
    from benchrunner.report import comparison
    from benchrunner.report.gate_junit import junit

    baseline = load_baseline(folder, name)
    settings = Settings(across=frozenset(across), trust_nights=trust_nights)
    rerun = AgainByCommand(folder, lab_file) if confirm else None
    with opened(folder, shared) as history:
        report = check(
            history,
            baseline,
            select(history, runs),
            settings=settings,
            rerun=rerun,
            told=lambda text: click.echo(f"  {text}", err=True),
        )
    if junit_file is not None:
        write_output(junit_file, junit(report))
    if as_json:
        click.echo(comparison.report_json(report), nl=False)
    else:
        width = terminal.width()
        click.echo(comparison.report_text(report, width, as_markdown=as_markdown), nl=False)
    return report.status
