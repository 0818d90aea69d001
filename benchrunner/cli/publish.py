"""`benchrunner publish`: the marked tables of documents, made from the records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import click

from benchrunner.accuracy.document import load_accuracies
from benchrunner.cli.results import rows_of, warn
from benchrunner.durable import alone_in, write_atomic
from benchrunner.errors import ExitStatus, StoreError
from benchrunner.publish.blocks import difference
from benchrunner.publish.document import TABLES, publish, read_document
from benchrunner.report.style import Style
from benchrunner.wording import counted

_EPILOG = f"""\b
Mark where a table belongs; what stands between the markers is replaced:
  <!-- benchrunner:begin table=mcu-latency style=st-modelzoo-v2 -->
  <!-- benchrunner:end table=mcu-latency -->
In .tex files the markers begin with % instead.

\b
table=     {", ".join(TABLES)}, accuracy
style=     {", ".join(Style)}
fidelity=  measured (default), emulated, simulated: a table has rows of one kind only
board=  model=  engine=   ids and names, with * and ?
suite=     one run of a suite
beside=    a .csv, .md or .txt file with published values, which stand beside ours with the error of each

\b
Examples:
  benchrunner publish README.md
  benchrunner publish README.md results/tables.md --check     # in CI: fails when a table is stale

Exit status: 0 good, 1 --check found a stale table, 2 a document or block is wrong,
3 a document cannot be written."""


@click.command(epilog=_EPILOG)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Folders or files of results; default: results/.",
)
@click.option("--check", is_flag=True, help="Write nothing; print what would change and exit with 1.")
def command(files: tuple[Path, ...], results: tuple[Path, ...], check: bool) -> int:
    """Write the latest results into the marked tables of documents."""
    with ExitStack() as stack:
        if not check:  # of two at once the later to begin has the newer records, and writes last
            for folder in sorted({file.resolve().parent for file in files}):
                stack.enter_context(_alone_in(folder))
        return _publish(files, results or (Path("results"),), check=check)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    with ExitStack() as stack:
        with suppress(OSError):  # it is not there, or not ours to read: whoever reads the document tells
            stack.enter_context(alone_in(folder))
        yield


def _publish(files: tuple[Path, ...], sources: tuple[Path, ...], *, check: bool) -> int:
    rows, _ = rows_of(sources)
    accuracies, damaged = load_accuracies(sources)
    for problem in damaged:
        warn(problem)
    made = []
    for file in files:  # all of them are made before one is written
        text = read_document(file)
        made.append((file, text, *publish(file, text, rows, accuracies)))
    stale = False
    for file, text, new, blocks in made:
        if new == text:
            click.echo(f"{file}: {counted(len(blocks), 'table')}, up to date", err=True)
        elif check:
            stale = True
            click.echo(difference(file, text, new))
        else:
            try:
                write_atomic(file, new.encode())
            except OSError as error:
                raise StoreError(
                    f"{file}: cannot be written: {error.strerror or error}",
                    hint=f"free space on, or get write access to, {file.parent}; --check shows the change",
                ) from error
            click.echo(f"{file}: {counted(len(blocks), 'table')}, written", err=True)
    return ExitStatus.FAILED if stale else ExitStatus.GOOD
