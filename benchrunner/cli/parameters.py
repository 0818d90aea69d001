"""Types of arguments that several commands take, with their shell completion."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from benchrunner.board import board_ids
from benchrunner.emulator.machines import MACHINES
from benchrunner.errors import BenchrunnerError
from benchrunner.zoo import list_models


class BoardId(click.types.StringParamType):
    """The id of a board. The command loads it, so that a misspelt id is reported with close matches.

    With `machines` the machines of QEMU are offered, too.
    """

    name = "board"

    def __init__(self, *, machines: bool = False) -> None:
        self._machines = machines

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            ids = sorted((*board_ids(), *MACHINES)) if self._machines else board_ids()
        except (BenchrunnerError, OSError):
            return []  # a shell that completes has no place for an error; the command itself reports it
        return [CompletionItem(board_id) for board_id in ids if board_id.startswith(incomplete.lower())]


class ModelName(click.types.StringParamType):
    """A `.tflite` file or the name of a model of the zoo. The command resolves it (`benchrunner.zoo`)."""

    name = "model"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        names = [model.name for model in list_models() if model.name.startswith(incomplete)]
        # The shells complete files only when no name is offered.
        return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]
