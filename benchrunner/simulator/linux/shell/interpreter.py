"""The shell of a simulated Linux board: one process, its state, and the texts that it runs."""

from __future__ import annotations

import threading

from benchrunner.simulator.linux.files import Files
from benchrunner.simulator.linux.process import Collected, Process, SignalledError, encode
from benchrunner.simulator.linux.shell import evaluation, expansion, simple
from benchrunner.simulator.linux.shell.builtins import LoopJump, ReturnJump, ShellExit
from benchrunner.simulator.linux.shell.parser import parse_program
from benchrunner.simulator.linux.shell.syntax import Command, Sequence, ShellSyntaxError


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
        self.steps = 0  # commands so far, and how deep they stand in each other: both have limits
        self.depth = 0
        self.tested = 0  # conditions around what runs now, where -e does not count

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
        self.steps = inner.steps
        return bytes(collected.data).replace(b"\0", b"").decode("utf-8", "surrogateescape")

    def copy(self, streams: dict[int, object]) -> Shell:
        """A subshell."""
        inner = Shell(self.child([self.name], streams), self.name, list(self.positional))
        inner.process.pid = self.process.pid  # $$ stays that of the main shell
        inner.variables, inner.exported = dict(self.variables), set(self.exported)
        inner.functions, inner.options = dict(self.functions), set(self.options)
        inner.status, inner.last_background = self.status, self.last_background
        inner.steps, inner.depth = self.steps, self.depth + 1
        return inner

    def child(self, arguments: list[str], streams: dict[int, object]) -> Process:
        environment = {name: self.variables[name] for name in self.exported if name in self.variables}
        return self.process.child(arguments, environment, streams)

    # whole programs

    def run_text(self, text: str) -> int:
        """Parse and run; a text that is no program is an error message and status 2."""
        try:
            program = parse_program(text)
        except ShellSyntaxError as error:
            self.complain(f"1: {error}")
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
            self.complain(f"1: {error}")
            self.status = 2
        return self._at_exit()

    def run_line(self, program: Sequence) -> int:
        """Run one line of a conversation; `exit` raises `ShellExit`."""
        self.steps = 0
        try:
            self.run(program)
        except (LoopJump, ReturnJump):
            pass
        except expansion.ExpansionError as error:
            self.complain(f"1: {error}")
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

    def complain(self, text: str) -> None:
        self.process.stderr.write(encode(f"{self.name}: {text}\n"))

    def run(self, program: Sequence) -> int:
        return evaluation.run(self, program)

    def execute(self, command: Command) -> None:
        evaluation.execute(self, command)

    def call(self, words: list[str], local: dict[str, str], streams: dict[int, object]) -> int:
        return simple.call(self, words, local, streams)
