"""Published values stand beside ours as they were published, with an error that anyone can work out again."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import record_factory as factory
from click.testing import CliRunner, Result

from benchrunner import store, table
from benchrunner.cli import cli
from benchrunner.errors import ConfigError, UsageError
from benchrunner.lint.columns import Column
from benchrunner.lint.tables import tables_of
from benchrunner.publish.document import publish
from benchrunner.record import BoardClass
from benchrunner.suite.file import load_suite
from benchrunner.suite.plan import make_plan

ROOT = Path(__file__).resolve().parents[2]
SEED = ROOT / "results" / "seed_tables.md"
RECORDS = ROOT / "results" / "seed_tables"
PUBLISHED = ROOT / "results" / "published"

PAGE = Path("page.md")
BLOCK = (
    "<!-- benchrunner:begin table=mcu-latency fidelity=simulated beside=vendor.csv -->\n"
    "<!-- benchrunner:end table=mcu-latency -->\n"
)
VENDOR = (
    "Model,Format,Resolution,Board,Execution Engine,Frequency,Inference time (ms),STM32Cube.AI version\n"
    "{model},Int8,128x128x3,{board},1 CPU,400 MHz,{time},9.1.0\n"
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, standalone_mode=False)


def lines_of(text: str, kind: str) -> Iterator[dict[str, str]]:
    """The rows of the tables whose values are titled so; each `published` and `error` named by its value."""
    header: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            header = []
            continue
        cells = [cell.strip().replace("\\", "") for cell in line.strip("|").split(" | ")]
        if not header:
            header, last = [], ""
            for title in cells:
                last = title.rpartition(", ")[0] or last
                header.append(f"{last}: {title}" if title in ("published", "error", "difference") else title)
        elif not line.startswith("|-") and any(kind in title for title in header):
            yield dict(zip(header, cells, strict=True))


# --- the page in results/ -----------------------------------------------------------------------------------


def test_the_page_is_what_its_records_give() -> None:
    result = run("publish", str(SEED), "--results", str(RECORDS), "--check")
    assert (result.exception, result.return_value) == (None, 0), result.output
    size = sum(path.stat().st_size for path in [SEED, *RECORDS.rglob("*"), *PUBLISHED.glob("*")])
    assert size < 1_000_000


def test_weights_agree_exactly_where_they_depend_on_the_model_alone() -> None:
    rows = list(lines_of(SEED.read_text(), "Weights Flash, simulated"))
    found = {(row["Model"], row["Weights Flash, simulated"], row["Weights Flash: published"]) for row in rows}
    assert found == {
        ("fdmobilenet_0.25_128_uint8", "128.32 KiB", "128.32 KiB"),
        ("fdmobilenet_0.25_224_uint8", "128.32 KiB", "128.32 KiB"),
        ("st_fdmobilenet_v1_128_uint8", "144.93 KiB", "144.93 KiB"),
        ("st_fdmobilenet_v1_224_uint8", "144.93 KiB", "144.93 KiB"),
    }
    assert {row["Weights Flash: error"] for row in rows} == {"0 %"}


def test_every_value_of_the_published_page_stands_beside_ours_as_it_was_published() -> None:
    text = SEED.read_text()
    mcu = [row for row in lines_of(text, "Inference time") if "%NPU, simulated" not in row]
    for name, shown, values in (
        ("seed_mcu_footprint.csv", list(lines_of(text, "Activation RAM, emulated")), 6),
        ("seed_mcu_footprint.csv", list(lines_of(text, "Activation RAM, simulated")), 6),
        ("seed_mcu_latency.csv", mcu[:6], 1),
        ("seed_mpu_latency.csv", list(lines_of(text, "%NPU, simulated")), 4),
        ("seed_accuracy.csv", list(lines_of(text, "Top 1 Accuracy")), 1),
    ):
        with (PUBLISHED / name).open() as stream:
            given = list(csv.DictReader(stream))
        assert len(shown) == len(given)
        titles = [title for title in given[0] if f"{title}: published" in shown[0]]
        assert len(titles) == values
        for theirs, line in zip(given, shown, strict=True):
            cells = [re.sub(r" \[\d+\]$", "", line[f"{title}: published"]) for title in titles]
            assert cells == [theirs[title] for title in titles]
    assert [row["Inference time (ms): published"] for row in mcu[6:]] == ["not published"] * 2


def test_every_error_is_that_of_the_values_beside_it() -> None:
    checked = 0
    for row in lines_of(SEED.read_text(), ", "):
        for title, error in row.items():
            value = title.removesuffix(": error")
            if value == title or error == "n/a":
                continue
            ours = next(text for name, text in row.items() if name.startswith(f"{value}, "))
            first, second = (Decimal(text.split()[0]) for text in (ours, row[f"{value}: published"]))
            assert abs(100 * (first - second) / second - Decimal(error.removesuffix(" %"))) <= Decimal("0.05")
            checked += 1
    assert checked == 8 + 24 + 6 + 12  # simulated and emulated memory, MCU times, MPU times


def test_what_is_wrong_with_the_published_values_is_said_and_not_corrected() -> None:
    text = SEED.read_text()
    assert "186.95 KiB \\[1\\]" in text
    assert "line 4: error: Total Flash: 128.32 + 58.16 = 186.48, the table says 186.95 KiB \\[sum\\]" in text
    boards = {(row["Board"], row["published as"]) for row in lines_of(text, "%NPU")}
    assert ("STM32MP257F-DK", "FdMobileNet 0.25 tfs, STM32MP257F-DK2 [1]") in boards
    assert ("STM32MP135F-DK", "FdMobileNet 0.25 tfs, STM32MP135F-DK2 [2]") in boards
    assert ("STM32MP157F-DK2", "FdMobileNet 0.25 tfs") in boards
    assert "lines 10, 11, 12, 13: error: Board: there is no board STM32MP135F-DK2" in text


def test_no_value_of_ours_is_shown_where_there_is_none() -> None:
    text = SEED.read_text()
    simulated = list(lines_of(text, "Code Flash, simulated"))
    assert all(row["Code Flash, simulated"].startswith("not measured: ") for row in simulated)
    assert {row["Code Flash: error"] for row in simulated} == {"n/a"}
    accuracy = list(lines_of(text, "Top 1 Accuracy"))
    assert len(accuracy) == 24
    assert all(row["Top 1 Accuracy (%), ours"].startswith("not measured: ") for row in accuracy)


def test_the_suite_of_the_page_is_both_networks_at_both_sizes_on_the_five_boards() -> None:
    cases = make_plan(load_suite(ROOT / "suites" / "seed_tables.toml")).cases
    ways = {(case.board, case.engine, case.threads, case.target) for case in cases}
    assert ways == {
        ("stm32h747i-disco", "aot", 1, "sim"),
        ("stm32h747i-disco", "aot", 1, "emulate"),
        ("stm32f769i-disco", "aot", 1, "sim"),
        ("stm32mp257f-dk", "nbg", 1, "sim"),
        ("stm32mp157f-dk2", "tflite", 2, "sim"),
        ("stm32mp135f-dk", "tflite", 1, "sim"),
    }
    assert len(cases) == 4 * len(ways)
    planned = {(case.board, case.engine, case.model_sha256, case.target) for case in cases}
    fidelity = {"simulated": "sim", "emulated": "emulate"}
    recorded = {
        (row.board, row.engine, row.model_sha256, fidelity[row.fidelity])
        for row in table.rows_of(store.load_runs(RECORDS).runs)
    }
    assert recorded == planned


# --- any page -----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One simulated record, and a vendor's page with the same case under another name."""
    monkeypatch.chdir(tmp_path)
    store.save_run(factory.document(factory.MEASUREMENT), Path("results"))
    (row,) = rows()
    vendor = VENDOR.format(model=f"{row.model.replace('_', ' ')} tfs", board=row.board_name, time="20 ms")
    Path("vendor.csv").write_text(vendor.replace("128x128x3", row.resolution))
    PAGE.write_text(BLOCK)
    return tmp_path


def rows() -> list[table.Row]:
    return table.rows_of(store.load_runs(Path("results")).runs)


def test_the_published_value_and_the_error_stand_beside_ours(folder: Path) -> None:
    assert run("publish", "page.md").return_value == 0
    (line,) = lines_of(PAGE.read_text(), "Inference time")
    ours = line["Inference time (ms), simulated"]
    percent = 100 * (Decimal(ours.split()[0]) - 20) / 20
    assert line["Inference time (ms): published"] == "20 ms"
    assert line["Inference time (ms): error"] == f"{percent.quantize(Decimal('0.1')):+f} %"
    assert line["published with"] == "9.1.0"
    assert run("publish", "page.md", "--check").return_value == 0


def test_a_changed_published_value_makes_the_page_stale(folder: Path) -> None:
    run("publish", "page.md")
    vendor = Path("vendor.csv")
    vendor.write_text(vendor.read_text().replace("20 ms", "21 ms"))
    assert run("publish", "page.md", "--check").return_value == 1


def test_a_page_in_markdown_is_read_as_well(folder: Path) -> None:
    run("publish", "page.md")
    expected = [list(row.values()) for row in lines_of(PAGE.read_text(), "Inference time")]
    header, line = Path("vendor.csv").read_text().splitlines()
    bars = "|" + "---|" * len(header.split(","))
    markdown = "\n".join([f"|{header.replace(',', '|')}|", bars, f"|{line.replace(',', '|')}|"])
    Path("vendor.md").write_text(f"# Times\n\n{markdown}\n")
    PAGE.write_text(BLOCK.replace("vendor.csv", "vendor.md"))
    assert run("publish", "page.md").return_value == 0
    assert [list(row.values()) for row in lines_of(PAGE.read_text(), "Inference time")] == expected


def test_a_case_that_only_one_side_has_is_a_line(folder: Path) -> None:
    vendor = Path("vendor.csv")
    vendor.write_text(vendor.read_text().replace(rows()[0].board_name, "STM32U5G9J-DK"))
    run("publish", "page.md")
    theirs, ours = lines_of(PAGE.read_text(), "Inference time")
    assert (theirs["Board"], theirs["Inference time (ms): error"]) == ("STM32U5G9J-DK", "n/a")
    assert theirs["Inference time (ms), simulated"] == "not measured: there is no result of this case"
    assert theirs["published as"].endswith("tfs [1]")
    assert (ours["Inference time (ms): published"], ours["published as"]) == (
        "not published",
        "not published",
    )
    text = PAGE.read_text()
    number = next(n for n, line in enumerate(text.splitlines(), 1) if "STM32U5G9J" in line)
    assert isinstance(run("why", f"page.md:{number}").exception, UsageError)
    assert run("why", f"page.md:{number + 1}").exception is None


def test_published_times_of_linux_boards_are_not_taken_for_those_of_microcontrollers(folder: Path) -> None:
    header, line = Path("vendor.csv").read_text().splitlines()
    Path("vendor.csv").write_text(f"{header},X-LINUX-AI version\n{line},v5.1.0\n")
    with pytest.raises(ConfigError, match=r"vendor.csv: no table with"):
        publish(PAGE, BLOCK, rows())
    linux = [replace(row, board_class=BoardClass.LINUX) for row in rows()]
    new, _ = publish(PAGE, BLOCK.replace("mcu-latency", "mpu-latency"), linux)
    assert "20 ms" in new


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("vendor.csv", "vendr.csv", r"page.md:1: beside=vendr.csv: cannot be read"),
        ("mcu-latency", "combined", r"table=combined has no published values"),
        (" beside", " style=st-modelzoo-v2 beside", "has no columns for beside="),
        (
            "mcu-latency fidelity=simulated beside=vendor.csv",
            "accuracy",
            "no measured accuracy for this block",
        ),
    ],
)
def test_a_block_that_cannot_have_published_values_is_refused(
    folder: Path, old: str, new: str, message: str
) -> None:
    block = BLOCK.replace(old, new)
    if new == "accuracy":
        block = block.replace("end table=mcu-latency", "end table=accuracy")
    with pytest.raises(ConfigError, match=message):
        publish(PAGE, block, rows())


def test_cells_of_comma_separated_values_are_found_with_their_place() -> None:
    text = 'Model,Board,"Inference time (ms)",Note\r\n"a ""b"", c",STM32F769I-DISCO,"1,000 ms",\r\n\r\n'
    (found,) = tables_of("vendor.CSV", text)
    (line,) = found.rows
    assert (line.text(Column.MODEL), line.text(Column.TIME)) == ('a "b", c', "1,000 ms")
    assert [line.cells[column].column for column in found.columns] == [1, 14, 31]
    assert tables_of("empty.csv", "") == []


def test_lint_reads_the_published_files(folder: Path) -> None:
    shutil.copy(PUBLISHED / "seed_mcu_footprint.csv", folder)
    result = run("lint", "seed_mcu_footprint.csv")
    assert result.return_value == 1
    assert "seed_mcu_footprint.csv:4:" in result.output
    assert "[sum]" in result.output
