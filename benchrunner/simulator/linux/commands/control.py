"""Programs that start others or decide: sh, env, timeout, nice, taskset, test, which."""

from __future__ import annotations

import re
from collections.abc import Callable

from benchrunner.simulator.linux.commands.options import BadUsageError, parse
from benchrunner.simulator.linux.files import Node
from benchrunner.simulator.linux.process import Input, Process, Program, decode
from benchrunner.simulator.linux.shell.builtins import ShellExit
from benchrunner.simulator.linux.shell.interpreter import Shell
from benchrunner.simulator.linux.shell.parser import MAX_PROGRAM_CHARACTERS, parse_program
from benchrunner.simulator.linux.shell.syntax import ShellSyntaxError


def _sh(process: Process) -> int:
    words = process.arguments[1:]
    command: str | None = None
    options: set[str] = set()
    while words and words[0][:1] in "-+" and len(words[0]) > 1:
        word = words.pop(0)
        if word == "--":
            break
        if word.startswith("--"):
            continue  # --login, --norc
        for letter in word[1:]:
            if letter == "c":
                if not words:
                    process.error("0: -c requires an argument")
                    return 2
                command = words.pop(0)
            elif letter == "o" and words:
                words.pop(0)
            else:
                options.add(letter)
    if command is not None:
        shell = Shell(process, words[0] if words else "sh", words[1:])
        shell.options = options & set("eufxa")
        return shell.run_text(command)
    if words and "s" not in options:
        try:
            text = decode(process.machine.files.read(process.path(words[0])))
        except OSError:
            process.stderr.write(f"sh: 0: cannot open {words[0]}: No such file\n".encode())
            return 2
        shell = Shell(process, words[0], words[1:])
        shell.options = options & set("eufxa")
        return shell.run_text(text)
    shell = Shell(process, "sh", words)
    shell.options = options & set("eufxa")
    return run_script_from(shell, process.stdin)


def run_script_from(shell: Shell, source: Input) -> int:
    """Commands from a stream, each run as soon as it is whole; what they read comes from the same stream."""
    text = ""
    while line := decode(source.readline()):
        text += line
        try:
            program = parse_program(text)
        except ShellSyntaxError as error:
            if error.incomplete and len(text) < MAX_PROGRAM_CHARACTERS:
                continue
            shell.process.stderr.write(f"sh: 1: {error}\n".encode("utf-8", "surrogateescape"))
            return 2
        text = ""
        try:
            shell.run_line(program)
        except ShellExit as ended:
            shell.status = ended.status
            return shell._at_exit()
    if text:
        return shell.run_text(text)
    return shell._at_exit()


def _start(process: Process, words: list[str], environment: dict[str, str] | None = None) -> int:
    """Run `words` in place of this program."""
    child = process.child(words, process.environment if environment is None else environment, process.streams)
    return process.machine.execute(child, child.environment.get("PATH", ""))


def _env(process: Process) -> int:
    words, environment = process.arguments[1:], dict(process.environment)
    folder = process.folder
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-i", "-", "--ignore-environment"):
            environment = {}
        elif option == "-u" and words:
            environment.pop(words.pop(0), None)
        elif option == "-C" and words:
            folder = process.path(words.pop(0))
        elif option == "--":
            break
        else:
            raise BadUsageError(f"invalid option -- '{option.lstrip('-')}'")
    while words and "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    if not words:
        process.out("".join(f"{name}={value}\n" for name, value in environment.items()))
        return 0
    process.folder = folder
    return _start(process, words, environment)


def _printenv(process: Process) -> int:
    names = process.arguments[1:]
    for name in names or process.environment:
        if name not in process.environment:
            return 1
        process.out(f"{process.environment[name]}\n" if names else f"{name}={process.environment[name]}\n")
    return 0


def _prefix(valued: str) -> Program:
    """Programs that run another one: their options are skipped, `valued` are those with a value."""

    def program(process: Process) -> int:
        words = process.arguments[1:]
        while words and words[0].startswith("-"):
            option = words.pop(0)
            if len(option) == 2 and option[1] in valued and words:
                words.pop(0)
        if process.arguments[0].rpartition("/")[2] in ("timeout", "chrt") and words:
            words.pop(0)  # nothing here takes long on its own, and nothing has a priority
        if not words:
            raise BadUsageError("missing operand")
        return _start(process, words)

    return program


def _taskset(process: Process) -> int:
    options = parse(process, "acp") if process.arguments[1:2] != ["-c"] else None
    words = process.arguments[2:] if options is None else options.rest
    if options is not None and options.has("p"):
        cpus = process.machine.profile.linux.cpus
        process.out(f"pid {words[-1] if words else 1}'s current affinity mask: {(1 << cpus) - 1:x}\n")
        return 0
    if len(words) < 2:
        raise BadUsageError("missing operand")
    listed, command = words[0], words[1:]
    try:
        chosen = _cpu_list(listed) if options is None or options.has("c") else _mask(listed)
    except ValueError:
        raise BadUsageError(f"failed to parse CPU list: {listed}") from None
    there = tuple(cpu for cpu in chosen if cpu < process.machine.profile.linux.cpus)
    if not there:
        process.error(f"failed to set pid {process.pid}'s affinity: Invalid argument")
        return 1
    process.cpus = there
    return _start(process, command)


def _mask(text: str) -> tuple[int, ...]:
    mask = int(text, 16) & 0xFFFF
    return tuple(bit for bit in range(16) if mask >> bit & 1)


def _cpu_list(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.partition("-")
        found |= set(range(int(low), min(int(high) if dash else int(low), 1023) + 1))
    return tuple(sorted(found))


def _which(process: Process) -> int:
    status = 0
    for name in process.arguments[1:]:
        path = process.machine.which(name, process.environment.get("PATH", ""), process.folder)
        if path is None:
            status = 1
        else:
            process.out(path + "\n")
    return status


def _test(process: Process) -> int:
    words = process.arguments[1:]
    if process.arguments[0].rpartition("/")[2] == "[":
        if not words or words[-1] != "]":
            process.stderr.write(b"sh: 1: [: missing ]\n")
            return 2
        words = words[:-1]
    try:
        return int(not _Test(process, words).result())
    except BadUsageError as error:
        process.stderr.write(f"sh: 1: [: {error}\n".encode("utf-8", "surrogateescape"))
        return 2


class _Test:
    """The expression of test and [."""

    def __init__(self, process: Process, words: list[str]) -> None:
        self._process, self._words = process, words

    def result(self) -> bool:
        if not self._words:
            return False
        value = self._any()
        if self._words:
            raise BadUsageError(f"{self._words[0]}: unexpected operator")
        return value

    def _any(self) -> bool:
        value = self._all()
        while self._words[:1] == ["-o"]:
            self._words = self._words[1:]
            other = self._all()
            value = value or other
        return value

    def _all(self) -> bool:
        value = self._one()
        while self._words[:1] == ["-a"]:
            self._words = self._words[1:]
            other = self._one()
            value = value and other
        return value

    def _one(self) -> bool:
        negated = False
        while self._words[:1] == ["!"] and len(self._words) > 1:
            negated = not negated
            self._words = self._words[1:]
        return self._plain() != negated

    def _plain(self) -> bool:
        words = self._words
        if not words:
            raise BadUsageError("argument expected")
        if len(words) >= 3 and words[1] in _BINARY:
            self._words = words[3:]
            return _BINARY[words[1]](self._process, words[0], words[2])
        if words[0] == "(" and len(words) > 2:
            self._words = words[1:]
            value = self._any()
            if self._words[:1] != [")"]:
                raise BadUsageError("closing paren expected")
            self._words = self._words[1:]
            return value
        if len(words) >= 2 and re.fullmatch(r"-[bcdefghLnprsStuwxz]", words[0]):
            self._words = words[2:]
            return _unary(self._process, words[0][1], words[1])
        self._words = words[1:]
        return words[0] != ""


def _integer(text: str) -> int:
    if not re.fullmatch(r"\s*[-+]?\d{1,20}\s*", text):
        raise BadUsageError(f"Illegal number: {text}")
    return int(text)


_BINARY: dict[str, Callable[[Process, str, str], bool]] = {
    "=": lambda _, a, b: a == b,
    "==": lambda _, a, b: a == b,
    "!=": lambda _, a, b: a != b,
    "-eq": lambda _, a, b: _integer(a) == _integer(b),
    "-ne": lambda _, a, b: _integer(a) != _integer(b),
    "-lt": lambda _, a, b: _integer(a) < _integer(b),
    "-le": lambda _, a, b: _integer(a) <= _integer(b),
    "-gt": lambda _, a, b: _integer(a) > _integer(b),
    "-ge": lambda _, a, b: _integer(a) >= _integer(b),
    "-nt": lambda process, a, b: _mtime(process, a) > _mtime(process, b),
    "-ot": lambda process, a, b: _mtime(process, a) < _mtime(process, b),
}


def _node(process: Process, name: str, *, follow: bool = True) -> Node | None:
    try:
        return process.machine.files.find(process.path(name), follow=follow) if name else None
    except OSError:
        return None


def _mtime(process: Process, name: str) -> float:
    node = _node(process, name)
    return node.mtime if node is not None else float("-inf")


def _unary(process: Process, test: str, operand: str) -> bool:
    if test in "nz":
        return (operand != "") == (test == "n")
    if test == "t":
        return bool(process.group.terminal)
    node = _node(process, operand, follow=test not in "Lh")
    if node is None:
        return False
    match test:
        case "f":
            return not node.is_folder and node.mode & 0o170000 == 0o100000
        case "d":
            return node.is_folder
        case "L" | "h":
            return node.is_link
        case "s":
            return node.size_bytes > 0
        case "c":
            return node.mode & 0o170000 == 0o020000
        case "w":
            return node.made is None or node.taken is not None
        case "x":
            return bool(node.mode & 0o111)
        case "b" | "p" | "S" | "g" | "u":
            return False
        case _:
            return True


def _true(_process: Process) -> int:
    return 0


def _false(_process: Process) -> int:
    return 1


def _scp(process: Process) -> int:
    from benchrunner.simulator.linux.commands.scp import serve

    return serve(process)


PROGRAMS: dict[str, Program] = {
    "sh": _sh,
    "env": _env,
    "printenv": _printenv,
    "taskset": _taskset,
    "which": _which,
    "nohup": _prefix(""),
    "nice": _prefix("n"),
    "ionice": _prefix("cn"),
    "setsid": _prefix(""),
    "timeout": _prefix("sk"),
    "chrt": _prefix(""),
    "stdbuf": _prefix("ioe"),
    "time": _prefix(""),
    "test": _test,
    "true": _true,
    "false": _false,
    "scp": _scp,
}
