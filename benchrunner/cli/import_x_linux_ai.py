"""`benchrunner import-x-linux-ai`: records of a table that the board's own program printed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from benchrunner.cli.parameters import BoardId
from benchrunner.errors import ExitStatus
from benchrunner.record import Fidelity

_EXAMPLES = """\b
Examples:
  x-linux-ai-benchmark -d /usr/local/x-linux-ai/models | tee result.txt     (on the board)
  benchrunner import-x-linux-ai result.txt --board stm32mp257f-dk --fidelity measured
  benchrunner import-x-linux-ai result.json --board stm32mp157f-dk2 --models models/ --fidelity measured
"""


@click.command(epilog=_EXAMPLES)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--board", "board_id", type=BoardId(), required=True, help="The board that printed the table.")
@click.option(
    "--models",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the .tflite files of the table: the records then say which files they were.",
)
@click.option(
    "--fidelity",
    type=click.Choice([fidelity.value for fidelity in Fidelity]),
    required=True,
    help="What printed the table: the table itself looks the same on a real and on a simulated board.",
)
@click.option(
    "--out",
    "results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder for the records.",
)
def command(file: Path, board_id: str, models: Path | None, fidelity: str, results: Path) -> int:
    """Make records of FILE, a result table (text or JSON) of ST's x-linux-ai-benchmark.

    The table tells one figure for each model, by another estimator for each kind of file; the records name
    it, keep the text, and have no check of the output. A row that may be a silent retry on the CPU is a
    failed case.
    """
    from benchrunner import store
    from benchrunner.board import board_file_sha256, load_board
    from benchrunner.record import Outcome, RunDocument
    from benchrunner.report import format_tables
    from benchrunner.run.imported import ImportRequest, import_unified

    request = ImportRequest(
        file=file,
        board=load_board(board_id),
        board_file_sha256=board_file_sha256(board_id),
        models=models,
        fidelity=Fidelity(fidelity),
        command=tuple(sys.argv[1:]),
    )
    measurements = import_unified(request)
    document = RunDocument(store.new_run_id(datetime.now(UTC)), tuple(measurements))
    path = store.save_run(document, results)
    click.echo(format_tables(measurements), nl=False)
    for warning in dict.fromkeys(warning for each in measurements for warning in each.warnings):
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"stored {path}", err=True)
    failed = any(each.outcome is not Outcome.OK for each in measurements)
    return ExitStatus.FAILED if failed else ExitStatus.GOOD
