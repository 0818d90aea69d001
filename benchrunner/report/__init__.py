"""Rows to text: the tables and summaries that people read, and the only place where a number is rounded."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import assert_never

from benchrunner.report import data, latex, markdown, text
from benchrunner.report.cells import Kind
from benchrunner.report.summary import format_tables, run_summary
from benchrunner.report.tables import tables
from benchrunner.table import Row

__all__ = ["Kind", "Layout", "format_tables", "render", "run_summary"]


class Layout(StrEnum):
    TEXT = "text"
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"
    LATEX = "latex"


def render(
    rows: Sequence[Row], kind: Kind = Kind.ALL, layout: Layout = Layout.TEXT, width: int | None = None
) -> str:
    """Rows in the layout asked for, ending with a newline; CSV and JSON round nothing.

    `width` is that of the terminal in characters, for `Layout.TEXT`; `None` where there is none.
    """
    match layout:
        case Layout.TEXT:
            return "\n".join(text.layout(table, width) for table in tables(rows, kind))
        case Layout.MARKDOWN:
            return "\n".join(markdown.layout(table) for table in tables(rows, kind))
        case Layout.CSV:
            return data.csv_text(rows, kind)
        case Layout.JSON:
            return data.json_text(rows, kind)
        case Layout.LATEX:
            return "\n".join(latex.layout(table) for table in tables(rows, kind))
        case _:
            assert_never(layout)
