"""Options and inputs as the small Unix programs take them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from benchrunner.simulator.linux.process import Process


class BadUsageError(Exception):
    """The arguments make no sense; the message is what the program says."""


@dataclass(slots=True)
class Parsed:
    flags: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    def has(self, *names: str) -> bool:
        return any(name in self.flags for name in names)


def parse(process: Process, flags: str, valued: str = "", long: tuple[str, ...] = ()) -> Parsed:
    """`flags` and `valued` are letters; `long` names options without a value, or with one as "name=".

    Raises `BadUsageError` for anything else that starts with a dash.
    """
    found = Parsed()
    arguments = process.arguments[1:]
    while arguments:
        word = arguments.pop(0)
        if word == "--":
            found.rest += arguments
            break
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            if name in long and not equals:
                found.flags.add(name)
            elif f"{name}=" in long:
                found.values[name] = value if equals else _next(arguments, word)
            else:
                raise BadUsageError(f"unrecognized option '{word}'")
        elif word.startswith("-") and len(word) > 1:
            letters = word[1:]
            while letters:
                letter, letters = letters[0], letters[1:]
                if letter in valued:
                    found.values[letter] = letters or _next(arguments, f"-{letter}")
                    break
                if letter not in flags:
                    raise BadUsageError(f"invalid option -- '{letter}'")
                found.flags.add(letter)
        else:
            found.rest.append(word)
    return found


def _next(arguments: list[str], option: str) -> str:
    if not arguments:
        raise BadUsageError(f"option requires an argument -- '{option.lstrip('-')}'")
    return arguments.pop(0)


def needed(names: list[str]) -> list[str]:
    """`names`; raises `BadUsageError` where there is none."""
    if not names:
        raise BadUsageError("missing operand")
    return names


def inputs(process: Process, names: list[str]) -> Iterator[tuple[str, bytes | None]]:
    """(name, content) of every file, "-" being standard input; None after a message about one."""
    for name in names or ["-"]:
        process.check()
        if name == "-":
            yield name, process.stdin.read()
            continue
        content = read_file(process, name)
        yield name, content


def read_file(process: Process, name: str) -> bytes | None:
    try:
        return process.machine.files.read(process.path(name))
    except OSError as error:
        process.error(f"{name}: {error.strerror}")
        return None


def lines_of(data: bytes) -> list[bytes]:
    """Lines with their ends; only a line feed ends one."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()
    return [*lines, last[:-1]] if last != b"\n" else lines
