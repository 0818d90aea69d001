"""Where every key of a TOML document stands: the standard parser keeps no positions."""

from __future__ import annotations

import bisect
import re
import tomllib
from typing import NamedTuple

Path = tuple[str | int, ...]


class Position(NamedTuple):
    """Both from 1."""

    line: int
    column: int


_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*([A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*""")
# Longest first: three quotes would else be read as an empty string and a stray quote. A multi-line string may
# end in up to two quotes of its own before the closing three.
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")' r"|'''.*?'{3,5}(?!')" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'", re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def key_positions(text: str) -> dict[Path, Position]:
    """Where every table, key and array element of `text` begins, which must be valid TOML.

    A path is what indexes the parsed document: `("place", 0, "port")`. The document itself, `()`, is line 1.
    """
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._found: dict[Path, Position] = {(): Position(1, 1)}
        self._last_index: dict[Path, int] = {}  # array of tables -> index of its newest table

    def scan(self) -> dict[Path, Position]:
        table: Path = ()
        while self._blank() < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._found

    def _here(self) -> Position:
        line = bisect.bisect_right(self._starts, self._at)
        return Position(line, self._at - self._starts[line - 1] + 1)

    def _blank(self) -> int:
        return self._skip(_BLANK)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"line {self._here().line}: not TOML")
        self._at = found.end()
        return self._at

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while True:
            found = _KEY.match(self._text, self._at)
            if found is None:
                raise ValueError(f"line {self._here().line}: not a TOML key")
            self._at = found.end()
            name = found[1]
            keys.append(tomllib.loads(f"key = {name}")["key"] if name[0] in "\"'" else name)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _header(self) -> Path:
        here = self._here()
        of_array = self._text.startswith("[[", self._at)
        self._at += 2 if of_array else 1
        *parents, last = self._keys()
        self._at += 2 if of_array else 1
        path: Path = ()
        for key in parents:
            path = (*path, key)
            self._found.setdefault(path, here)
            if path in self._last_index:
                path = (*path, self._last_index[path])
        path = (*path, last)
        self._found.setdefault(path, here)
        if of_array:
            self._last_index[path] = self._last_index.get(path, -1) + 1
            path = (*path, self._last_index[path])
            self._found[path] = here
        return path

    def _pair(self, table: Path) -> None:
        here = self._here()
        path = table
        for key in self._keys():
            path = (*path, key)
            self._found.setdefault(path, here)
        self._at += 1  # the equals sign
        self._blank()
        self._value(path)

    def _value(self, path: Path) -> None:
        match self._text[self._at]:
            case '"' | "'":
                self._skip(_STRING)
            case "[":
                index = 0
                while self._next_item("]"):
                    self._found[(*path, index)] = self._here()
                    self._value((*path, index))
                    index += 1
            case "{":
                while self._next_item("}"):
                    self._pair(path)
            case _:
                self._skip(_SCALAR)

    def _next_item(self, closing: str) -> bool:
        """Step over the opening bracket or the comma; False behind the closing bracket."""
        self._blank()
        if self._text[self._at] == closing:
            self._at += 1
            return False
        self._at += 1
        self._blank()
        if self._text[self._at] == closing:
            self._at += 1
            return False
        return True
