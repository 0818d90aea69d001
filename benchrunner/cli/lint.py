"""`benchrunner lint`: what is wrong with published tables."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from benchrunner.errors import ExitStatus, UsageError
from benchrunner.lint import Severity, lint_documents
from benchrunner.lint.inventory import inventory
from benchrunner.wording import counted

_MAX_BYTES = 16 << 20

_EPILOG = """\b
Examples:
  benchrunner lint README.md
  benchrunner lint results/tables.md --strict
  benchrunner lint zoo_v2.md zoo_v3.md      # also rows that did not move under a new tool version

Reads Markdown tables, CSV, and pages copied as plain text. Boards are those of `benchrunner boards`.
Exit status: 0 nothing wrong, 1 an error was found (with --strict also a warning), 2 usage."""


@click.command(epilog=_EPILOG)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(files: tuple[Path, ...], strict: bool, as_json: bool) -> int:
    """Check published performance tables: sums, units, board names, stale and impossible cells."""
    documents = {str(file): _text(file) for file in files}
    tables, findings = lint_documents(documents, inventory())
    if as_json:
        click.echo(
            json.dumps([dataclasses.asdict(found) for found in findings], indent=1, ensure_ascii=False)
        )
    else:
        for found in findings:
            click.echo(str(found))
    errors = sum(found.severity is Severity.ERROR for found in findings)
    rows = sum(len(table.rows) for table in tables)
    found_in = f"{counted(len(tables), 'table')}, {counted(rows, 'row')}"
    warnings = counted(len(findings) - errors, "warning")
    click.echo(f"{found_in}: {counted(errors, 'error')}, {warnings}", err=True)
    if not tables:
        raise UsageError(
            f"{', '.join(documents)}: no performance table found",
            hint="a table needs a header with at least three of the columns that benchrunner publishes",
        )
    return ExitStatus.FAILED if errors or (strict and findings) else ExitStatus.GOOD


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise UsageError(f"{file}: larger than {_MAX_BYTES >> 20} MiB, which no page of tables is")
    return data.decode("utf-8", "replace")
