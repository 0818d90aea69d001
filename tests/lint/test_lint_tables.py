"""Published tables are read as they stand, and what is wrong in them is named at its cell."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from benchrunner.cli import cli
from benchrunner.lint import Finding, Severity, lint_documents
from benchrunner.lint.columns import Column
from benchrunner.lint.inventory import inventory, plain_name, sides_in_name
from benchrunner.lint.quantities import quantity
from benchrunner.lint.tables import tables_of

KNOWN = inventory()

FOOTPRINT = (
    "Model Format Resolution Series Activation RAM Runtime RAM Weights "
    "Flash Code Flash Total RAM Total Flash STM32Cube.AI version"
)
TIME = "Model Format Resolution Board Execution Engine Frequency Inference time (ms) STM32Cube.AI version"
MPU = (
    "Model Format Resolution Quantization Board Execution Engine Frequency Inference time (ms) "
    "%NPU %GPU %CPU X-LINUX-AI version Framework"
)


def found(*lines: str) -> list[Finding]:
    return lint_documents({"page.md": "\n".join(lines)}, KNOWN)[1]


def rules(*lines: str) -> list[str]:
    return [each.rule for each in found(*lines)]


def markdown(header: str, *rows: str) -> list[str]:
    return [header, "|".join(["", *("---" for _ in header.split("|")[1:-1]), ""]), *rows]


def test_a_page_copied_as_text_is_read_cell_by_cell() -> None:
    row = (
        "ST FdMobileNet v1 tfs Int8 224x224x3 STM32H7 211.64 KiB 14.25 KiB "
        "144.93 KiB 60.17 KiB 225.89 KiB 205.1 KiB 9.1.0"
    )
    (table,) = tables_of("page.txt", f"words\n\n{FOOTPRINT}\n{row}\n\nmore words")
    (read,) = table.rows
    assert read.line == 4
    assert read.text(Column.MODEL) == "ST FdMobileNet v1 tfs"
    assert read.text(Column.TOTAL_FLASH) == "205.1 KiB"
    assert read.cells[Column.SERIES].column == row.index("STM32H7") + 1
    assert found(FOOTPRINT, row) == []


def test_a_markdown_table_is_read_cell_by_cell() -> None:
    header = "| Model | Board | Inference time (ms) | remark |"
    (table,) = tables_of("page.md", "\n".join(markdown(header, r"| a \| b | X | 1 ms | - |")))
    assert table.rows[0].text(Column.MODEL) == "a | b"
    assert table.rows[0].cells[Column.BOARD].column == 12


def test_tables_in_fenced_code_and_of_other_things_are_left_alone() -> None:
    header = "| Model | Board | Inference time (ms) |"
    assert tables_of("page.md", "\n".join(["```", *markdown(header, "| a | b | 1 |"), "```"])) == []
    assert tables_of("page.md", "\n".join(markdown("| Fruit | Colour | Price |", "| a | b | 1 |"))) == []


def test_a_total_that_is_not_its_sum_is_found_at_its_cell() -> None:
    row = (
        "FdMobileNet 0.25 tfs Int8 128x128x3 STM32H7 56.16 KiB 14.2 KiB 128.32 "
        "KiB 58.16 KiB 70.36 KiB 186.95 KiB 9.1.0"
    )
    (wrong,) = found(FOOTPRINT, row)
    assert (wrong.rule, wrong.line, wrong.column) == ("sum", 2, row.index("186.95") + 1)
    assert "128.32 + 58.16 = 186.48" in wrong.message


def test_boards_that_do_not_exist_are_named_with_the_one_that_was_meant() -> None:
    row = (
        "net Int8 224x224x3 per-channel STM32MP135F-DK2 1 CPU 1000 MHz 33.50 "
        "ms NA NA 100 v5.1.0 TensorFlowLite 2.11.0"
    )
    (wrong,) = found(MPU, row)
    assert wrong.rule == "board-name"
    assert "STM32MP135F-DK?" in wrong.message
    assert wrong.severity is Severity.ERROR


def test_a_board_that_no_file_knows_is_only_a_warning() -> None:
    (wrong,) = found(TIME, "net Int8 96x96x3 ARDUINO-NANO 1 CPU 64 MHz 7 ms 9.1.0")
    assert (wrong.rule, wrong.severity) == ("board-name", Severity.WARNING)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("a Int8 9x9x3 STM32H747I-DISCO 1 CPU 400 MHz 1654.5 ms ms 9.1.0", "unit-doubled"),
        ("a Int8 9x9x3 STM32H747I-DISCO 1 CPU 400 MHz 21 kB 9.1.0", "unit-wrong"),
        ("a Int8 9x9x3 STM32H747I-DISCO 1 CPU 400 MHz 1.2.3 ms 9.1.0", "number"),
        ("a Int8 9x9x3 STM32H747I-DISCO 1 CPU 400 MHz ~21 ms 9.1.0", "number"),
        ("a Int8 9x9x3 STM32H747I-DISCO 1 CPU 400 MHz 0 ms 9.1.0", "impossible"),
        ("a Int8 9x9x3 STM32H747I-DISCO 2 CPU 400 MHz 9 ms 9.1.0", "impossible"),
        ("a Int8 9x9x3 STM32H747I-DISCO 1 CPU 800 MHz 9 ms 9.1.0", "impossible"),
        ("net_224 Int8 128x128x3 STM32H747I-DISCO 1 CPU 400 MHz 9 ms 9.1.0", "resolution"),
        ("FdMobileNet 0.25 tfs Int8 224x224x3 STM32H747I-DISCO 1 CPU 400 MHz 5.35 ms 9.1.0", "impossible"),
    ],
)
def test_a_row_with_one_fault_gives_that_finding(row: str, rule: str) -> None:
    assert rules(TIME, row) == [rule]


def test_the_published_times_of_known_networks_are_possible() -> None:
    assert found(
        TIME,
        "FdMobileNet 0.25 tfs Int8 224x224x3 STM32H747I-DISCO 1 CPU 400 MHz 53.52 ms 9.1.0",
        "ST FdMobileNet v1 tfs Int8 128x128x3 STM32F769I-DISCO 1 CPU 216 MHz 59.29 ms 9.1.0",
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("shares", "wrong"), [("10.82 89.19 0", False), ("NA NA 100", False), ("10 80 0", True)]
)
def test_shares_make_one_hundred_with_what_rounding_leaves(shares: str, wrong: bool) -> None:
    row = f"a Int8 9x9x3 per-channel STM32MP257F-DK NPU/GPU 800 MHz 6.60 ms {shares} v5.1.0 OpenVX"
    assert rules(MPU, row) == (["shares"] if wrong else [])


def test_a_unit_in_some_cells_of_a_column_only_is_found() -> None:
    rows = [f"n{index} Int8 9x9x3 STM32H747I-DISCO 1 CPU 400 MHz {index} ms 9.1.0" for index in (1, 2, 3)]
    assert rules(TIME, *rows, "n4 Int8 9x9x3 STM32H747I-DISCO 1 CPU 400 MHz 4 9.1.0") == ["unit-missing"]


def test_a_row_that_did_not_move_under_a_new_version_is_a_warning() -> None:
    old = "a Int8 9x9x3 STM32MP157F-DK2 2 CPU 800 MHz 71.77 ms 1.0.0"
    documents = {"v1.md": f"{TIME}\n{old}", "v2.md": f"{TIME}\n{old.replace('1.0.0', '2.0.1')}"}
    _, (stale,) = lint_documents(documents, KNOWN)
    assert (stale.file, stale.rule, stale.severity) == ("v2.md", "stale", Severity.WARNING)
    assert "v1.md:2" in stale.message


def test_two_values_for_one_thing_contradict_each_other() -> None:
    row = "a Int8 9x9x3 STM32H747I-DISCO 1 CPU 400 MHz {} ms 9.1.0"
    assert rules(TIME, row.format(5), row.format(6)) == ["contradiction"]
    assert rules(TIME, row.format(5), row.format(5)) == ["duplicate"]


def test_a_larger_picture_cannot_take_less_time() -> None:
    row = "a Int8 {0}x{0}x3 STM32H747I-DISCO 1 CPU 400 MHz {1} ms 9.1.0"
    (wrong,) = found(TIME, row.format(224, 5), row.format(128, 9))
    assert (wrong.rule, wrong.line) == ("monotonic", 2)
    assert found(TIME, row.format(224, 9), row.format(128, 5)) == []


def test_a_time_that_is_another_columns_cell_was_copied() -> None:
    footprint = "ign Int8 24x3x1 STM32L4 1.9 KiB 2.005 KiB 12 KiB 10 KiB 3.905 KiB 22 KiB 7.3.0"
    time = "ign Int8 24x3x1 B-U585I-IOT02A 1 CPU 160 MHz 3.905 ms 7.3.0"
    assert rules(FOOTPRINT, footprint, "", TIME, time) == ["copied"]


def test_what_benchrunner_prints_for_no_value_is_no_fault() -> None:
    header = "| Model | Board | Execution Engine | Inference time (ms) |"
    assert found(*markdown(header, "| a | STM32H747I-DISCO | 1 CPU | not measured: failed |")) == []


def test_names_are_compared_without_what_is_not_the_network() -> None:
    assert plain_name("FdMobileNet 0.25 tfs") == plain_name("fdmobilenet_0.25_224_int8") == "fdmobilenet0.25"
    assert plain_name("[ST FdMobileNet v1 tfs](x/y_224.tflite)") == plain_name("st_fdmobilenet_v1_128_uint8")
    assert sides_in_name("mobilenet_v2_0.35_224_fft") == (224,)


@given(st.text(alphabet="Modelrtiang |:-.0129KiBms\n", max_size=300))
def test_no_text_is_too_odd_to_read(text: str) -> None:
    tables, findings = lint_documents({"x": f"{TIME}\n{text}", "y": text}, KNOWN)
    assert all(each.line >= 1 for each in findings)
    assert all(len(table.columns) >= 3 for table in tables)


def test_the_command_prints_findings_and_ends_with_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{TIME}\na Int8 9x9x3 STM32H747-DISCO 1 CPU 400 MHz 5 ms 9.1.0\n")
    result = CliRunner().invoke(cli, ["lint", str(page)], standalone_mode=False)
    assert result.return_value == 1
    assert f"{page}:2:14: error: Board: there is no board STM32H747-DISCO" in result.output
    as_json = CliRunner().invoke(cli, ["lint", "--json", str(page)], standalone_mode=False)
    assert json.loads(as_json.stdout)[0]["rule"] == "board-name"


@pytest.mark.parametrize("micro", ["\u00b5s", "\u03bcs", "us"])
def test_microseconds_are_read_however_their_sign_is_written(micro: str) -> None:
    read = quantity(f"1,234.5 {micro}")
    assert read is not None
    assert read.milliseconds == Decimal("1.2345")
    time = f"a Int8 9x9x3 STM32H747I-DISCO 1 CPU 400 MHz 500 {micro} 9.1.0"
    (table,) = tables_of("page.txt", f"{TIME}\n{time}")
    assert table.rows[0].text(Column.TIME) == f"500 {micro}"
    assert "unit-wrong" not in rules(TIME, time)


@pytest.mark.parametrize("text", ["9,5 KiB", "12,3456 KiB", ",5 KiB", "1,2,3 KiB"])
def test_a_comma_that_separates_no_thousands_is_never_passed_over(text: str) -> None:
    assert quantity(text) is None
