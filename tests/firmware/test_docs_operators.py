"""docs/operators.md says what the engine runs and what it folds."""

from __future__ import annotations

import re
from pathlib import Path

from benchrunner.firmware import fold
from benchrunner.firmware.lowering import LOWERINGS
from benchrunner.resources import shipped

PAGE = Path(__file__).parents[2] / "docs" / "operators.md"


def table() -> dict[str, list[str]]:
    rows = re.findall(r"^\| ([A-Z0-9_]+) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == len({name for name, _ in rows})
    return {name: [cell.strip() for cell in cells.split(" | ")] for name, cells in rows}


def test_the_table_has_every_operator_and_no_other() -> None:
    assert set(table()) == set(LOWERINGS)


def test_the_kernels_of_the_table_exist() -> None:
    text = "".join(path.read_text() for path in sorted((shipped("firmware") / "kernels").glob("*.h")))
    for name, (kernels, *_) in table().items():
        for kernel in re.findall(r"`(\w+)\*?`", kernels):
            assert kernel in text, f"{name}: {kernel}"


def test_the_folded_operators_are_listed() -> None:
    section = PAGE.read_text().split("## Folded")[1].split("##")[0]
    assert set(re.findall(r"\b[A-Z_]{3,}\b", section)) - {"RESHAPE"} == set(fold.FOLDED)
