"""Cells to numbers: value, units as they stand there, and what is wrong with the writing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

_BYTES = {"b": 1, "byte": 1, "bytes": 1, "kb": 1000, "kib": 1024, "mb": 10**6, "mib": 2**20, "gib": 2**30}
# Folding case makes the micro sign (U+00B5) the Greek letter (U+03BC); both are written.
_SECONDS = {"s": Decimal(1), "ms": Decimal("1e-3"), "us": Decimal("1e-6"), "\u03bcs": Decimal("1e-6")}
# A comma only between groups of three: `9,5` is 9.5 to some and must not become 95.
_QUANTITY = re.compile(r"~?\s*(\d{1,3}(?:,\d{3})+(?:\.\d*)?|[\d.]+)\s*((?:[A-Za-z\u00b5\u03bc%]+\s*)*)")


@dataclass(frozen=True, slots=True)
class Quantity:
    number: Decimal
    units: tuple[str, ...]  # as written, in order; a well-formed cell has at most one

    @property
    def kibibytes(self) -> Decimal | None:
        """In KiB, which is also what a bare number in a column of memory means; `None` for another unit."""
        if not self.units:
            return self.number
        factor = _BYTES.get(self.units[0].casefold())
        if factor is None:
            return None
        # Published "KB" columns hold KiB.
        return self.number if self.units[0] == "KB" else self.number * factor / 1024

    @property
    def milliseconds(self) -> Decimal | None:
        """In ms, which is also what a bare number in a column of times means; `None` for another unit."""
        if not self.units:
            return self.number
        factor = _SECONDS.get(self.units[0].casefold())
        return None if factor is None else self.number * factor * 1000


# Behind a number: an error band, why it is degraded, the mark of a footnote.
_REMARK = re.compile(r"\s*\**\s*(±.*|degraded.*)?$")


def without_remark(text: str) -> str:
    """`6.62 ms` of `6.62 ms * ±18 %`."""
    return _REMARK.sub("", text)


def quantity(text: str) -> Quantity | None:
    """`157.03 KiB`; `None` when it is no number with units behind it."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        return None
    try:
        number = Decimal(match[1].replace(",", ""))
    except InvalidOperation:
        return None
    return Quantity(number, tuple(match[2].split()))


def number(text: str) -> Decimal | None:
    """A bare number or one with a unit; `None` otherwise (`NA`, a reason)."""
    found = quantity(text)
    return found.number if found else None
