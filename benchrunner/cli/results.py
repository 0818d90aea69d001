"""Options of all commands that ask the history, and how it is opened for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from benchrunner.history import History

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

    history = open_history(folder, shared=shared or None)
    for note in history.notes:
        click.echo(f"note: {note}", err=True)
    for problem in history.problems:
        click.echo(f"warning: {problem.message}\n  hint: {problem.hint}", err=True)
    return history
