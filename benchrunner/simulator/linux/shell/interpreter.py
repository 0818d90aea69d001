"""Walks the tree of a program: the shell itself."""

from __future__ import annotations

import errno
import threading
from typing import assert_never

from benchrunner.simulator.linux.files import Files
from benchrunner.simulator.linux.process import (
    Collected,
    Given,
    Process,
    SignalledError,
    encode,
)
from benchrunner.simulator.linux.shell import expansion, patterns
from benchrunner.simulator.linux.shell.builtins import BUILTINS, SPECIAL, LoopJump, ReturnJump, ShellExit
from benchrunner.simulator.linux.shell.parser import parse_program
from benchrunner.simulator.linux.shell.redirections import redirected
from benchrunner.simulator.linux.shell.syntax import (
    AndOr,
    Case,
    Command,
    For,
    Function,
    If,
    Loop,
    Pipeline,
    Redirection,
    Sequence,
    ShellSyntaxError,
    Simple,
)
from benchrunner.simulator.linux.shell.syntax import Group as Grouping

MAX_STEPS = 200_000
"""Commands of one shell before the board kills it: a loop without end must not keep the host busy forever."""
_MAX_DEPTH = 60


class Shell:
    """One shell process: variables, functions, where it is, what it has open."""

    def __init__(self, process: Process, name: str = "sh", positional: list[str] | None = None) -> None:
        self.process = process
        self.name = name
        self.positional = positional or []
        self.variables: dict[str, str] = dict(process.environment)
        self.exported: set[str] = set(process.environment)
        self.functions: dict[str, Command] = {}
        self.options: set[str] = set()
        self.status = 0
        self.interactive = False
        self.last_background = 0
        self.background: list[tuple[int, threading.Thread, list[int]]] = []
        self.traps: dict[str, str] = {}
        self._steps = 0
        self._depth = 0
        self._tested = 0  # inside a condition, where -e does not count

    # what expansion needs

    @property
    def folder(self) -> str:
        return self.process.folder

    @property
    def home(self) -> str:
        return self.variables.get("HOME", "/")

    @property
    def files(self) -> Files:
        return self.process.machine.files

    @property
    def globbing(self) -> bool:
        return "f" not in self.options

    def get(self, name: str) -> str | None:
        match name:
            case "?":
                return str(self.status)
            case "$":
                return str(self.process.pid)
            case "#":
                return str(len(self.positional))
            case "!":
                return str(self.last_background or "")
            case "-":
                return "".join(sorted(self.options)) + ("i" if self.interactive else "")
            case "*" | "@":
                separator = self.variables.get("IFS", " ")[:1]
                return separator.join(self.positional)
            case "0":
                return self.name
            case "\0nounset":
                return "1" if "u" in self.options else None
            case "PPID":
                return str(self.process.parent)
            case "PWD":
                return self.process.folder
        if name.isdigit():
            index = int(name) - 1
            return self.positional[index] if index < len(self.positional) else None
        return self.variables.get(name)

    def set(self, name: str, value: str) -> None:
        self.variables[name] = value
        if "a" in self.options:
            self.exported.add(name)

    def substitute(self, program: Sequence) -> str:
        collected = Collected()
        inner = self.copy({**self.process.streams, 1: collected})
        self.status = inner.run_all(program)
        self._steps = inner._steps
        return bytes(collected.data).replace(b"\0", b"").decode("utf-8", "surrogateescape")

    def copy(self, streams: dict[int, object]) -> Shell:
        """A subshell."""
        inner = Shell(self._child([self.name], streams), self.name, list(self.positional))
        inner.process.pid = self.process.pid  # $$ stays that of the main shell
        inner.variables, inner.exported = dict(self.variables), set(self.exported)
        inner.functions, inner.options = dict(self.functions), set(self.options)
        inner.status, inner.last_background = self.status, self.last_background
        inner._steps, inner._depth = self._steps, self._depth + 1
        return inner

    def _child(self, arguments: list[str], streams: dict[int, object]) -> Process:
        environment = {name: self.variables[name] for name in self.exported if name in self.variables}
        return self.process.child(arguments, environment, streams)

    # running

    def run_text(self, text: str) -> int:
        """Parse and run; a text that is no program is an error message and status 2."""
        try:
            program = parse_program(text)
        except ShellSyntaxError as error:
            self._complain(f"1: {error}")
            self.status = 2
            return 2
        return self.run_all(program)

    def run_all(self, program: Sequence) -> int:
        """Run `program` as all that this shell does; returns its exit status."""
        try:
            self.run(program)
        except ShellExit as ended:
            self.status = ended.status
        except (LoopJump, ReturnJump):
            pass
        except expansion.ExpansionError as error:
            self._complain(f"1: {error}")
            self.status = 2
        return self._at_exit()

    def run_line(self, program: Sequence) -> int:
        """Run one line of a conversation; `exit` raises `ShellExit`."""
        self._steps = 0
        try:
            self.run(program)
        except (LoopJump, ReturnJump):
            pass
        except expansion.ExpansionError as error:
            self._complain(f"1: {error}")
            self.status = 2
        except SignalledError as error:
            self.process.group.check()  # a closed connection ends the shell as well
            self.status = 128 + error.number
        return self.status

    def _at_exit(self) -> int:
        action = self.traps.pop("EXIT", "")
        if action:
            status = self.status
            try:
                self.run(parse_program(action))
            except ShellExit as ended:
                status = ended.status
            except (ShellSyntaxError, LoopJump, ReturnJump, expansion.ExpansionError):
                pass
            self.status = status
        return self.status

    def _complain(self, text: str) -> None:
        self.process.stderr.write(encode(f"{self.name}: {text}\n"))

    def run(self, program: Sequence) -> int:
        for item, background in program.items:
            if background:
                self._start(item)
            else:
                self._and_or(item)
        return self.status

    def _start(self, item: AndOr) -> None:
        inner = self.copy({**self.process.streams, 0: Given()})
        inner.process.pid = self.process.machine.next_pid()
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

        self.process.machine.remember(inner.process)
        thread = threading.Thread(target=body, name="simulated board, background command", daemon=True)
        self.background.append((inner.process.pid, thread, ended))
        self.last_background = inner.process.pid
        self.status = 0
        thread.start()

    def _and_or(self, item: AndOr) -> None:
        if item.rest:
            self._tested += 1
        try:
            self._pipeline(item.first)
            for index, (operator, pipeline) in enumerate(item.rest):
                if (self.status == 0) == (operator == "&&"):
                    last = index == len(item.rest) - 1
                    if last:
                        self._tested -= 1
                    try:
                        self._pipeline(pipeline)
                    finally:
                        if last:
                            self._tested += 1
        finally:
            if item.rest:
                self._tested -= 1

    def _pipeline(self, pipeline: Pipeline) -> None:
        if pipeline.negated:
            self._tested += 1
        try:
            if len(pipeline.commands) == 1:
                self._command(pipeline.commands[0])
            else:
                self._stages(pipeline.commands)
        finally:
            if pipeline.negated:
                self._tested -= 1
        if pipeline.negated:
            self.status = int(self.status == 0)
        elif self.status and "e" in self.options and not self._tested:
            raise ShellExit(self.status)

    def _stages(self, commands: tuple[Command, ...]) -> None:
        """The stages of a pipe one after the other; each gets all that the one before has printed."""
        source = self.process.streams.get(0)
        for index, command in enumerate(commands):
            last = index == len(commands) - 1
            collected = Collected()
            streams = {**self.process.streams, 0: source}
            if not last:
                streams[1] = collected
            inner = self.copy(streams)
            inner._tested = 1
            try:
                inner._command(command)
                status = inner.status
            except ShellExit as ended:
                status = ended.status
            except (LoopJump, ReturnJump):
                status = inner.status
            except SignalledError as error:
                if last or self.process.signal or self.process.group.signal:
                    raise
                status = 128 + error.number
            self._steps = inner._steps
            source = Given(bytes(collected.data))
            self.status = status

    def _command(self, command: Command) -> None:
        self.process.check()
        self._steps += 1
        if self._steps > MAX_STEPS or self._depth > _MAX_DEPTH:
            raise SignalledError(9)
        self._depth += 1
        try:
            match command:
                case Simple():
                    self._simple(command)
                case Function(name, body):
                    self.functions[name] = body
                    self.status = 0
                case Grouping() | If() | Loop() | For() | Case():
                    self._compound(command)
                case _ as never:
                    assert_never(never)
        finally:
            self._depth -= 1

    def _compound(self, command: Grouping | If | Loop | For | Case) -> None:
        if not command.redirections:
            self._inside(command)
            return
        before = self.process.streams
        streams = self._redirect(command.redirections)
        if streams is None:
            return
        self.process.streams = streams
        try:
            self._inside(command)
        finally:
            self.process.streams = before

    def _inside(self, command: Grouping | If | Loop | For | Case) -> None:
        match command:
            case Grouping(body, subshell, _) if subshell:
                inner = self.copy(dict(self.process.streams))
                inner._tested = self._tested
                self.status = inner.run_all(body)
                self._steps = inner._steps
            case Grouping(body, _, _):
                self.run(body)
            case If(branches, otherwise, _):
                for condition, body in branches:
                    if self._holds(condition):
                        self.run(body)
                        return
                self.status = 0
                if otherwise is not None:
                    self.run(otherwise)
            case Loop(condition, body, until, _):
                self.status = status = 0
                while self._holds(condition) != until:
                    if not self._once(body):
                        return
                    status = self.status
                self.status = status
            case For(name, words, body, _):
                values = list(self.positional) if words is None else expansion.fields(words, self)
                self.status = 0
                for value in values:
                    self.set(name, value)
                    if not self._once(body):
                        return
            case Case(subject, arms, _):
                text = expansion.single(subject, self)
                self.status = 0
                for alternatives, body in arms:
                    if any(patterns.matches(expansion.pattern(each, self), text) for each in alternatives):
                        self.run(body)
                        return
            case _ as never:
                assert_never(never)

    def _holds(self, condition: Sequence) -> bool:
        self._tested += 1
        try:
            return self.run(condition) == 0
        finally:
            self._tested -= 1

    def _once(self, body: Sequence) -> bool:
        """One turn of a loop; False where it is the last."""
        self._steps += 1
        try:
            self.run(body)
        except LoopJump as jump:
            if jump.levels > 1:
                raise LoopJump(jump.levels - 1, jump.again) from None
            self.status = 0
            return jump.again
        return True

    def _redirect(self, redirections: tuple[Redirection, ...]) -> dict[int, object] | None:
        """The streams with `redirections`, or None after a message."""
        try:
            return redirected(self, redirections)
        except OSError as error:
            self._complain(f"1: {_redirection_text(error)}")
            self.status = 2 if error.errno != errno.EBADF else 1
            return None

    def _simple(self, command: Simple) -> None:
        words = expansion.fields(command.words, self)
        streams = dict(self.process.streams)
        if command.redirections:
            changed = self._redirect(command.redirections)
            if changed is None:
                return
            streams = changed
        if not words:
            self.status = 0
            for name, word in command.assignments:
                self.set(name, expansion.single(word, self))
            return
        if "x" in self.options:
            self.process.stderr.write(encode("+ " + " ".join(words) + "\n"))
        local = {name: expansion.single(word, self) for name, word in command.assignments}
        try:
            self.status = self._call(words, local, streams)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self.process.stderr.write(encode(f"{words[0]}: write error: No space left on device\n"))
                self.status = 1
            else:
                raise

    def _call(self, words: list[str], local: dict[str, str], streams: dict[int, object]) -> int:
        name = words[0]
        if name in self.functions:
            return self._function(self.functions[name], words, streams)
        builtin = BUILTINS.get(name)
        if builtin is not None:
            kept_variables = dict(self.variables)
            for each, value in local.items():
                self.set(each, value)
            before, self.process.streams = self.process.streams, streams
            try:
                status = builtin(self, words)
            finally:
                for each in () if name in SPECIAL else local:
                    self._give_back(each, kept_variables)
                kept = self.process.streams
                self.process.streams = before
            if name == "exec" and len(words) == 1:
                self.process.streams = kept
            return status
        child = self._child(words, streams)
        child.environment.update(local)
        return self.process.machine.execute(child, self.variables.get("PATH", ""))

    def _give_back(self, name: str, kept: dict[str, str]) -> None:
        if name in kept:
            self.variables[name] = kept[name]
        else:
            self.variables.pop(name, None)

    def _function(self, body: Command, words: list[str], streams: dict[int, object]) -> int:
        before = self.positional, self.process.streams
        self.positional, self.process.streams = words[1:], streams
        try:
            self._command(body)
        except ReturnJump as jump:
            return jump.status
        finally:
            self.positional, self.process.streams = before
        return self.status


def _redirection_text(error: OSError) -> str:
    if error.errno == errno.EBADF:
        return f"{error.filename}: Bad file descriptor"
    verb = "create" if error.filename2 else "open"
    reason = {errno.ENOENT: "No such file", errno.EISDIR: "Is a directory"}.get(
        error.errno or 0, error.strerror or ""
    )
    if error.errno == errno.ENOENT and verb == "create":
        reason = "Directory nonexistent"
    return f"cannot {verb} {error.filename}: {reason}"
