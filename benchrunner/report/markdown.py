"""A table in GitHub's Markdown, everything in a cell escaped."""

from __future__ import annotations

import re

from benchrunner.report.cells import Table

# Whatever could begin markup inside a cell; `_` only at a word's edge, where it can.
_MARKUP = re.compile(r"[\\|`*\[\]<>~&#]|(?<!\w)_|_(?!\w)")


def layout(table: Table) -> str:
    """Heading (where the table has a title), table and notes; ends with a newline."""
    header = [_escape(name) for name in table.header]
    rows = [[_escape(cell) for cell in row] for row in table.rows]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [f"### {_escape(table.title)}", ""] if table.title else []
    lines.append(_line(header, widths))
    lines.append("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    lines += [_line(row, widths) for row in rows]
    for note in table.notes:
        lines += ["", _escape(note)]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return _MARKUP.sub(lambda match: f"\\{match[0]}", text)


def _line(cells: list[str], widths: list[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
