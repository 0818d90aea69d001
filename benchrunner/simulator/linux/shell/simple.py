"""Simple commands: words, assignments and redirections, and what the first word calls."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from benchrunner.simulator.linux.process import encode
from benchrunner.simulator.linux.shell import expansion
from benchrunner.simulator.linux.shell.builtins import BUILTINS, SPECIAL, Builtin, ReturnJump
from benchrunner.simulator.linux.shell.redirections import redirected, redirection_text
from benchrunner.simulator.linux.shell.syntax import Command, Redirection, Simple

if TYPE_CHECKING:
    from benchrunner.simulator.linux.shell.interpreter import Shell


def redirect(shell: Shell, redirections: tuple[Redirection, ...]) -> dict[int, object] | None:
    """The streams with `redirections`, or None after a message."""
    try:
        return redirected(shell, redirections)
    except OSError as error:
        shell.complain(f"1: {redirection_text(error)}")
        shell.status = 2 if error.errno != errno.EBADF else 1
        return None


def simple(shell: Shell, command: Simple) -> None:
    """Expand, assign, redirect and call; leaves the status in `shell`."""
    words = expansion.fields(command.words, shell)
    streams = dict(shell.process.streams)
    if command.redirections:
        changed = redirect(shell, command.redirections)
        if changed is None:
            return
        streams = changed
    if not words:
        shell.status = 0
        for name, word in command.assignments:
            shell.set(name, expansion.single(word, shell))
        return
    if "x" in shell.options:
        shell.process.stderr.write(encode("+ " + " ".join(words) + "\n"))
    local = {name: expansion.single(word, shell) for name, word in command.assignments}
    try:
        shell.status = call(shell, words, local, streams)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            shell.process.stderr.write(encode(f"{words[0]}: write error: No space left on device\n"))
            shell.status = 1
        else:
            raise


def call(shell: Shell, words: list[str], local: dict[str, str], streams: dict[int, object]) -> int:
    """The status of the function, builtin or program `words[0]`, with `local` assigned before it."""
    function = shell.functions.get(words[0])
    if function is not None:
        return _function(shell, function, words, streams)
    builtin = BUILTINS.get(words[0])
    if builtin is not None:
        return _builtin(shell, builtin, words, local, streams)
    child = shell.child(words, streams)
    child.environment.update(local)
    return shell.process.machine.execute(child, shell.variables.get("PATH", ""))


def _builtin(
    shell: Shell, builtin: Builtin, words: list[str], local: dict[str, str], streams: dict[int, object]
) -> int:
    kept_variables = dict(shell.variables)
    for name, value in local.items():
        shell.set(name, value)
    before, shell.process.streams = shell.process.streams, streams
    try:
        return builtin(shell, words)
    finally:
        for name in () if words[0] in SPECIAL else local:
            _give_back(shell, name, kept_variables)
        if words != ["exec"]:  # whose redirections stay
            shell.process.streams = before


def _give_back(shell: Shell, name: str, kept: dict[str, str]) -> None:
    if name in kept:
        shell.variables[name] = kept[name]
    else:
        shell.variables.pop(name, None)


def _function(shell: Shell, body: Command, words: list[str], streams: dict[int, object]) -> int:
    before = shell.positional, shell.process.streams
    shell.positional, shell.process.streams = words[1:], streams
    try:
        shell.execute(body)
    except ReturnJump as jump:
        return jump.status
    finally:
        shell.positional, shell.process.streams = before
    return shell.status
