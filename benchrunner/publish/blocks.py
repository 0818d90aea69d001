"""Marked blocks of a document: found, checked, and replaced with everything around them left as it is.

A block of Markdown begins with `<!-- benchrunner:begin table=... -->` and ends with
`<!-- benchrunner:end table=... -->`; of LaTeX with `% benchrunner:begin table=...`.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchrunner.errors import ConfigError

ATTRIBUTES: Final = ("table", "fidelity", "style", "board", "model", "engine", "suite", "beside")
"""What a block may say; `table` it must."""

_MARKER = {
    ".md": re.compile(r"\s*<!--\s*benchrunner:(?P<word>\S*)\s*(?P<rest>.*?)\s*-->\s*"),
    ".tex": re.compile(r"\s*%\s*benchrunner:(?P<word>\S*)\s*(?P<rest>.*?)\s*"),
}
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Block:
    """One pair of markers; lines are counted from 1."""

    begin: int
    end: int
    attributes: Mapping[str, str]


def suffix_of(file: Path) -> str:
    """The kind of document; raises `ConfigError` for one that has no blocks."""
    suffix = {".markdown": ".md"}.get(file.suffix.casefold(), file.suffix.casefold())
    if suffix not in _MARKER:
        raise ConfigError(
            f"{file}: blocks are found in .md and .tex files",
            hint="for other formats: benchrunner table --format csv|json|latex",
        )
    return suffix


def find_blocks(file: Path, text: str) -> list[Block]:
    """The blocks of a document; markers in fenced code are only shown there.

    Raises `ConfigError` with file and line for a marker that is doubled, nested, not ended or not known.
    """
    marker = _MARKER[suffix_of(file)]
    blocks: list[Block] = []
    opened: tuple[int, dict[str, str]] | None = None
    fence = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _FENCE.match(line):
            if not fence:
                fence = found[1]
            elif line.strip().startswith(fence):
                fence = ""
        match = marker.fullmatch(line)
        if match is None or (fence and opened is None):
            continue
        where, word = f"{file}:{number}", match["word"]
        attributes = _attributes(where, match["rest"])
        if word == "begin":
            if opened is not None:
                raise ConfigError(
                    f"{where}: benchrunner:begin inside the block of line {opened[0]}",
                    hint="end each block before the next begins",
                )
            if "table" not in attributes:
                raise ConfigError(f"{where}: benchrunner:begin without table=", hint=_example())
            if any(dict(block.attributes) == attributes for block in blocks):
                raise ConfigError(f"{where}: the same block stands above", hint="remove one of the two")
            opened = (number, attributes)
        elif word == "end":
            if opened is None:
                raise ConfigError(f"{where}: benchrunner:end without a begin", hint=_example())
            if attributes.get("table") != opened[1]["table"]:
                raise ConfigError(
                    f"{where}: ends table={attributes.get('table', '')}, the block of line {opened[0]} is "
                    f"table={opened[1]['table']}",
                    hint="name the same table in both markers",
                )
            blocks.append(Block(opened[0], number, opened[1]))
            opened = None
        else:
            raise ConfigError(f"{where}: benchrunner:{word} is no marker", hint=_example())
    if opened is not None:
        raise ConfigError(f"{file}:{opened[0]}: the block is not ended", hint=_example())
    return blocks


def replace_blocks(text: str, blocks: Sequence[Block], contents: Sequence[str]) -> str:
    """`text` with the lines between the markers of each block replaced; line ends stay those of the text."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    for block, content in sorted(zip(blocks, contents, strict=True), key=lambda pair: -pair[0].begin):
        lines[block.begin : block.end - 1] = [line + newline for line in content.splitlines()]
    return "".join(lines)


def difference(file: Path, old: str, new: str) -> str:
    """A unified diff; empty when nothing differs."""
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{file} (as it is)", f"{file} (as it should be)", lineterm=""
    )
    return "\n".join(lines)


def comment(file: Path, text: str) -> str:
    """`text` as a comment of the document."""
    return f"<!-- {text} -->" if suffix_of(file) == ".md" else f"% {text}"


def _attributes(where: str, text: str) -> dict[str, str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}", hint=_example()) from error
    attributes: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise ConfigError(f"{where}: {word!r}: expected key=value", hint=_example())
        if key not in ATTRIBUTES:
            near = difflib.get_close_matches(key, ATTRIBUTES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(ATTRIBUTES)}"
            raise ConfigError(f"{where}: {key}: no such key", hint=hint)
        if key in attributes:
            raise ConfigError(f"{where}: {key} stands there twice", hint="leave one of them")
        attributes[key] = value
    return attributes


def _example() -> str:
    return "<!-- benchrunner:begin table=mcu-latency --> ... <!-- benchrunner:end table=mcu-latency -->"
