"""A table for a terminal: padded columns, long cells wrapped at spaces."""

from __future__ import annotations

import textwrap
from itertools import zip_longest

from benchrunner.report.cells import Table

# A reason is a sentence; wrapped, it leaves the columns beside it on the screen. The first width of cell
# with which the table fits its terminal is taken; the last leaves one or two words to a line.
_CELL_CHARACTERS = (32, 24, 16, 10)


def layout(table: Table, width: int | None = None) -> str:
    """Title, header, rule, rows and notes; ends with a newline.

    `width` is that of the terminal in characters, `None` where there is none (a file, a pipe). A table that
    cannot be made as narrow is laid out as narrow as it gets.
    """
    lines: list[str] = []
    for cell_characters in _CELL_CHARACTERS:
        lines = _lay_out(table, cell_characters)
        if width is None or max(map(len, lines)) <= width:
            break
    notes = [f"  {note}" for note in table.notes]
    return "\n".join([table.title, *lines, *notes]) + "\n"


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
