"""Whose columns a published table has: ours, or exactly those of the ST model zoo's pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from benchrunner.record import Fidelity
from benchrunner.report import Kind, Layout, latex, markdown
from benchrunner.report.cells import Table
from benchrunner.report.tables import tables
from benchrunner.table import Row


class Style(StrEnum):
    BENCHRUNNER = "benchrunner"
    ST_MODELZOO_V2 = "st-modelzoo-v2"  # pages of releases 2 and 3
    ST_MODELZOO_V4 = "st-modelzoo-v4"


# Release 4 of the zoo renamed the column of the tool.
_TIME_WITH_UNIT = re.compile(r"^(\d[\d.]*) ms\b")
_V4_NAMES = {"STM32Cube.AI version": "STEdgeAI Core version"}


def styled(rows: Sequence[Row], kind: Kind, layout: Layout, style: Style) -> str:
    """One table of rows of one fidelity, without heading; ends with a newline.

    The zoo has no column `fidelity`; it is left away where every row is measured, and only there.
    """
    (table,) = tables(rows, kind)
    if style is not Style.BENCHRUNNER:
        if all(row.fidelity == Fidelity.MEASURED for row in rows):
            table = _without(table, "fidelity")
        if style is Style.ST_MODELZOO_V4:
            table = replace(table, header=tuple(_V4_NAMES.get(name, name) for name in table.header))
            if kind is Kind.MPU:
                table = replace(table, rows=tuple(map(_without_unit, table.rows)))
    return laid_out(table, layout)


def laid_out(table: Table, layout: Layout) -> str:
    """A table without heading, in LaTeX or Markdown; ends with a newline."""
    return latex.layout(table) if layout is Layout.LATEX else markdown.layout(replace(table, title=""))


def _without_unit(row: tuple[str, ...]) -> tuple[str, ...]:
    """Release 4 leaves the unit of an MPU's time to the header."""
    return tuple(_TIME_WITH_UNIT.sub(r"\1", cell) for cell in row)


def _without(table: Table, column: str) -> Table:
    index = table.header.index(column)
    return replace(
        table,
        header=table.header[:index] + table.header[index + 1 :],
        rows=tuple(row[:index] + row[index + 1 :] for row in table.rows),
    )
