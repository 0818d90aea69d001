"""What `benchrunner accuracy` shows: how far it is, and the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchrunner.cli import terminal
from benchrunner.cli.progress import Progress
from benchrunner.errors import ExitStatus

if TYPE_CHECKING:
    from benchrunner.accuracy.measure import AccuracyResult
    from benchrunner.run import Step


class Shown:
    """An observer that shows the steps and how many images have their answers."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._counting = False
        self.done = self.total = 0

    def step(self, step: Step, detail: str) -> None:
        self._counting = False
        self._progress.step(step, detail)

    def progress(self, done: int, total: int, unit: str) -> None:
        self._progress.update(done, total, unit)

    def note(self, text: str) -> None:
        self._progress.note(text)

    def images(self, done: int, total: int, resumed: int) -> None:
        self.done, self.total = done, total
        if not self._counting:
            self._counting = True
            self._progress.step(
                "images", f"{total}, {resumed} of them answered before" if resumed else f"{total}"
            )
        self._progress.update(done - resumed, total - resumed, "images")


class Silent(Shown):
    def step(self, step: Step, detail: str) -> None:
        """Nothing to show."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """Nothing to show."""

    def note(self, text: str) -> None:
        click.echo(f"  ! {text}", err=True)

    def images(self, done: int, total: int, resumed: int) -> None:
        self.done, self.total = done, total


def show(result: AccuracyResult, *, as_json: bool) -> int:
    """Print the table and what a person wants to know; the exit status."""
    from benchrunner.accuracy.document import StoredAccuracy
    from benchrunner.accuracy.table import accuracy_table
    from benchrunner.accuracy.text import describe
    from benchrunner.report import text

    document = result.document
    if as_json:
        click.echo(result.path.read_text().rstrip("\n"))
    else:
        width = terminal.width()
        click.echo(text.layout(accuracy_table([StoredAccuracy(result.path, document, False)]), width))
        click.echo("\n".join(describe(document)))
    compared = document.comparison
    if compared is not None and document.is_wrong:
        than = (
            f", more than the {compared.tolerance_lsb} LSB that are allowed" if compared.tolerance_lsb else ""
        )
        click.echo(
            f"error: the device's output differs from {compared.reference} for {compared.beyond} of "
            f"{compared.images} images{than}, by up to {compared.largest_difference_lsb} LSB",
            err=True,
        )
    for warning in document.warnings:
        click.echo(f"warning: {warning}", err=True)
    if document.dataset.used != document.dataset.chosen:
        missing = document.dataset.chosen - document.dataset.used
        click.echo(f"warning: {missing} images could not be read and are in no figure", err=True)
    click.echo(f"result: {result.path}", err=True)
    return ExitStatus.FAILED if document.is_wrong else ExitStatus.GOOD
