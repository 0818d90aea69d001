"""Published values beside those of the records: the error of each, and what lint says of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Final, Generic, TypeVar

from benchrunner.config import close_matches
from benchrunner.errors import ConfigError
from benchrunner.lint import lint_documents
from benchrunner.lint.columns import MEMORY, SHARES, VERSIONS, Column, column_of
from benchrunner.lint.finding import Finding
from benchrunner.lint.inventory import Inventory, inventory, plain_name
from benchrunner.lint.quantities import quantity, without_remark
from benchrunner.lint.tables import Row as PublishedRow
from benchrunner.report import Kind
from benchrunner.report.cells import Table, made_table
from benchrunner.report.tables import tables
from benchrunner.table import Row

ACCURACY: Final = "accuracy"
"""The table that is not of records: ours comes from results of `benchrunner accuracy`."""

_VALUES: Final[Mapping[str, tuple[Column, ...]]] = {
    "mcu-latency": (Column.TIME,),
    "mpu-latency": (Column.TIME, *SHARES),
    "mcu-footprint": MEMORY[:6],
    ACCURACY: (Column.ACCURACY,),
}
_KINDS: Final = {"mcu-latency": Kind.LATENCY, "mpu-latency": Kind.MPU, "mcu-footprint": Kind.FOOTPRINT}
_MADE_WITH: Final = (*VERSIONS, Column.FRAMEWORK)
_NO_ERROR: Final = "n/a"
_NO_ACCURACY: Final = "not measured: there is no result with this data set"

_Key = tuple[str, ...]
Own = TypeVar("Own")
"""What a row of ours comes from."""


@dataclass(frozen=True, slots=True)
class _Line(Generic[Own]):
    """One line of the table to be made: ours, published, or both."""

    own: Own | None  # None where there is only a published one
    cells: Mapping[str, str]  # by title: ours, else the published names
    published: PublishedRow | None
    is_ours: bool


def beside_records(
    where: str, file: Path, name: str, fidelity: str, rows: Sequence[Row]
) -> tuple[Table, tuple[Row | None, ...]]:
    """The table `name` of `rows` beside what `file` publishes; see `beside`."""
    own_table = tables(rows, _KINDS[name])[0] if name in _KINDS else Table("", (), (), ())
    return beside(where, file, name, fidelity, own_table, rows)


def beside(
    where: str, file: Path, name: str, label: str, own_table: Table, rows: Sequence[Own]
) -> tuple[Table, tuple[Own | None, ...]]:
    """`own_table` with what `file` publishes of the same cases, and the row that each line comes from.

    `rows` are those of `own_table`; `label` says what our values are. Cases that only one side has are lines,
    too. Raises `ConfigError` for a file without such a table.
    """
    if name not in _VALUES:
        raise ConfigError(
            f"{where}: table={name} has no published values beside it",
            hint=f"there are: {', '.join(_VALUES)}",
        )
    known = inventory()
    published, findings = _read(where, file, name, known)
    lines = list(_lines(own_table, rows, published, known))
    marks = _Marks(file, findings)
    values = [title for title in own_table.header if column_of(title) in _VALUES[name]]
    versions = [title for title in own_table.header if column_of(title) in _MADE_WITH]
    identity = [
        title for title in own_table.header if title not in (*values, *versions) and title != Column.FIDELITY
    ]
    header = [*identity]
    for title in values:
        header += [f"{title}, {label}", "published", "difference" if _in_points(title) else "error"]
    header += versions
    made = [_cells(line, identity, values, versions, name, marks) for line in lines]
    if name != ACCURACY:  # there, identity is what was published, and nobody says what made it
        header += ["published as", "published with"]
        made = [
            (*cells, *_source(line, identity, name, marks)) for line, cells in zip(lines, made, strict=True)
        ]
    notes = (
        *own_table.notes,
        f"published: {file.name}, as it stands there",
        *_meanings(values, label),
        *marks.notes(),
    )
    return made_table(own_table.title, tuple(header), made, notes), tuple(line.own for line in lines)


def _read(where: str, file: Path, name: str, known: Inventory) -> tuple[list[PublishedRow], list[Finding]]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        beside_it = [each.name for each in file.parent.glob("*")] if file.parent.is_dir() else []
        raise ConfigError(
            f"{where}: beside={file}: cannot be read: {error.strerror}",
            hint=close_matches(file.name, beside_it) or "paths start at the document's folder",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: beside={file}: not UTF-8 at byte {error.start}") from error
    found, findings = lint_documents({file.name: text}, known)
    needed = {Column.MODEL, Column.RESOLUTION, *_VALUES[name]} - set(SHARES)
    linux = name == "mpu-latency"
    rows = [
        row
        for table in found
        if needed <= set(table.columns)
        and (name == ACCURACY or (Column.LINUX_VERSION in table.columns) == linux)
        for row in table.rows
    ]
    if not rows:
        raise ConfigError(
            f"{where}: beside={file}: no table with {', '.join(sorted(needed))}",
            hint="CSV, Markdown or plain text with the columns of the zoo's pages",
        )
    return rows, findings


def _lines(
    own: Table, rows: Sequence[Own], published: Sequence[PublishedRow], known: Inventory
) -> Iterator[_Line[Own]]:
    """In the order of what is published, then what is ours alone."""
    by_key: dict[_Key, list[tuple[Own, Mapping[str, str]]]] = {}
    for row, texts in zip(rows, own.rows, strict=True):
        named = dict(zip(own.header, texts, strict=True))
        columns = {column: text for title, text in named.items() if (column := column_of(title)) is not None}
        by_key.setdefault(_key(columns, known), []).append((row, named))
    met: set[_Key] = set()
    cells: Mapping[str, str]
    for line in published:
        key = _key({column: cell.text for column, cell in line.cells.items()}, known)
        met.add(key)
        ours = by_key.get(key)
        if not ours:
            cells = {
                title: line.text(column) for title in own.header if (column := column_of(title)) is not None
            }
            yield _Line(None, cells, line, is_ours=False)
        for row, cells in ours or ():
            yield _Line(row, cells, line, is_ours=True)
    for key, ours in by_key.items():
        if key not in met:
            for row, cells in ours:
                yield _Line(row, cells, None, is_ours=True)


def _key(cells: Mapping[Column, str], known: Inventory) -> _Key:
    """What makes two rows speak of the same case. A board whose name does not exist is the one meant."""
    board = cells.get(Column.BOARD, "")
    meant = known.meant_board(board) if board else None
    return (
        plain_name(cells.get(Column.MODEL, "")),
        cells.get(Column.FORMAT, "").casefold(),
        cells.get(Column.RESOLUTION, ""),
        cells.get(Column.QUANTIZATION, "").rstrip("*"),
        cells.get(Column.SERIES, ""),
        meant.name if meant else board,
        cells.get(Column.ENGINE, ""),
        cells.get(Column.DATASET, ""),
    )


class _Marks:
    """Numbers of the findings: equal ones of several lines have one number."""

    def __init__(self, file: Path, findings: Sequence[Finding]) -> None:
        self._file = file
        self._findings: dict[int, list[Finding]] = {}
        for found in findings:
            self._findings.setdefault(found.line, []).append(found)
        self._lines: dict[str, list[int]] = {}  # by what is said, in the order of the marks

    def of(self, row: PublishedRow, columns: Sequence[Column]) -> str:
        """` [1]` for a cell with a finding."""
        found = [
            each
            for each in self._findings.get(row.line, [])
            if any(column in row.cells and row.cells[column].column == each.column for column in columns)
        ]
        text = ""
        for each in found:
            said = f"{each.severity}: {each.message} [{each.rule}]"
            lines = self._lines.setdefault(said, [])
            if row.line not in lines:
                lines.append(row.line)
            text += f" [{list(self._lines).index(said) + 1}]"
        return text

    def notes(self) -> Iterator[str]:
        for number, (said, lines) in enumerate(self._lines.items(), start=1):
            where = f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))}"
            yield f"[{number}] {self._file.name}, {where}: {said}"


def _cells(
    line: _Line[Own],
    identity: Sequence[str],
    values: Sequence[str],
    versions: Sequence[str],
    name: str,
    marks: _Marks,
) -> tuple[str, ...]:
    published = line.published
    cells = [line.cells.get(title, "") for title in identity]
    for title in values:
        column = column_of(title)
        assert column is not None
        own = line.cells[title] if line.is_ours else _missing(name)
        theirs = published.text(column) if published is not None else "not published"
        mark = marks.of(published, [column]) if published is not None else ""
        cells += [own, theirs + mark, _error(own, theirs, points=_in_points(title))]
    return (*cells, *(line.cells[title] if line.is_ours else "" for title in versions))


def _source(line: _Line[Own], identity: Sequence[str], name: str, marks: _Marks) -> tuple[str, str]:
    """What the published row is called, where that differs from ours, and the versions it was made with."""
    published = line.published
    if published is None:
        return "not published", ""
    differing = [
        published.text(column)
        for title in identity
        if (column := column_of(title)) is not None
        and column is not Column.MODEL
        and published.text(column).casefold() != line.cells.get(title, "").casefold()
    ]
    others = [column for column in Column if column not in _VALUES[name]]
    named = ", ".join([published.text(Column.MODEL), *differing]) + marks.of(published, others)
    made_with = ", ".join(filter(None, (published.text(column) for column in _MADE_WITH)))
    return named, made_with


def _meanings(values: Sequence[str], label: str) -> Iterator[str]:
    if not all(map(_in_points, values)):
        yield f"error: ({label} - published) / published, of the values as shown"
    if any(map(_in_points, values)):
        yield f"difference: {label} - published, in percentage points"


def _missing(name: str) -> str:
    return _NO_ACCURACY if name == ACCURACY else "not measured: there is no result of this case"


def _in_points(title: str) -> bool:
    return column_of(title) in (*SHARES, Column.ACCURACY)


def _error(own: str, published: str, *, points: bool) -> str:
    """Of the numbers as they are shown: whoever reads the table can work it out again."""
    values = [_number(own), _number(published)]
    if any(value is None for value in values):
        return _NO_ERROR
    ours, theirs = (value for value in values if value is not None)
    if points:
        return "0" if ours == theirs else f"{ours - theirs:+.2f}"
    if ours == theirs:
        return "0 %"
    if theirs == 0:
        return _NO_ERROR
    percent = (100 * (ours - theirs) / theirs).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return f"{percent:+f} %"


def _number(text: str) -> Decimal | None:
    """In ms or KiB where there is a unit."""
    value = quantity(without_remark(text)) if re.match(r"[\d~]", text) else None
    if value is None:
        return None
    return next((number for number in (value.milliseconds, value.kibibytes) if number is not None), None)
