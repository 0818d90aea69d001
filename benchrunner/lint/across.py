"""The rules that compare rows: with each other, with other tables of the document, with other documents."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

from benchrunner.lint.columns import MEMORY, VERSIONS, Column
from benchrunner.lint.finding import Finding, Severity
from benchrunner.lint.inventory import plain_name
from benchrunner.lint.quantities import number, quantity
from benchrunner.lint.rules import absent, finding, milliseconds
from benchrunner.lint.tables import Row, Table

_Key = tuple[str, ...]
_Place = tuple[Table, Row]
_VALUES = (Column.TIME, *MEMORY)


def rules_across(tables: Sequence[Table]) -> Iterator[Finding]:
    rows = [(table, row) for table in tables for row in table.rows]
    yield from _repeated(rows)
    yield from _time_of_another_column(rows)
    for table in tables:
        yield from _growing(table)


def _identity(row: Row) -> _Key:
    """What makes two rows speak of the same thing, whatever tool version measured it."""
    model = re.sub(r"\s+", " ", row.text(Column.MODEL).casefold())
    others = (Column.DATASET, Column.FORMAT, Column.RESOLUTION, Column.QUANTIZATION, Column.SERIES)
    return (
        model,
        *(row.text(column).casefold() for column in others),
        row.text(Column.BOARD).casefold(),
        row.text(Column.ENGINE).casefold(),
        row.text(Column.FREQUENCY).casefold(),
    )


def _version(row: Row) -> tuple[str, ...]:
    return tuple(row.text(column) for column in VERSIONS)


def _values(row: Row) -> dict[Column, Decimal]:
    return {
        column: value.number
        for column in _VALUES
        if column in row.cells and (value := quantity(row.text(column))) is not None
    }


def _repeated(rows: Sequence[_Place]) -> Iterator[Finding]:
    """Equal rows under another version were not measured again; unequal ones under the same contradict."""
    groups: dict[tuple[_Key, tuple[Column, ...]], list[_Place]] = defaultdict(list)
    for table, row in rows:
        if values := _values(row):
            groups[_identity(row), tuple(values)].append((table, row))
    for (_, columns), group in groups.items():
        (first_table, first), *rest = group
        for table, row in rest:
            where = f"{first_table.file}:{first.line}"
            equal = _values(row) == _values(first)
            if equal and _version(row) != _version(first):
                message = f"to the last digit as under {_shown(first)} at {where}, here under {_shown(row)}"
                yield finding(table, row, columns[0], "stale", message, Severity.WARNING)
            elif not equal and _version(row) == _version(first):
                message = f"differs from the same row at {where}"
                yield finding(table, row, columns[0], "contradiction", message)
            elif equal and table is first_table:
                message = f"the same row stands at {where}"
                yield finding(table, row, columns[0], "duplicate", message, Severity.WARNING)


def _shown(row: Row) -> str:
    return " ".join(filter(None, _version(row))) or "no version"


def _time_of_another_column(rows: Sequence[_Place]) -> Iterator[Finding]:
    """Times that equal another column's cells digit for digit were copied from there."""
    memory: dict[tuple[str, str], list[tuple[Column, str, _Place]]] = defaultdict(list)
    for table, row in rows:
        for column in MEMORY:
            value = number(row.text(column))
            if value is not None and len(value.as_tuple().digits) >= 3:
                key = (row.text(Column.MODEL).casefold(), row.text(Column.RESOLUTION))
                memory[key].append((column, str(value), (table, row)))
    for table, row in rows:
        time = number(row.text(Column.TIME))
        key = (row.text(Column.MODEL).casefold(), row.text(Column.RESOLUTION))
        for column, text, (other, place) in memory.get(key, []):
            if time is not None and text == str(time):
                message = f"{row.text(Column.TIME)!r} is the {column} of {other.file}:{place.line}"
                yield finding(table, row, Column.TIME, "copied", message)
                break


def _growing(table: Table) -> Iterator[Finding]:
    """More pixels cannot take less time or fewer activations; weights do not depend on them."""
    groups: dict[_Key, list[Row]] = defaultdict(list)
    for row in table.rows:
        if _pixels(row) is not None and not absent(row.text(Column.MODEL)):
            groups[
                plain_name(row.text(Column.MODEL)), *_identity(row)[1:3], *_identity(row)[4:], *_version(row)
            ].append(row)
    for group in groups.values():
        ordered = sorted(group, key=lambda row: _pixels(row) or 0)
        for small, large in pairwise(ordered):
            if _pixels(small) == _pixels(large):
                continue
            yield from _compared(table, small, large)


def _compared(table: Table, small: Row, large: Row) -> Iterator[Finding]:
    beside = f"{small.text(Column.RESOLUTION)} at line {small.line}"
    fast, slow = milliseconds(small), milliseconds(large)
    if fast is not None and slow is not None and slow <= fast:
        message = f"{large.text(Column.TIME)}, and {small.text(Column.TIME)} for {beside}"
        yield finding(table, large, Column.TIME, "monotonic", message)
    one, other = number(small.text(Column.ACTIVATION_RAM)), number(large.text(Column.ACTIVATION_RAM))
    if one is not None and other is not None and other <= one:
        message = f"{large.text(Column.ACTIVATION_RAM)}, and as much or more for {beside}"
        yield finding(table, large, Column.ACTIVATION_RAM, "monotonic", message)
    one, other = number(small.text(Column.WEIGHTS_FLASH)), number(large.text(Column.WEIGHTS_FLASH))
    if one is not None and other is not None and one != other:
        message = f"{large.text(Column.WEIGHTS_FLASH)}, and {small.text(Column.WEIGHTS_FLASH)} for {beside}"
        yield finding(table, large, Column.WEIGHTS_FLASH, "monotonic", message, Severity.WARNING)


def _pixels(row: Row) -> int | None:
    found = re.match(r"(\d+)x(\d+)", row.text(Column.RESOLUTION))
    return int(found[1]) * int(found[2]) if found else None
