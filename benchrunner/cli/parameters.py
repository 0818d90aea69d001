"""Types of arguments that several commands take, with their shell completion."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from benchrunner.board import board_ids
from benchrunner.errors import BenchrunnerError


class BoardId(click.types.StringParamType):
    """The id of a board. The command loads it, so that a misspelt id is reported with close matches."""

    name = "board"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            ids = board_ids()
        except (BenchrunnerError, OSError):
            return []  # a shell that completes has no place for an error; the command itself reports it
        return [CompletionItem(board_id) for board_id in ids if board_id.startswith(incomplete.lower())]
