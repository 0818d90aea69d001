"""Finds the tables of a document: Markdown's, those of a page copied as plain text, and a CSV file's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from benchrunner.lint.columns import Column, column_of, columns_of_text, row_pattern


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    column: int  # of its first character in the line, from 1


@dataclass(frozen=True, slots=True)
class Row:
    line: int  # from 1
    cells: dict[Column, Cell]

    def text(self, column: Column) -> str:
        """The cell's text, empty where the table has no such column."""
        cell = self.cells.get(column)
        return cell.text if cell else ""


@dataclass(frozen=True, slots=True)
class Table:
    file: str
    line: int  # of the header
    columns: tuple[Column, ...]
    titles: dict[Column, str]
    rows: tuple[Row, ...]


def tables_of(file: str, text: str) -> list[Table]:
    """Every table with at least three columns that performance tables have. Fenced code is left out."""
    lines = text.splitlines()
    if file.casefold().endswith(".csv"):
        return _csv_table(file, lines)
    found: list[Table] = []
    fenced = False
    number = 0
    while number < len(lines):
        line = lines[number]
        fenced ^= line.lstrip().startswith("```")
        table = None
        if not fenced:
            table = _markdown_table(file, lines, number) or _text_table(file, lines, number)
        if table is None:
            number += 1
            continue
        found.append(table)
        number = table.rows[-1].line if table.rows else number + 1
    return found


def _markdown_table(file: str, lines: list[str], start: int) -> Table | None:
    if "|" not in lines[start] or start + 1 >= len(lines):
        return None
    if not re.fullmatch(r"\s*\|?(\s*:?-+:?\s*\|)+\s*:?-*:?\s*\|?\s*", lines[start + 1]):
        return None
    header = [(column_of(cell.text), cell.text) for cell in _pipe_cells(lines[start])]
    columns = tuple(column for column, _ in header if column is not None)
    if len(columns) < 3 or len(set(columns)) != len(columns):
        return None
    rows = []
    for number in range(start + 2, len(lines)):
        if "|" not in lines[number]:
            break
        named = zip(header, _pipe_cells(lines[number]), strict=False)
        rows.append(Row(number + 1, {column: cell for (column, _), cell in named if column is not None}))
    titles = {column: title for column, title in header if column is not None}
    return Table(file, start + 1, columns, titles, tuple(rows))


def _text_table(file: str, lines: list[str], start: int) -> Table | None:
    columns = columns_of_text(lines[start])
    if not columns:
        return None
    pattern = row_pattern(columns)
    rows = []
    for number in range(start + 1, len(lines)):
        match = pattern.fullmatch(lines[number])
        if match is None:
            break
        cells = (Cell(match[index], match.start(index) + 1) for index in range(1, len(columns) + 1))
        rows.append(Row(number + 1, dict(zip(columns, cells, strict=True))))
    if not rows:
        return None
    return Table(file, start + 1, columns, {column: column.value for column in columns}, tuple(rows))


def _csv_table(file: str, lines: list[str]) -> list[Table]:
    """The one table of a file of comma-separated values whose first line names its columns."""
    header = [(column_of(cell.text), cell.text) for cell in _comma_cells(lines[0])] if lines else []
    columns = tuple(column for column, _ in header if column is not None)
    if len(columns) < 3 or len(set(columns)) != len(columns):
        return []
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            named = zip(header, _comma_cells(line), strict=False)
            rows.append(Row(number, {column: cell for (column, _), cell in named if column is not None}))
    titles = {column: title for column, title in header if column is not None}
    return [Table(file, 1, columns, titles, tuple(rows))]


_COMMA_CELL = re.compile(r'(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^,]*))(?:,|$)')


def _comma_cells(line: str) -> Iterator[Cell]:
    """Cells as in RFC 4180, without line ends in them."""
    position = 0
    while position <= len(line) and (match := _COMMA_CELL.match(line, position)):
        quoted = match["quoted"]
        text = match["plain"] if quoted is None else quoted.replace('""', '"')
        yield Cell(text.strip(), match.start() + 1)
        if not match[0].endswith(","):
            return
        position = match.end()


def _pipe_cells(line: str) -> Iterator[Cell]:
    """Cells between bars that are not escaped."""
    bars = [match.start() for match in re.finditer(r"(?<!\\)\|", line)]
    edges = ([] if line.lstrip().startswith("|") else [-1]) + bars
    if not line.rstrip().endswith("|"):
        edges.append(len(line))
    for left, right in pairwise(edges):
        raw = line[left + 1 : right]
        text = raw.strip()
        yield Cell(re.sub(r"\\(.)", r"\1", text), left + 2 + len(raw) - len(raw.lstrip()))
