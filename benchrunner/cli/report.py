"""`benchrunner report` and `benchrunner site`: results as pages to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchrunner.cli.outputs import write_output
from benchrunner.cli.results import opened
from benchrunner.errors import StoreError, UsageError
from benchrunner.wording import counted

if TYPE_CHECKING:
    from benchrunner.pages.gather import Content

_EPILOG = """\b
Examples:
  benchrunner report                                    # report.html: one file, opens offline
  benchrunner report --suite 20261121T020000Z-0000beef --baseline main --out night.html
  benchrunner report --markdown > comment.md            # for a pull request
  benchrunner site public/                              # a static site of all results"""

_RESULTS = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of results.",
)
_TITLE = click.option("--title", default="benchrunner", show_default=True, help="Title of the page.")
_BASELINE = click.option("--baseline", default=None, help="Show verdicts against this baseline.")


@click.command(epilog=_EPILOG)
@_RESULTS
@_TITLE
@_BASELINE
@click.option("--suite", default=None, help="Only the cases of this run of a suite.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("report.html"), show_default=True)
@click.option("--markdown", is_flag=True, help="Print a summary in Markdown instead of writing a page.")
def command(
    results: Path, title: str, baseline: str | None, suite: str | None, out: Path, markdown: bool
) -> None:
    """Write the results as one self-contained HTML file: tables, charts, conditions, provenance."""
    content = _content(results, title, baseline, suite)
    if markdown:
        from benchrunner.pages.comment import comment

        click.echo(comment(content), nl=False)
        return
    from benchrunner.pages.page import page

    data = page(content).encode()
    write_output(out, data)
    click.echo(f"{out}: {counted(len(content.cards), 'case')}, {len(data) / 1e6:.2f} MB", err=True)


@click.command(epilog=_EPILOG)
@click.argument("folder", type=click.Path(path_type=Path))
@_RESULTS
@_TITLE
@_BASELINE
def site(folder: Path, results: Path, title: str, baseline: str | None) -> None:
    """Write all results as a static site into FOLDER: an index and a page for each board."""
    from benchrunner.pages.site import write_site

    content = _content(results, title, baseline, None)
    try:
        written = write_site(folder, content)
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written: {error.strerror}", hint="choose another folder"
        ) from error
    for each in written:
        click.echo(f"{each.path}: {counted(each.cases, 'case')}", err=True)


def _content(results: Path, title: str, baseline: str | None, suite: str | None) -> Content:
    from benchrunner import store
    from benchrunner.compare import check, load_baseline
    from benchrunner.compare.select import latest
    from benchrunner.pages.gather import gather

    with opened(results) as history:
        loaded = store.load_runs(results)
        findings = []
        if baseline is not None:
            run_ids = (
                [run.run_id for run in history.runs() if run.suite_run == suite]
                if suite
                else latest(history.runs())
            )
            findings = list(check(history, load_baseline(results, baseline), run_ids).findings)
        content = gather(title, loaded.runs, history, suite=suite, findings=findings, notes=history.notes)
    if not content.cards:
        raise UsageError(
            f"{results}: no results{' of suite run ' + suite if suite else ''}",
            hint="run this first: benchrunner run --board stm32h747i-disco --sim",
        )
    return content
