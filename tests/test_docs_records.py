"""The documents about results say what is there, and their examples run."""

import ast
import contextlib
import io
import re
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pandas
import pytest
import record_factory as factory

from benchrunner import record, store
from benchrunner.table import Row

DOCS = Path(__file__).parents[1] / "docs"


def test_the_examples_print_what_they_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slower = factory.timed(*(7_740_000,) * 10, counter_hz=160_000_000)
    b_u585i = factory.measurement(
        latency=slower,
        case={
            "board": "b-u585i-iot02a",
            "board_name": "B-U585I-IOT02A",
            "series": "STM32U5",
            "clock_hz": 160_000_000,
        },
    )
    failed = factory.failed("5 of 5 output values differ")
    failed = replace(failed, case=replace(failed.case, model="fdmobilenet_0.25_224", resolution="224x224x3"))
    store.save_run(factory.document(factory.MEASUREMENT, b_u585i), tmp_path / "results")
    store.save_run(factory.document(failed, run_id="20261122T020000Z-00000000"), tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "python-api.md").read_text()
    examples = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.DOTALL)
    assert len(examples) == text.count("```python") == 6
    names: dict[str, object] = {}
    with pandas.option_context("display.width", 120):
        for code, shown in examples:
            assert _output_of(code, names) == shown


def _output_of(code: str, names: dict[str, object]) -> str:
    """What a notebook shows below the cell: what it prints, then the value of a last expression."""
    body = ast.parse(code).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), "<example>", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "<example>", "eval"), names) if last else None
    return printed.getvalue() + ("" if value is None else f"{value!r}\n")


def test_every_column_is_described() -> None:
    section = (DOCS / "python-api.md").read_text().split("## Columns")[1]
    assert _names(section) == [column.name for column in fields(Row)]


def test_every_field_of_the_format_is_described() -> None:
    sections = dict(re.findall(r"^## `(\w+)`.*?\n(.*?)(?=^## |\Z)", _format(), re.MULTILINE | re.DOTALL))
    records = {
        name: [field.name for field in fields(value)]
        for name, value in vars(record).items()
        if is_dataclass(value) and name != "NotMeasured"
    }
    assert {name: _names(text) for name, text in sections.items()} == records


def test_the_version_described_is_the_one_written() -> None:
    assert f"`schema_version` is {record.SCHEMA_VERSION}." in _format()


def _format() -> str:
    return (DOCS / "results-format.md").read_text()


def _names(text: str) -> list[str]:
    """Names in the first column of a table."""
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
