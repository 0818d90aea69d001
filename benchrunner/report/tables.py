"""Which tables a kind of report has, and which rows stand in which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from benchrunner.record import BoardClass
from benchrunner.report.cells import Kind, Table, footprint_table, latency_table
from benchrunner.report.linux import combined_table, mpu_table
from benchrunner.table import Row


def tables(rows: Sequence[Row], kind: Kind) -> list[Table]:
    """Rows of microcontrollers are in MCU tables, those of Linux boards in the MPU table, never in both.

    A report of several tables leaves out those without rows, but is never empty.
    """
    mcu, linux = _of_class(rows, BoardClass.MCU), _of_class(rows, BoardClass.LINUX)
    match kind:
        case Kind.LATENCY:
            made = [latency_table(mcu)] if mcu or not linux else []
            return made + ([mpu_table(linux)] if linux else [])
        case Kind.FOOTPRINT:
            return [footprint_table(mcu)]
        case Kind.MPU:
            return [mpu_table(linux)]
        case Kind.COMBINED:
            return [combined_table(rows)]
        case Kind.ALL:
            made = [latency_table(mcu), footprint_table(mcu)] if mcu or not linux else []
            return made + ([mpu_table(linux)] if linux else [])
        case _:
            assert_never(kind)


def rows_of_kind(rows: Sequence[Row], kind: Kind) -> Sequence[Row]:
    """The rows that tables of this kind have."""
    match kind:
        case Kind.FOOTPRINT:
            return _of_class(rows, BoardClass.MCU)
        case Kind.MPU:
            return _of_class(rows, BoardClass.LINUX)
        case Kind.LATENCY | Kind.COMBINED | Kind.ALL:
            return rows
        case _:
            assert_never(kind)


def _of_class(rows: Sequence[Row], board_class: BoardClass) -> list[Row]:
    return [row for row in rows if row.board_class == board_class]
