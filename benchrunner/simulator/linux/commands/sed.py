"""A small sed: addresses, s, p, d, q, and -n, -e, -E, -i."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchrunner.simulator.linux.commands.filters import compiled
from benchrunner.simulator.linux.commands.options import BadUsageError, inputs, lines_of, parse
from benchrunner.simulator.linux.process import Process, Program, decode, encode

Address = int | str | re.Pattern[str]


@dataclass(slots=True)
class _Command:
    first: Address | None
    last: Address | None
    negated: bool
    name: str
    source: re.Pattern[str] | None = None
    replacement: str = ""
    everywhere: bool = False
    printing: bool = False
    active: bool = False

    def chosen(self, number: int, last: bool, line: str) -> bool:
        return self._selected(number, last, line) != self.negated

    def _selected(self, number: int, last: bool, line: str) -> bool:
        if self.first is None:
            return True
        if self.last is None:
            return _hit(self.first, number, last, line)
        if not self.active:
            self.active = _hit(self.first, number, last, line)
            if self.active and isinstance(self.last, int) and self.last <= number:
                self.active = False
                return True
            return self.active
        if _hit(self.last, number, last, line):
            self.active = False
        return True


def _hit(address: Address, number: int, last: bool, line: str) -> bool:
    match address:
        case int():
            return number == address
        case str():
            return last
        case _:
            return address.search(line) is not None


class _Script:
    def __init__(self, text: str, *, extended: bool) -> None:
        self._text, self._extended, self._position = text, extended, 0

    def commands(self) -> list[_Command]:
        found: list[_Command] = []
        while True:
            self._skip(" \t\n;")
            if self._position >= len(self._text):
                return found
            found.append(self._command())

    def _skip(self, characters: str) -> None:
        while self._peek() and self._peek() in characters:
            self._position += 1

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _take(self) -> str:
        character = self._peek()
        self._position += 1
        return character

    def _address(self) -> Address | None:
        match = re.compile(r"\d{1,9}").match(self._text, self._position)
        if match:
            self._position = match.end()
            return int(match[0])
        if self._peek() == "$":
            self._position += 1
            return "$"
        if self._peek() == "/":
            self._position += 1
            return compiled(self._delimited("/"), extended=self._extended)
        return None

    def _delimited(self, end: str) -> str:
        out = []
        while True:
            character = self._take()
            if not character:
                raise BadUsageError(f"-e expression #1, char {len(self._text)}: unterminated `s' command")
            if character == "\\" and self._peek() == end:
                out.append(self._take())
            elif character == "\\":
                out.append(character + self._take())
            elif character == end:
                return "".join(out)
            else:
                out.append(character)

    def _command(self) -> _Command:
        first = self._address()
        last = None
        self._skip(" ")
        if first is not None and self._peek() == ",":
            self._position += 1
            last = self._address()
        self._skip(" ")
        negated = self._peek() == "!"
        if negated:
            self._position += 1
        name = self._take()
        command = _Command(first, last, negated, name)
        if name == "s":
            delimiter = self._take()
            if not delimiter or delimiter in "\\\n":
                raise BadUsageError("-e expression #1: unterminated `s' command")
            source, command.replacement = self._delimited(delimiter), self._delimited(delimiter)
            flags = ""
            while self._peek() and self._peek() in "gpiI":
                flags += self._take()
            command.source = compiled(source, extended=self._extended, fold="i" in flags.lower())
            command.everywhere, command.printing = "g" in flags, "p" in flags
        elif name not in ("p", "d", "q"):
            raise BadUsageError(f"-e expression #1, char {self._position}: unknown command: `{name}'")
        return command


def _replaced(match: re.Match[str], replacement: str) -> str:
    def one(escape: re.Match[str]) -> str:
        text = escape[0]
        if text == "&":
            return match[0]
        if text[1].isdigit():
            return (match[int(text[1])] or "") if int(text[1]) <= len(match.groups()) else ""
        return {"n": "\n", "t": "\t"}.get(text[1], text[1])

    return re.sub(r"\\.|&", one, replacement, flags=re.DOTALL)


def _edit(data: bytes, commands: list[_Command], *, quiet: bool) -> str:
    out = []
    lines = lines_of(data)
    for number, raw in enumerate(lines, 1):
        line, ended = decode(raw), ""
        if line.endswith("\n"):
            line, ended = line[:-1], "\n"
        deleted = stop = False
        for command in commands:
            if not command.chosen(number, number == len(lines), line):
                continue
            if command.name == "p":
                out.append(line + ended)
            elif command.name == "d":
                deleted = True
                break
            elif command.name == "q":
                stop = True
                break
            elif command.source is not None:
                replacement = command.replacement
                line, count = command.source.subn(
                    lambda match, text=replacement: _replaced(match, text),
                    line,
                    0 if command.everywhere else 1,
                )
                if count and command.printing:
                    out.append(line + ended)
        if not quiet and not deleted:
            out.append(line + ended)
        if stop:
            break
    return "".join(out)


def _sed(process: Process) -> int:
    options = parse(process, "nErsi", "e")
    extended = options.has("E", "r")
    script = options.values.get("e", "")
    names = options.rest
    if not script:
        if not names:
            raise BadUsageError("no script specified")
        script, names = names[0], names[1:]
    commands = _Script(script, extended=extended).commands()
    if options.has("i"):
        for name in names:
            files = process.machine.files
            text = _edit(files.read(process.path(name)), commands, quiet=options.has("n"))
            files.write(process.path(name), encode(text))
        return 0
    pieces = [content for _, content in inputs(process, names)]
    process.out(_edit(b"".join(piece or b"" for piece in pieces), commands, quiet=options.has("n")))
    return 2 if None in pieces else 0


PROGRAMS: dict[str, Program] = {"sed": _sed}
