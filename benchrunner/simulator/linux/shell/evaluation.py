"""Walks the tree of a program and runs it in a shell."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, assert_never

from benchrunner.simulator.linux.process import Collected, Given, SignalledError
from benchrunner.simulator.linux.shell import expansion, patterns
from benchrunner.simulator.linux.shell.builtins import LoopJump, ReturnJump, ShellExit
from benchrunner.simulator.linux.shell.simple import redirect, simple
from benchrunner.simulator.linux.shell.syntax import (
    AndOr,
    Case,
    Command,
    For,
    Function,
    If,
    Loop,
    Pipeline,
    Sequence,
    Simple,
)
from benchrunner.simulator.linux.shell.syntax import Group as Grouping

if TYPE_CHECKING:
    from benchrunner.simulator.linux.shell.interpreter import Shell

MAX_STEPS = 200_000
"""Commands of one shell before the board kills it: a loop without end must not keep the host busy forever."""
_MAX_DEPTH = 60


def run(shell: Shell, program: Sequence) -> int:
    """The status of the last command; raises what ends more than a command: exits, jumps and signals."""
    for item, background in program.items:
        if background:
            _start(shell, item)
        else:
            _and_or(shell, item)
    return shell.status


def _start(shell: Shell, item: AndOr) -> None:
    inner = shell.copy({**shell.process.streams, 0: Given()})
    inner.process.pid = shell.process.machine.next_pid()
    inner.process.background = True
    ended: list[int] = []

    def body() -> None:
        inner.process.machine.enter(inner.process)
        try:
            ended.append(inner.run_all(Sequence(((item, False),))))
        except SignalledError as error:
            ended.append(128 + error.number)
        except OSError:
            ended.append(1)  # whoever read its output is gone
        finally:
            inner.process.machine.forget(inner.process)

    shell.process.machine.remember(inner.process)
    thread = threading.Thread(target=body, name="simulated board, background command", daemon=True)
    shell.background.append((inner.process.pid, thread, ended))
    shell.last_background = inner.process.pid
    shell.status = 0
    thread.start()


def _and_or(shell: Shell, item: AndOr) -> None:
    if item.rest:
        shell.tested += 1
    try:
        _pipeline(shell, item.first)
        for index, (operator, pipeline) in enumerate(item.rest):
            if (shell.status == 0) == (operator == "&&"):
                last = index == len(item.rest) - 1
                if last:
                    shell.tested -= 1
                try:
                    _pipeline(shell, pipeline)
                finally:
                    if last:
                        shell.tested += 1
    finally:
        if item.rest:
            shell.tested -= 1


def _pipeline(shell: Shell, pipeline: Pipeline) -> None:
    if pipeline.negated:
        shell.tested += 1
    try:
        if len(pipeline.commands) == 1:
            execute(shell, pipeline.commands[0])
        else:
            _stages(shell, pipeline.commands)
    finally:
        if pipeline.negated:
            shell.tested -= 1
    if pipeline.negated:
        shell.status = int(shell.status == 0)
    elif shell.status and "e" in shell.options and not shell.tested:
        raise ShellExit(shell.status)


def _stages(shell: Shell, commands: tuple[Command, ...]) -> None:
    """The stages of a pipe one after the other; each gets all that the one before has printed."""
    source = shell.process.streams.get(0)
    for index, command in enumerate(commands):
        last = index == len(commands) - 1
        collected = Collected()
        streams = {**shell.process.streams, 0: source}
        if not last:
            streams[1] = collected
        inner = shell.copy(streams)
        inner.tested = 1
        try:
            execute(inner, command)
            status = inner.status
        except ShellExit as ended:
            status = ended.status
        except (LoopJump, ReturnJump):
            status = inner.status
        except SignalledError as error:
            if last or shell.process.signal or shell.process.group.signal:
                raise
            status = 128 + error.number
        shell.steps = inner.steps
        source = Given(bytes(collected.data))
        shell.status = status


def execute(shell: Shell, command: Command) -> None:
    """Leaves the status in `shell`; raises `SignalledError` for a shell that runs without end."""
    shell.process.check()
    shell.steps += 1
    if shell.steps > MAX_STEPS or shell.depth > _MAX_DEPTH:
        raise SignalledError(9)
    shell.depth += 1
    try:
        match command:
            case Simple():
                simple(shell, command)
            case Function(name, body):
                shell.functions[name] = body
                shell.status = 0
            case Grouping() | If() | Loop() | For() | Case():
                _compound(shell, command)
            case _ as never:
                assert_never(never)
    finally:
        shell.depth -= 1


def _compound(shell: Shell, command: Grouping | If | Loop | For | Case) -> None:
    if not command.redirections:
        _inside(shell, command)
        return
    before = shell.process.streams
    streams = redirect(shell, command.redirections)
    if streams is None:
        return
    shell.process.streams = streams
    try:
        _inside(shell, command)
    finally:
        shell.process.streams = before


def _inside(shell: Shell, command: Grouping | If | Loop | For | Case) -> None:
    match command:
        case Grouping(body, subshell, _) if subshell:
            inner = shell.copy(dict(shell.process.streams))
            inner.tested = shell.tested
            shell.status = inner.run_all(body)
            shell.steps = inner.steps
        case Grouping(body, _, _):
            run(shell, body)
        case If(branches, otherwise, _):
            for condition, body in branches:
                if _holds(shell, condition):
                    run(shell, body)
                    return
            shell.status = 0
            if otherwise is not None:
                run(shell, otherwise)
        case Loop(condition, body, until, _):
            shell.status = status = 0
            while _holds(shell, condition) != until:
                if not _once(shell, body):
                    return
                status = shell.status
            shell.status = status
        case For(name, words, body, _):
            values = list(shell.positional) if words is None else expansion.fields(words, shell)
            shell.status = 0
            for value in values:
                shell.set(name, value)
                if not _once(shell, body):
                    return
        case Case(subject, arms, _):
            text = expansion.single(subject, shell)
            shell.status = 0
            for alternatives, body in arms:
                if any(patterns.matches(expansion.pattern(each, shell), text) for each in alternatives):
                    run(shell, body)
                    return
        case _ as never:
            assert_never(never)


def _holds(shell: Shell, condition: Sequence) -> bool:
    shell.tested += 1
    try:
        return run(shell, condition) == 0
    finally:
        shell.tested -= 1


def _once(shell: Shell, body: Sequence) -> bool:
    """One turn of a loop; False where it is the last."""
    shell.steps += 1
    try:
        run(shell, body)
    except LoopJump as jump:
        if jump.levels > 1:
            raise LoopJump(jump.levels - 1, jump.again) from None
        shell.status = 0
        return jump.again
    return True
