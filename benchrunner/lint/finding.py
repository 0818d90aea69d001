"""One thing that is wrong, or looks wrong, with a cell of a published table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"  # cannot be right
    WARNING = "warning"  # can be right, and needs a reason


@dataclass(frozen=True, slots=True)
class Finding:
    """Where, which rule, what was found and what was expected."""

    file: str
    line: int
    column: int  # of the cell's first character, from 1
    rule: str
    severity: Severity
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message} [{self.rule}]"
