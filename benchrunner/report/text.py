"""A table for a terminal: padded columns, long cells wrapped; where that is too wide, a list for each row."""

from __future__ import annotations

import textwrap
from itertools import zip_longest

from benchrunner.report.cells import Table

# A reason is a sentence; wrapped, it leaves the columns beside it on the screen. The first width of cell
# with which the table fits its terminal is taken; the last leaves one or two words to a line.
_CELL_CHARACTERS = (32, 24, 16, 10)
_NARROWEST = 20  # below this a line holds no word


def layout(table: Table, width: int | None = None) -> str:
    """Title, header, rule, rows and notes; ends with a newline.

    `width` is that of the terminal in characters, `None` where there is none (a file, a pipe). Where the
    columns do not fit beside each other, each row becomes a list of name and value.
    """
    for cell_characters in _CELL_CHARACTERS:
        lines = _lay_out(table, cell_characters)
        if width is None or max(map(len, lines)) <= width:
            notes = [f"  {note}" for note in table.notes]
            return "\n".join([table.title, *lines, *notes]) + "\n"
    assert width is not None
    return _as_lists(table, max(width, _NARROWEST))


def _as_lists(table: Table, width: int) -> str:
    """Name and value of each cell in a line of its own, the rows apart by an empty line."""
    names = min(max(map(len, table.header), default=0), width * 2 // 5)
    lines = [table.title]
    for row in table.rows:
        lines += [""] * (len(lines) > 1)
        for name, value in zip(table.header, row, strict=True):
            pair = [textwrap.wrap(name, names), textwrap.wrap(value, width - names - 2)]
            lines += _lines(pair, [names, 0])
    for note in table.notes:
        lines += textwrap.wrap(note, width, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines) + "\n"


def _lay_out(table: Table, cell_characters: int) -> list[str]:
    header, *rows = (
        [textwrap.wrap(cell, cell_characters, break_long_words=False, break_on_hyphens=False) for cell in row]
        for row in (table.header, *table.rows)
    )
    widths = [
        max((len(line) for row in (header, *rows) for line in row[column]), default=0)
        for column in range(len(table.header))
    ]
    lines = [*_lines(header, widths), "  ".join("-" * width for width in widths)]
    for row in rows:
        lines += _lines(row, widths)
    return lines


def _lines(row: list[list[str]], widths: list[int]) -> list[str]:
    return [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in zip_longest(*row, fillvalue="")
    ]
