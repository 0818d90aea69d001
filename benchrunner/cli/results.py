"""Options of all commands that ask the history, how it is opened for them, and what is told meanwhile."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from benchrunner.cli.progress import Progress
from benchrunner.errors import BenchrunnerError
from benchrunner.wording import counted

if TYPE_CHECKING:
    from benchrunner.errors import StoreError
    from benchrunner.history import History
    from benchrunner.table import Row

_WORTH_A_LINE_S: Final = 1.0

folder_option = click.option(
    "--results",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of the records.",
)
store_option = click.option(
    "--store",
    "shared",
    envvar="BENCHRUNNER_STORE",
    metavar="URL",
    default=None,
    help="A database that several labs share: postgresql://user@host/database [env: BENCHRUNNER_STORE].",
)

across_option = click.option(
    "--across",
    multiple=True,
    metavar="CONDITION",
    help="A condition that may differ (model_sha256, kernel, place ...); may be repeated.",
)


def opened(folder: Path, shared: str | None = None) -> History:
    """The history of a folder or store; what is to be known of it goes to standard error."""
    from benchrunner.history import open_history

    reading = _Reading(folder)
    try:
        history = open_history(folder, shared=shared or None, told=reading)
    finally:
        reading.done()
    if history.elsewhere is not None:
        click.echo(f"note: {folder} cannot be written: its index is {history.elsewhere}", err=True)
    for note in history.notes:
        click.echo(f"note: {note}", err=True)
    _tell_of_the_future([run_id for (run_id,) in history.query("SELECT run_id FROM run")])
    for problem in history.problems:
        warn(problem)
    return history


def rows_of(sources: Sequence[Path]) -> tuple[list[Row], list[StoreError]]:
    """All measurements of folders and documents, those of one large folder by its index.

    What cannot be read was told; it is returned for whoever can do nothing without it.
    """
    from benchrunner.history import has_index, load_rows

    if has_index(sources):
        with opened(sources[0]) as history:
            rows, problems = history.rows(), history.problems
    else:
        rows, problems = load_rows(sources)
        _tell_of_the_future(sorted({row.run_id for row in rows}))
        for problem in problems:
            warn(problem)
    return rows, problems


def _tell_of_the_future(run_ids: Sequence[str]) -> None:
    from benchrunner.store import is_ahead

    ahead = [run_id for run_id in run_ids if is_ahead(run_id)]
    if ahead:
        runs = f"{counted(len(ahead), 'run')} ({ahead[0]} ...)"
        click.echo(
            f"note: {runs} from the future: here it is {datetime.now(UTC):%Y-%m-%d}; one of the clocks is "
            "or was wrong; where there are others, none of these is the latest",
            err=True,
        )


def warn(problem: BenchrunnerError) -> None:
    """Say on standard error what is wrong with one document while the others are used."""
    click.echo(f"warning: {problem.message}\n  hint: {problem.hint}", err=True)


class _Reading:
    """How far the reading of new documents is, where it takes long enough to be asked about."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._began_s = folder, time.monotonic()
        self._progress: Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        if self._progress is None and time.monotonic() - self._began_s >= _WORTH_A_LINE_S:
            self._progress = Progress()
            self._progress.step("index", f"of {self._folder}, {counted(total, 'new document')}")
        if self._progress is not None:
            self._progress.update(done, total, "documents")

    def done(self) -> None:
        if self._progress is not None:
            self._progress.done()
