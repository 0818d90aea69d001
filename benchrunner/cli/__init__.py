"""The command line: arguments, printing, progress, exit status. Nothing else prints or exits."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from benchrunner import __version__
from benchrunner.errors import BenchrunnerError, ExitStatus

# Command -> (module under benchrunner.cli that defines `command`, one line of help). A module is imported
# only when its command runs, so `--help` stays instant.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "Run one model on one board and store the record."),
    "accuracy": ("accuracy", "How often a model is right: float, on the host, on the board."),
    "suite": ("suite", "Run a matrix of cases over many boards, resumable."),
    "boards": ("boards", "List the boards, or show one."),
    "analyze": ("analyze", "Cost of a model, layer by layer, and which boards it fits."),
    "explain-ram": ("explain_ram", "What each kB of a model's RAM is, and what would change it."),
    "build": ("build", "Turn a model into a CMake project and an image for a board."),
    "table": ("table", "Print stored results as tables, CSV or JSON."),
    "report": ("report", "Write results as one HTML file, or a summary in Markdown."),
    "site": ("site", "Write all results as a static site."),
    "publish": ("publish", "Write the latest results into the marked tables of documents."),
    "why": ("why", "Print what a published number rests on."),
    "import-x-linux-ai": ("import_x_linux_ai", "Make records of a table of ST's x-linux-ai-benchmark."),
    "lint": ("lint", "Check published tables: sums, units, board names, stale cells."),
    "compare": ("compare", "Compare two runs, nights, revisions or baselines, cell by cell."),
    "baseline": ("baseline", "Keep the runs that later ones are judged by."),
    "check": ("check", "The regression gate: judge the latest results by a baseline."),
    "history": ("history", "Cells night by night: where their level changed, and with what."),
    "export": ("export", "Write stored results to a Parquet file."),
    "flash": ("flash", "Write a binary to a board through its ROM bootloader."),
    "sim": ("sim", "Run a simulated board for other tools."),
    "accept-host-key": ("hosts", "Trust the host key of a Linux board, once it was compared."),
    "models": ("models", "List the models that ship with benchrunner."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"benchrunner.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader of our output has what it wanted (`| head`): nothing to tell, not even at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ExitStatus.GOOD

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if COMMANDS:
            with formatter.section("Commands"):
                formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with: benchrunner run --board stm32h747i-disco --sim",
)
@click.version_option(__version__, prog_name="benchrunner")
@click.option(
    "--boards",
    "boards_folder",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of further board files; the same as setting BENCHRUNNER_BOARDS.",
)
def cli(boards_folder: Path | None) -> None:
    """Benchmark neural networks on real, emulated and simulated boards."""
    if boards_folder is not None:
        # Through the environment, so that processes started for single boards see the same files.
        os.environ["BENCHRUNNER_BOARDS"] = str(boards_folder.resolve())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the design's status."""
    try:
        status = cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
        sys.exit(status if isinstance(status, int) else ExitStatus.GOOD)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(ExitStatus.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitStatus.USAGE)
    except BenchrunnerError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"  hint: {error.hint}", err=True)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(ExitStatus.INTERRUPTED)
