"""Commands that the shell itself carries out, because they change it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from benchrunner.simulator.linux.process import SignalledError, decode, encode
from benchrunner.simulator.linux.shell.words import NAME

if TYPE_CHECKING:
    from benchrunner.simulator.linux.shell.interpreter import Shell

Builtin = Callable[["Shell", list[str]], int]
"""The shell, and the words of the command with its name; the exit status."""


class ShellExit(Exception):  # noqa: N818  # control flow, not an error
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class LoopJump(Exception):  # noqa: N818
    """break and continue."""

    def __init__(self, levels: int, again: bool) -> None:
        super().__init__(levels)
        self.levels, self.again = levels, again


class ReturnJump(Exception):  # noqa: N818
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _number(words: list[str], otherwise: int) -> int:
    return int(words[1]) if len(words) > 1 and re.fullmatch(r"\d{1,9}", words[1]) else otherwise


def _complain(shell: Shell, words: list[str], text: str, status: int = 1) -> int:
    shell.process.stderr.write(encode(f"{shell.name}: 1: {words[0]}: {text}\n"))
    return status


def _cd(shell: Shell, words: list[str]) -> int:
    targets = [word for word in words[1:] if word not in ("-P", "-L", "--")]
    target = targets[0] if targets else shell.home
    if target == "-":
        target = shell.variables.get("OLDPWD", shell.folder)
        shell.process.out(target + "\n")
    path = posixpath.normpath(shell.process.path(target or "."))
    try:
        folder = shell.files.find(path).is_folder
    except OSError:
        folder = False
    if not folder:
        return _complain(shell, words, f"can't cd to {target}", 2)
    shell.set("OLDPWD", shell.folder)
    shell.process.folder = path.replace("//", "/")
    shell.set("PWD", shell.process.folder)
    return 0


def _exit(shell: Shell, words: list[str]) -> int:
    raise ShellExit(_number(words, shell.status) & 0xFF)


def _return(shell: Shell, words: list[str]) -> int:
    raise ReturnJump(_number(words, shell.status) & 0xFF)


def _break(_shell: Shell, words: list[str]) -> int:
    raise LoopJump(max(1, _number(words, 1)), words[0] == "continue")


def _export(shell: Shell, words: list[str]) -> int:
    if words[1:] in ([], ["-p"]):
        for name in sorted(shell.exported & set(shell.variables)):
            shell.process.out(f"export {name}='{shell.variables[name]}'\n")
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if word == "-p":
            continue
        if not NAME.fullmatch(name):
            return _complain(shell, words, f"{word}: bad variable name", 2)
        if equals:
            shell.set(name, value)
        if words[0] == "export":
            shell.exported.add(name)
    return 0


def _unset(shell: Shell, words: list[str]) -> int:
    for name in words[1:]:
        if name == "-f":
            continue
        shell.variables.pop(name, None)
        shell.exported.discard(name)
        shell.functions.pop(name, None)
    return 0


def _set(shell: Shell, words: list[str]) -> int:
    if len(words) == 1:
        for name in sorted(shell.variables):
            shell.process.out(f"{name}='{shell.variables[name]}'\n")
    for index, word in enumerate(words[1:], 1):
        if word in ("--", "-") or word[:1] not in ("-", "+"):
            shell.positional = words[index + (word in ("--", "-")) :]
            break
        if word in ("-o", "+o"):
            continue  # the long names are not modelled
        change = shell.options.add if word[0] == "-" else shell.options.discard
        for letter in word[1:]:
            change(letter)
    return 0


def _shift(shell: Shell, words: list[str]) -> int:
    count = _number(words, 1)
    if count > len(shell.positional):
        return _complain(shell, words, "can't shift that many", 2)
    del shell.positional[:count]
    return 0


def _read(shell: Shell, words: list[str]) -> int:
    names = [word for word in words[1:] if not word.startswith("-")] or ["REPLY"]
    raw = any(word.startswith("-") and "r" in word for word in words[1:])
    line = decode(shell.process.stdin.readline())
    ended = not line.endswith("\n")
    line = line.removesuffix("\n")
    if not raw:
        line = re.sub(r"\\(.)", r"\1", line)
    separators = shell.variables.get("IFS", " \t\n")
    blanks = "".join(character for character in separators if character in " \t\n")
    text = line.strip(blanks) if blanks else line
    pattern = f"[{re.escape(separators)}]" if separators else "(?!)"
    hard = "".join(character for character in separators if character not in " \t\n")
    for index, name in enumerate(names):
        if index == len(names) - 1:
            shell.set(name, text)
            break
        match = re.search(
            f"{pattern}+" if not hard else f"[{re.escape(blanks)}]*{pattern}" if blanks else pattern, text
        )
        shell.set(name, text[: match.start()] if match else text)
        text = text[match.end() :].lstrip(blanks) if match else ""
    return int(ended)


def _eval(shell: Shell, words: list[str]) -> int:
    from benchrunner.simulator.linux.shell.parser import parse_program
    from benchrunner.simulator.linux.shell.syntax import ShellSyntaxError

    try:
        program = parse_program(" ".join(words[1:]))
    except ShellSyntaxError as error:
        return _complain(shell, words, str(error), 2)
    shell.status = 0
    return shell.run(program)


def _source(shell: Shell, words: list[str]) -> int:
    from benchrunner.simulator.linux.shell.parser import parse_program
    from benchrunner.simulator.linux.shell.syntax import ShellSyntaxError

    if len(words) < 2:
        return _complain(shell, words, "filename argument required", 2)
    try:
        program = parse_program(decode(shell.files.read(shell.process.path(words[1]))))
    except OSError:
        raise ShellExit(_complain(shell, words, f"cannot open {words[1]}: No such file", 2)) from None
    except ShellSyntaxError as error:
        return _complain(shell, words, str(error), 2)
    shell.status = 0
    return shell.run(program)


def _command(shell: Shell, words: list[str]) -> int:
    rest = words[1:]
    while rest and rest[0] in ("-v", "-V", "-p", "--"):
        if rest[0] in ("-v", "-V"):
            return _where(shell, rest[1:], verbose=rest[0] == "-V")
        rest = rest[1:]
    if not rest:
        return 0
    functions, shell.functions = shell.functions, {}
    try:
        return shell.call(rest, {}, dict(shell.process.streams))
    finally:
        shell.functions = functions


def _where(shell: Shell, names: list[str], *, verbose: bool) -> int:
    status = 0
    for name in names:
        if name in BUILTINS or name in shell.functions:
            shell.process.out(f"{name} is a shell builtin\n" if verbose else f"{name}\n")
            continue
        path = shell.process.machine.which(name, shell.variables.get("PATH", ""), shell.folder)
        if path is None:
            if verbose:
                shell.process.stderr.write(encode(f"{name}: not found\n"))
            status = 127
        else:
            shell.process.out(f"{name} is {path}\n" if verbose else f"{path}\n")
    return status


def _type(shell: Shell, words: list[str]) -> int:
    return _where(shell, words[1:], verbose=True)


def _exec(shell: Shell, words: list[str]) -> int:
    if len(words) == 1:
        return 0
    raise ShellExit(shell.call(words[1:], {}, dict(shell.process.streams)))


def _wait(shell: Shell, words: list[str]) -> int:
    wanted = {int(word) for word in words[1:] if word.isdigit()}
    status = 127 if wanted else 0
    for pid, thread, ended in list(shell.background):
        if wanted and pid not in wanted:
            continue
        while thread.is_alive():
            shell.process.check()
            thread.join(0.02)
        status = ended[0] if ended and wanted else 0 if not wanted else status
        shell.background.remove((pid, thread, ended))
    return status


def _trap(shell: Shell, words: list[str]) -> int:
    names = [word.removeprefix("SIG") for word in words[2:]]
    numbers = {"HUP": 1, "INT": 2, "QUIT": 3, "TERM": 15}
    for name in names:
        number = numbers.get(name, int(name) if name in ("1", "2", "3", "15") else 0)
        if number and words[1] == "":
            shell.process.ignored |= {number}
        elif number:
            shell.process.ignored -= {number}
        if words[1] in ("-", ""):
            shell.traps.pop({"0": "EXIT"}.get(name, name), None)
        else:
            shell.traps[{"0": "EXIT"}.get(name, name)] = words[1]
    return 0


def _umask(shell: Shell, words: list[str]) -> int:
    if len(words) == 1:
        shell.process.out("0022\n")
    return 0


def _ulimit(shell: Shell, words: list[str]) -> int:
    shell.process.out("unlimited\n" if len(words) == 1 else "")
    return 0


def _pwd(shell: Shell, _words: list[str]) -> int:
    shell.process.out(shell.folder + "\n")
    return 0


def _true(_shell: Shell, _words: list[str]) -> int:
    return 0


def _jobs(shell: Shell, _words: list[str]) -> int:
    for number, (_, thread, _) in enumerate(shell.background, 1):
        shell.process.out(f"[{number}]  {'Running' if thread.is_alive() else 'Done'}\n")
    return 0


def _kill(shell: Shell, words: list[str]) -> int:
    status = shell.process.machine.kill(shell.process, words)
    if shell.process.signal:
        raise SignalledError(shell.process.signal)
    return status


def _times(shell: Shell, _words: list[str]) -> int:
    """User and system time: of the shell, and of what it has waited for. All of it is user time here."""
    for seconds in (shell.process.cpu_s, shell.process.children_cpu_s):
        shell.process.out(f"{int(seconds // 60)}m{seconds % 60:.6f}s 0m0.000000s\n")
    return 0


SPECIAL = frozenset(
    (":", "break", "continue", ".", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift")
) | {"times", "trap", "unset"}
"""What is assigned before these stays (POSIX, special built-in utilities)."""


BUILTINS: dict[str, Builtin] = {
    ":": _true,
    "true": _true,
    "cd": _cd,
    "exit": _exit,
    "return": _return,
    "break": _break,
    "continue": _break,
    "export": _export,
    "readonly": _export,
    "local": _export,
    "unset": _unset,
    "set": _set,
    "shift": _shift,
    "read": _read,
    "eval": _eval,
    ".": _source,
    "source": _source,
    "command": _command,
    "type": _type,
    "exec": _exec,
    "wait": _wait,
    "trap": _trap,
    "times": _times,
    "umask": _umask,
    "ulimit": _ulimit,
    "pwd": _pwd,
    "jobs": _jobs,
    "kill": _kill,
}
