"""Words to arguments: parameters, substitutions, field splitting, file names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, assert_never

from benchrunner.simulator.linux.files import Files
from benchrunner.simulator.linux.shell import patterns
from benchrunner.simulator.linux.shell.arithmetic import ArithmeticFailedError, evaluate
from benchrunner.simulator.linux.shell.syntax import (
    Arithmetic,
    Literal,
    Parameter,
    Part,
    Sequence,
    Substitution,
    Word,
)

MAX_WORD_CHARACTERS = 4 << 20


class ExpansionError(Exception):
    """A word has no value; ends a shell that is not interactive."""


class Surroundings(Protocol):
    """What expansion needs of a shell."""

    positional: list[str]

    @property
    def folder(self) -> str: ...

    @property
    def home(self) -> str: ...

    def get(self, name: str) -> str | None:
        """Of a variable or a special parameter; None where it is not set."""

    def set(self, name: str, value: str) -> None: ...

    def substitute(self, program: Sequence) -> str: ...

    @property
    def files(self) -> Files: ...

    @property
    def globbing(self) -> bool: ...


_Piece = tuple[str, bool]  # text, and whether it is quoted
_SPLIT = object()  # between the fields of "$@"


def fields(words: tuple[Word, ...], shell: Surroundings) -> list[str]:
    """The arguments that `words` become. Raises `ExpansionError`."""
    found: list[str] = []
    for word in words:
        for field in _split(word, shell):
            if shell.globbing and any(not quoted and patterns.MAGIC & set(text) for text, quoted in field):
                pattern = _pattern_of(field)
                names = patterns.expand_path(pattern, shell.folder, shell.files)
                if names:
                    found += names
                    continue
            found.append("".join(text for text, _ in field))
    return found


def single(word: Word, shell: Surroundings) -> str:
    """`word` as one text, as in an assignment. Raises `ExpansionError`."""
    return "".join(" " if piece is _SPLIT else piece[0] for piece in _pieces(word, shell))  # type: ignore[index]


def pattern(word: Word, shell: Surroundings) -> str:
    """`word` as a pattern: what is quoted stands for itself."""
    return _pattern_of([piece for piece in _pieces(word, shell) if isinstance(piece, tuple)])


def _pattern_of(pieces: list[_Piece]) -> str:
    return "".join(patterns.literal(text) if quoted else text.replace("\0", "") for text, quoted in pieces)


def _pieces(word: Word, shell: Surroundings) -> list[_Piece | object]:
    found: list[_Piece | object] = []
    for index, part in enumerate(word.parts):
        if index == 0 and isinstance(part, Literal) and not part.quoted and part.text.startswith("~"):
            part = _tilde(part, shell)
        found += [(part.text, part.quoted)] if isinstance(part, Literal) else _value(part, shell)
    return found


def _tilde(part: Literal, shell: Surroundings) -> Literal:
    name, slash, rest = part.text[1:].partition("/")
    if name not in ("", "root"):
        return part
    return Literal((shell.home if not name else "/home/root") + slash + rest, False)


def _value(part: Part, shell: Surroundings) -> list[_Piece | object]:
    match part:
        case Literal(text, quoted):
            return [(text, quoted)]
        case Substitution(program, quoted):
            return [(shell.substitute(program).rstrip("\n"), quoted)]
        case Arithmetic(word, quoted):
            text = single(word, shell)
            try:
                value = evaluate(text, lambda name: shell.get(name) or "", shell.set)
            except ArithmeticFailedError as error:
                raise ExpansionError(str(error)) from None
            return [(str(value), quoted)]
        case Parameter():
            return _parameter(part, shell)
        case _ as never:
            assert_never(never)


def _parameter(part: Parameter, shell: Surroundings) -> list[_Piece | object]:
    if part.name == "@" and part.op == "":
        found: list[_Piece | object] = []
        for index, text in enumerate(shell.positional):
            if index:
                found.append(_SPLIT)
            found.append((text, part.quoted))
        return found
    value = shell.get(part.name)
    operation, colon = part.op.lstrip(":"), part.op.startswith(":")
    missing = value is None or (colon and not value)
    word = part.word or Word(())
    match operation:
        case "-" if missing:
            return _pieces(word, shell)
        case "=" if missing:
            value = single(word, shell)
            shell.set(part.name, value)
        case "?" if missing:
            message = single(word, shell) or "parameter not set"
            raise ExpansionError(f"{part.name}: {message}")
        case "+":
            return [] if missing else _pieces(word, shell)
        case "length":
            return [(str(len(value or "")), part.quoted)]
        case "#" | "##" | "%" | "%%":
            text = patterns.trim(
                (value or "")[:65536],
                pattern(word, shell),
                front=operation[0] == "#",
                longest=len(operation) == 2,
            )
            return [(text, part.quoted)]
    if value is None:
        if shell.get("\0nounset") and not operation:
            raise ExpansionError(f"{part.name}: parameter not set")
        value = ""
    if len(value) > MAX_WORD_CHARACTERS:
        raise ExpansionError("argument list too long")
    return [(value, part.quoted)]


def _split(word: Word, shell: Surroundings) -> list[list[_Piece]]:
    """Fields of one word; only what an expansion without quotes gave is split."""
    separators = shell.get("IFS")
    separators = " \t\n" if separators is None else separators
    done: list[list[_Piece]] = []
    field: list[_Piece] = []
    started = False
    literals = {id(part) for part in word.parts if isinstance(part, Literal)}
    for index, part in enumerate(word.parts):
        if id(part) in literals and isinstance(part, Literal):
            shown = (
                _tilde(part, shell) if index == 0 and not part.quoted and part.text.startswith("~") else part
            )
            field.append((shown.text, shown.quoted))
            started = True
            continue
        for piece in _value(part, shell):
            if not isinstance(piece, tuple):
                done.append(field)
                field = []
                started = True
                continue
            text, quoted = piece
            if quoted:
                field.append(piece)
                started = True
                continue
            for kind, run in _runs(text, separators):
                if kind:
                    field.append((run, False))
                    started = True
                elif started:
                    done.append(field)
                    done += [[] for _ in range(_hard(run) - 1)]
                    field, started = [], False
                elif _hard(run):
                    done += [[] for _ in range(_hard(run))]
    if started:
        done.append(field)
    return done


def _hard(run: str) -> int:
    """How many separators in `run` are no white space: each ends a field, an empty one too."""
    return sum(character not in " \t\n" for character in run)


def _runs(text: str, separators: str) -> list[tuple[bool, str]]:
    found: list[tuple[bool, str]] = []
    start = 0
    is_text: Callable[[str], bool] = lambda character: character not in separators  # noqa: E731
    for index in range(1, len(text) + 1):
        if index == len(text) or is_text(text[index]) != is_text(text[start]):
            found.append((is_text(text[start]), text[start:index]))
            start = index
    return found
