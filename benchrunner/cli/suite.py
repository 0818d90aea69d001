"""`benchrunner suite`: a night of cases over many boards."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchrunner.cli import terminal
from benchrunner.cli.outputs import write_output
from benchrunner.cli.results import across_option
from benchrunner.errors import ExitStatus
from benchrunner.wording import counted

if TYPE_CHECKING:
    from benchrunner.cli.again import AgainByCommand
    from benchrunner.compare import Baseline, Report, Settings
    from benchrunner.suite.file import Target
    from benchrunner.suite.plan import Plan
    from benchrunner.suite.reports import Result

_EPILOG = """\b
A suite file:
  name = "nightly"
  case_deadline_s = 600
  failures_of_a_board = 3       # so many in a row, and the board is set aside
  [[matrix]]
  boards = ["stm32h747i-disco", "nucleo-*"]
  models = ["fdmobilenet_0.25_*_int8", "models/*.tflite"]
  exclude = [{ board = "nucleo-f401re", model = "*_224_*" }]
  include = [{ board = "stm32mp257f-dk", engine = "nbg" }]

\b
Examples:
  benchrunner suite nightly.toml --list
  benchrunner suite nightly.toml --sim
  benchrunner suite nightly.toml --junit report.xml --json summary.json
  benchrunner suite nightly.toml --baseline main --confirm

A suite that was stopped, also by kill -9, goes on where it was when it is started again; --new begins anew.
With --baseline the night is judged as by `benchrunner check`.
Exit status: 0 all good, 1 a case failed or regressed, 2 usage, 3 board or lab, 4 inconclusive, 130 Ctrl-C."""


@click.command(epilog=_EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--list", "only_list", is_flag=True, help="Print the cases and run nothing.")
@click.option("--sim", is_flag=True, help="Use simulated boards, whatever the file says.")
@click.option("--emulate", is_flag=True, help="Use emulated boards, whatever the file says.")
@click.option("--new", is_flag=True, help="Begin anew where an unfinished run of this suite would go on.")
@click.option("--jobs", type=click.IntRange(0, 4096), default=0, help="Boards at once; default: all of them.")
@click.option("--lab", "lab_file", type=click.Path(path_type=Path), default=None, help="Use this lab.toml.")
@click.option("--baseline", "baseline_name", default=None, help="Judge the night by this baseline.")
@click.option("--confirm", is_flag=True, help="With --baseline: run suspects again before judging them.")
@click.option("--trust-nights", is_flag=True, help="With --confirm: as `benchrunner check` has it.")
@across_option
@click.option("--junit", "junit_file", type=click.Path(path_type=Path), help="Write JUnit XML.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write a summary as JSON.")
@click.option(
    "--out",
    "results",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of the records.",
)
def command(
    file: Path,
    only_list: bool,
    sim: bool,
    emulate: bool,
    new: bool,
    jobs: int,
    lab_file: Path | None,
    baseline_name: str | None,
    confirm: bool,
    trust_nights: bool,
    across: tuple[str, ...],
    junit_file: Path | None,
    json_file: Path | None,
    results: Path,
) -> int:
    """Run every case of a suite file, boards in parallel, and leave a row for each."""
    if sim and emulate:
        raise click.UsageError("--sim and --emulate exclude each other")
    if baseline_name is None and (confirm or trust_nights or across):
        raise click.UsageError("--confirm, --trust-nights and --across need --baseline")
    from benchrunner.suite.file import load_suite
    from benchrunner.suite.plan import make_plan
    from benchrunner.suite.unused import unused

    target: Target | None = "sim" if sim else "emulate" if emulate else None
    suite = load_suite(file)
    plan = make_plan(suite, target)
    for line in unused(suite):
        click.echo(f"warning: {line}", err=True)
    if only_list:
        for case in plan.cases:
            click.echo(f"{case.number:>4}  {case.target:<8} {case.title}  {counted(case.runs, 'run')}")
        click.echo(_counted(plan), err=True)
        return ExitStatus.GOOD

    from benchrunner import kept
    from benchrunner.cli.again import AgainByCommand
    from benchrunner.cli.suite_progress import SuiteProgress
    from benchrunner.compare import Settings, load_baseline
    from benchrunner.compare.baselines import pinned
    from benchrunner.report import Kind, Layout, render
    from benchrunner.report.comparison import report_text
    from benchrunner.report.gate_junit import by_run
    from benchrunner.store import new_run_id
    from benchrunner.suite import journal as journals
    from benchrunner.suite.engine import Options, Suite
    from benchrunner.suite.reports import exit_status, junit, results_of, summary, worst

    baseline = load_baseline(results, baseline_name) if baseline_name else None  # a typo costs no night
    settings = Settings(across=frozenset(across), trust_nights=trust_nights)
    again = AgainByCommand(results, lab_file) if confirm else None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with journals.begun(results, plan, lambda: new_run_id(datetime.now(UTC)), anew=new) as (
        journal,
        going_on,
    ):
        before, suite_run = len(journal.finished()), journal.suite_run
        click.echo(
            f"suite {plan.name}: {_counted(plan)}, run {suite_run}"
            + (f", going on after {counted(before, 'finished case')}" if going_on else ""),
            err=True,
        )
        progress = SuiteProgress(len(plan.cases), before)
        try:
            rows = Suite(journal, Options(jobs, lab_file), progress).run()
        finally:
            progress.done()
        found = results_of(journal)
    report = None
    if baseline is not None:
        report = _judge(results, found, baseline, settings, again)
    regressions, lab_faults = (by_run(report, kind) if report else {} for kind in ("failure", "error"))
    if junit_file is not None:
        write_output(junit_file, junit(journal, found, regressions, lab_faults))
    if json_file is not None:
        write_output(json_file, summary(journal, found, report).encode())
    width = terminal.width()
    click.echo(render([result.row for result in found], Kind.LATENCY, Layout.TEXT, width), nl=False)
    if report is not None:
        click.echo("\n" + report_text(report, width), nl=False)
    kept.prune(results, lambda: pinned(results))
    bad = [result for result in found if not result.good]
    click.echo(
        f"{len(found) - len(bad)} of {counted(len(plan.cases), 'case')} good; run {suite_run}", err=True
    )
    status = exit_status(found, {row.case.number: row.exit_status for row in rows})
    return worst((status, *([report.status] if report else [])))


def _counted(plan: Plan) -> str:
    return f"{counted(len(plan.cases), 'case')} on {counted(len(plan.boards()), 'board')}"


def _judge(
    results: Path, found: list[Result], baseline: Baseline, settings: Settings, again: AgainByCommand | None
) -> Report:
    """The night's cases against the baseline; suspects are run again where `again` is given."""
    from benchrunner.cli.results import opened
    from benchrunner.compare import check

    def told(text: str) -> None:
        click.echo(f"  {text}", err=True)

    run_ids = [result.finished.run_id for result in found]
    with opened(results) as history:
        return check(history, baseline, run_ids, settings=settings, rerun=again, told=told)
