"""A table for a terminal: padded columns, long cells wrapped."""

from __future__ import annotations

import textwrap
from itertools import zip_longest

from benchrunner.report.cells import Table

# A reason is a sentence; wrapped, it leaves the columns beside it on the screen.
_MAX_CELL_CHARACTERS = 32


def layout(table: Table) -> str:
    """Title, header, rule, rows and notes; ends with a newline."""
    header, *rows = ([_wrap(cell) for cell in row] for row in (table.header, *table.rows))
    widths = [
        max(len(line) for row in (header, *rows) for line in row[column])
        for column in range(len(table.header))
    ]
    lines = [table.title, *_lines(header, widths), "  ".join("-" * width for width in widths)]
    for row in rows:
        lines += _lines(row, widths)
    lines += [f"  {note}" for note in table.notes]
    return "\n".join(lines) + "\n"


def _wrap(cell: str) -> list[str]:
    return textwrap.wrap(cell, _MAX_CELL_CHARACTERS) or [""]


def _lines(row: list[list[str]], widths: list[int]) -> list[str]:
    return [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in zip_longest(*row, fillvalue="")
    ]
