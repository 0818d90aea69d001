"""Reads a TOML file into a dataclass, and reports everything that is wrong with it at once.

Each problem is one line, `file:line:column: key: expected ..., found ...`. Types, missing keys and unknown
keys are pydantic's work; what the types cannot say is told by rules, which see the values of the right type.
"""

from __future__ import annotations

import datetime
import difflib
import functools
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from benchrunner.config import lines, shape
from benchrunner.config.shape import choices, show
from benchrunner.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "FILE_CONFIG",
    "Problem",
    "Rule",
    "UnusableError",
    "Values",
    "choices",
    "close_matches",
    "load",
    "located",
    "show",
]

T = TypeVar("T")

# What a dataclass that is read from a file sets as `__pydantic_config__`.
FILE_CONFIG: Final = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file, at the key `path`."""

    path: lines.Path
    expected: str
    found: str


class UnusableError(Exception):
    """A rule asked for a value that is missing or has the wrong type, which is reported on its own."""


class Values:
    """The values of a document that passed the type checks."""

    def __init__(self, data: Mapping[str, Any], wrong: Iterable[lines.Path]) -> None:
        self._data = data
        self._wrong = tuple(wrong)

    def at(self, *path: str | int) -> Any:
        """The value at `path`; raises `UnusableError` where it, or a part of it, is wrong or missing."""
        for wrong in self._wrong:
            if wrong[: len(path)] == path or path[: len(wrong)] == wrong:
                raise UnusableError
        value: Any = self._data
        for key in path:
            try:
                value = value[key]
            except (KeyError, IndexError):
                raise UnusableError from None
        return value

    def usable(self, *path: str | int) -> bool:
        """True where `at(*path)` has an answer."""
        try:
            self.at(*path)
        except UnusableError:
            return False
        return True

    def keys_at(self, *path: str) -> list[str]:
        """The keys of the table at `path`, right or wrong ones; none where there is no table."""
        table: object = self._data
        for key in path:
            table = table.get(key) if isinstance(table, dict) else None
        return list(table) if isinstance(table, dict) else []


Rule = Callable[[Values], Iterator[Problem]]


def load(path: Path, into: type[T], rules: Iterable[Rule]) -> T:
    """Read the TOML file `path` as the dataclass `into`.

    Raises `ConfigError` that names every problem of the file.
    """
    text = _read(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax_problem(path, text, str(error))) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or brackets as deep
        raise ConfigError(f"{path}:1:1: the file: expected a configuration, found: {error}") from None
    value, problems = _typed(data, into)
    values = Values(data, (problem.path for problem in problems))
    for rule in rules:
        try:
            problems.extend(rule(values))
        except UnusableError:
            continue
    if problems:
        raise ConfigError("\n".join(_located(path, text, problems)))
    assert value is not None  # no problems means that pydantic built it
    return value


def located(path: Path, problems: Iterable[Problem]) -> list[str]:
    """A line for each problem, with where it stands in a file that was loaded, in the order of the file."""
    return _located(path, _read(path), problems)


def _located(path: Path, text: str, problems: Iterable[Problem]) -> list[str]:
    where = lines.key_positions(text)
    found = sorted(((_position(where, each.path), each) for each in problems), key=lambda pair: pair[0])
    return [_sentence(path, position, problem) for position, problem in found]


def close_matches(word: str, known: Iterable[str]) -> str:
    """`did you mean ...?` for a misspelt word, or an empty string."""
    close = difflib.get_close_matches(word.lower(), list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(repr(name) for name in close)}?" if close else ""


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode().replace("\r\n", "\n")
    except FileNotFoundError:
        raise ConfigError(f"{path}: expected a configuration file, found no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable file, found: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}:{line}: expected UTF-8 text, found byte 0x{error.object[error.start]:02x}"
        ) from None


def _syntax_problem(path: Path, text: str, reason: str) -> str:
    """tomllib says `<reason> (at line 3, column 7)` or `<reason> (at end of document)`."""
    found = re.fullmatch(r"(?s)(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", reason)
    what, line, column = found.groups() if found else (reason, None, None)
    number = int(line) if line else text.rstrip("\n").count("\n") + 1
    content = text.splitlines()[number - 1] if text.strip() else ""
    named = re.match(r"\s*([\w.\"'-]+)\s*=", content)
    key = named[1] if named else "syntax"
    place = "" if column else " at the end of the file"
    at = int(column) if column else len(content) + 1
    # A bare word is the usual slip: a path, or a serial number that starts with a zero.
    bare = what.startswith(("Invalid value", "Expected newline")) and re.search(
        r"=\s*[\w/][^\s\"']*", content
    )
    hint = "; a text must be in quotes" if bare else ""
    return (
        f"{path}:{number}:{at}: {key}: expected valid TOML, found{place}: {what[:1].lower()}{what[1:]}{hint}"
    )


def _typed(data: Mapping[str, Any], into: type[T]) -> tuple[T | None, list[Problem]]:
    # Through JSON: only there does pydantic's strict mode take a list for a tuple and a text for an enum.
    # JSON has no dates, and no file of ours has: they become null and are reported here.
    from pydantic import ValidationError

    document = json.dumps(data, default=lambda _: None)
    dates = dict(_dates(data, ()))
    value: T | None = None
    problems: list[Problem] = []
    try:
        value = _adapter(into).validate_json(document, strict=True)  # type: ignore[arg-type]  # a class hashes
    except ValidationError as error:
        problems = [
            _type_problem(
                into, kind=each["type"], path=each["loc"], given=dates.get(each["loc"], each["input"])
            )
            for each in error.errors(include_url=False)
        ]
    reported = {problem.path for problem in problems}
    problems += [
        _type_problem(into, kind="date", path=path, given=date)
        for path, date in dates.items()
        if not any(path[:end] in reported for end in range(len(path) + 1))
    ]
    return value, problems


def _dates(value: object, path: lines.Path) -> Iterator[tuple[lines.Path, object]]:
    """The dates and times in a document."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from _dates(inner, (*path, key))
        case list():
            for index, inner in enumerate(value):
                yield from _dates(inner, (*path, index))
        case datetime.date() | datetime.time():
            yield path, value


@functools.cache
def _adapter(into: type) -> TypeAdapter[Any]:
    """Building one takes longer than checking a file with it."""
    from pydantic import TypeAdapter

    return TypeAdapter(into)


def _type_problem(into: type, *, kind: str, path: lines.Path, given: object) -> Problem:
    if kind == "unexpected_keyword_argument":
        known = shape.keys_of(shape.type_at(into, path[:-1]))
        hint = close_matches(str(path[-1]), known)
        found = f"the unknown key {path[-1]!r}" + (f" ({hint})" if hint else "")
        return Problem(path, f"one of the keys {', '.join(known)}", found)
    expected = shape.in_words(shape.type_at(into, path))
    if kind == "missing":
        return Problem(path, expected, "nothing")
    found = show(given)
    if kind == "string_type" and isinstance(given, int | float):
        found += "; put it in quotes"
    return Problem(path, "a finite number" if kind == "finite_number" else expected, found)


def _position(where: Mapping[lines.Path, lines.Position], path: lines.Path) -> lines.Position:
    """Where `path` begins, or the innermost table around it that is in the file."""
    while path not in where:
        path = path[:-1]
    return where[path]


def _sentence(file: Path, position: lines.Position, problem: Problem) -> str:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.path).lstrip(".")
    where = f"{file}:{position.line}:{position.column}: {key or 'the file'}"
    return f"{where}: expected {problem.expected}, found {problem.found}"
