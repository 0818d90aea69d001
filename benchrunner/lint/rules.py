"""The rules that look at one row, or at one column of one table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from benchrunner.lint.columns import MEMORY, SHARES, Column
from benchrunner.lint.finding import Finding, Severity
from benchrunner.lint.inventory import Inventory, cycles_per_mac, plain_name, sides_in_name
from benchrunner.lint.quantities import Quantity, number, quantity, without_remark
from benchrunner.lint.tables import Row, Table

Rule = Callable[[Table, Row], Iterator[Finding]]
InventoryRule = Callable[[Table, Row, Inventory], Iterator[Finding]]

_SUM_TOLERANCE: Final = Decimal("0.01")  # KiB: each term is rounded to two decimals
_SHARE_TOLERANCE: Final = Decimal("0.02")  # per cent: three rounded shares
# Cycles for one multiply-accumulate of an int8 network. SIMD cores do two a cycle at best and NEON sixteen
# with all threads; published rows of this family lie between 1 and 20.
_CYCLES_PER_MAC: Final = {"mcu": (Decimal("0.4"), Decimal(60)), "linux": (Decimal("0.05"), Decimal(60))}
_ABSENT: Final = ("", "NA", "N/A", "-", "TBD")
_SUMS: Final = (
    (Column.TOTAL_RAM, Column.ACTIVATION_RAM, Column.RUNTIME_RAM),
    (Column.TOTAL_FLASH, Column.WEIGHTS_FLASH, Column.CODE_FLASH),
)


def finding(
    table: Table, row: Row, column: Column, rule: str, message: str, severity: Severity = Severity.ERROR
) -> Finding:
    return Finding(table.file, row.line, row.cells[column].column, rule, severity, f"{column}: {message}")


def absent(text: str) -> bool:
    """A cell that says that there is no value."""
    return text in _ABSENT or text.startswith("not measured")


def quantities(table: Table, row: Row) -> Iterator[Finding]:
    """Numbers are numbers, with one unit, of the right kind."""
    for column in (Column.TIME, *MEMORY):
        text = row.text(column)
        if absent(text):
            continue
        value = quantity(without_remark(text))
        if value is None:
            yield finding(table, row, column, "number", f"{text!r} is no number with a unit")
            continue
        if len(value.units) > 1:
            doubled = len(set(value.units)) == 1
            word = "the unit stands there twice" if doubled else "more than one unit"
            yield finding(table, row, column, "unit-doubled", f"{text!r}: {word}")
        right = value.milliseconds if column is Column.TIME else value.kibibytes
        if right is None:
            kind = "a duration" if column is Column.TIME else "an amount of memory"
            yield finding(table, row, column, "unit-wrong", f"{text!r} is not {kind}")
        elif right < 0 or (right == 0 and column is Column.TIME):
            yield finding(table, row, column, "impossible", f"{text!r}")
        if text.startswith("~"):
            yield finding(
                table, row, column, "number", f"{text!r} is only roughly a number", Severity.WARNING
            )


def sums(table: Table, row: Row) -> Iterator[Finding]:
    """A total is the sum of its two terms."""
    for total_column, *term_columns in _SUMS:
        values = [_kibibytes(row, column) for column in (total_column, *term_columns)]
        if any(value is None for value in values):
            continue
        total, first, second = (value for value in values if value is not None)
        if abs(total - first - second) > _SUM_TOLERANCE:
            message = f"{first:f} + {second:f} = {first + second:f}, the table says {total:f} KiB"
            yield finding(table, row, total_column, "sum", message)


def shares(table: Table, row: Row) -> Iterator[Finding]:
    """%NPU, %GPU and %CPU make 100."""
    values = [value for column in SHARES if (value := number(row.text(column))) is not None]
    if len(values) < 1 or not all(column in row.cells for column in SHARES):
        return
    if any(not 0 <= value <= 100 for value in values):
        yield finding(table, row, SHARES[0], "shares", "a share outside 0 to 100 %")
    elif abs(sum(values, Decimal(0)) - 100) > _SHARE_TOLERANCE:
        yield finding(
            table, row, SHARES[0], "shares", f"the shares make {sum(values, Decimal(0)):f} %, not 100"
        )


def boards(table: Table, row: Row, inventory: Inventory) -> Iterator[Finding]:
    """The board exists, has so many cores and runs as fast."""
    name = row.text(Column.BOARD)
    if not name:
        return
    board = inventory.boards.get(name.upper())
    if board is None:
        near = inventory.meant_board(name)
        if near is not None:
            hint = f"; did you mean {near.name}?"
            yield finding(table, row, Column.BOARD, "board-name", f"there is no board {name}{hint}")
        else:
            message = f"no board file knows {name}"
            yield finding(table, row, Column.BOARD, "board-name", message, Severity.WARNING)
        return
    engine = re.fullmatch(r"(\d+) CPUs?", row.text(Column.ENGINE))
    if engine and int(engine[1]) > board.cpus:
        message = f"{engine[1]} CPU, {board.name} has {board.cpus}"
        yield finding(table, row, Column.ENGINE, "impossible", message)
    frequency_mhz = megahertz(row)
    # In rows of an accelerator it is the accelerator's clock that is printed.
    if engine and frequency_mhz is not None and frequency_mhz * 10**6 > board.highest_hz * Decimal("1.2"):
        message = f"{row.text(Column.FREQUENCY)}, {board.name} runs at up to {board.highest_hz / 1e6:g} MHz"
        yield finding(table, row, Column.FREQUENCY, "impossible", message)


def resolutions(table: Table, row: Row) -> Iterator[Finding]:
    """A resolution that the model's name states is the one in its column."""
    sides = sides_in_name(row.text(Column.MODEL))
    found = re.match(r"(\d+)x(\d+)", row.text(Column.RESOLUTION))
    if sides and found and not {int(found[1]), int(found[2])} & set(sides):
        message = f"{row.text(Column.RESOLUTION)}, the model is called {row.text(Column.MODEL)}"
        yield finding(table, row, Column.RESOLUTION, "resolution", message)


def speeds(table: Table, row: Row, inventory: Inventory) -> Iterator[Finding]:
    """Cycles for each multiply-accumulate are within what cores do, where the network is known."""
    key = (plain_name(row.text(Column.MODEL)), row.text(Column.RESOLUTION))
    macs, frequency_mhz, time_ms = inventory.macs.get(key), megahertz(row), milliseconds(row)
    engine = re.fullmatch(r"(\d+) CPUs?", row.text(Column.ENGINE))
    if macs is None or frequency_mhz is None or time_ms is None or engine is None:
        return
    kind = "linux" if Column.LINUX_VERSION in row.cells else "mcu"
    low, high = _CYCLES_PER_MAC[kind]
    found = cycles_per_mac(time_ms, frequency_mhz, macs)
    if not low <= found <= high:
        message = (
            f"{row.text(Column.TIME)} for {macs:,} MACs is {found:.3g} cycles each; {low} to {high} expected"
        )
        yield finding(table, row, Column.TIME, "impossible", message)


ROW_RULES: Final[tuple[Rule, ...]] = (quantities, sums, shares, resolutions)
INVENTORY_RULES: Final[tuple[InventoryRule, ...]] = (boards, speeds)


def units(table: Table) -> Iterator[Finding]:
    """All cells of a column have their unit, or none has."""
    for column in (Column.TIME, *MEMORY):
        read: list[tuple[Row, Quantity]] = [
            (row, value)
            for row in table.rows
            if column in row.cells and (value := quantity(row.text(column))) is not None
        ]
        bare = [row for row, value in read if not value.units]
        if bare and len(bare) < len(read):
            fewer = bare if len(bare) * 2 <= len(read) else [row for row, value in read if value.units]
            word = "no unit" if fewer is bare else "a unit"
            for row in fewer:
                message = f"{row.text(column)!r} has {word}, other cells of the column differ"
                yield finding(table, row, column, "unit-missing", message)


def megahertz(row: Row) -> Decimal | None:
    found = re.fullmatch(r"([\d.]+) ?([KMG])Hz", row.text(Column.FREQUENCY))
    if found is None or (value := number(found[1])) is None:
        return None
    return value * {"K": Decimal("1e-3"), "M": Decimal(1), "G": Decimal(1000)}[found[2]]


def milliseconds(row: Row) -> Decimal | None:
    value = quantity(row.text(Column.TIME))
    return value.milliseconds if value else None


def _kibibytes(row: Row, column: Column) -> Decimal | None:
    value = quantity(row.text(column))
    return value.kibibytes if value else None
