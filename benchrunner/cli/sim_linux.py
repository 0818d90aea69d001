"""`benchrunner sim` for a board that runs Linux: an SSH server, and how to reach it."""

from __future__ import annotations

import json
import shlex
import threading

import click

from benchrunner.board import Board
from benchrunner.errors import UsageError
from benchrunner.simulator.clock import BoardClock
from benchrunner.simulator.linux import SshBoard, parse_linux, serve_ssh_board


def serve_linux(
    board: Board, faults: tuple[str, ...], clock: BoardClock, *, passwordless: bool, as_json: bool
) -> None:
    """Serve `board` until the process is interrupted. Raises `UsageError` for a fault that is none."""
    with serve_ssh_board(board, parse_linux(faults), clock=clock, passwordless=passwordless) as served:
        click.echo(json.dumps(_record(board, served)) if as_json else shlex.join(_ssh(served)))
        lines = (
            f"{board.name}, simulated: no hardware, modelled times; Ctrl-C ends it",
            f"key       {served.private_key} (deleted at the end)",
            f"host key  {served.host_key_line}",
        )
        click.echo("\n".join(lines), err=True)
        threading.Event().wait()


def refuse_options(board: Board, given: dict[str, object]) -> None:
    """Raise `UsageError` for options of microcontroller boards: none may be left unheard."""
    for name, value in given.items():
        if value:
            raise UsageError(
                f"{name}: {board.id} runs Linux, this option is for microcontroller boards",
                hint=f"benchrunner sim {board.id} takes --fault, --time, --no-password and --json",
            )


def _ssh(served: SshBoard) -> list[str]:
    return [
        *("ssh", "-p", str(served.port), "-i", str(served.private_key), "-o", "IdentitiesOnly=yes"),
        *("-o", f"UserKnownHostsFile={served.known_hosts}", f"{served.user}@{served.host}"),
    ]


def _record(board: Board, served: SshBoard) -> dict[str, object]:
    return {
        "board": board.id,
        "kind": "ssh",
        "host": served.host,
        "port": served.port,
        "user": served.user,
        "private_key": str(served.private_key),
        "host_key": served.host_key_line,
        "known_hosts": str(served.known_hosts),
        "fidelity": "simulated",
    }
