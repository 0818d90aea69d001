"""Published tables are made from records, replaced in place, and lead back to them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import record_factory as factory
from click.testing import CliRunner, Result

from benchrunner import store, table
from benchrunner.cli import cli
from benchrunner.errors import ConfigError
from benchrunner.lint import lint_documents
from benchrunner.lint.inventory import inventory
from benchrunner.publish.blocks import find_blocks, replace_blocks
from benchrunner.publish.document import publish
from benchrunner.record import BoardClass, CounterUnit, Fidelity, NotMeasured, Shares
from benchrunner.report import Kind, Layout, cells, render
from benchrunner.report.style import Style, styled

PAGE = Path("page.md")
BLOCK = "<!-- benchrunner:begin table=mcu-latency -->\n<!-- benchrunner:end table=mcu-latency -->\n"
MEASURED = factory.measurement(
    fidelity=Fidelity.MEASURED,
    timing_model=NotMeasured("time is not modelled"),
    latency=factory.timed(*[21_408_000] * 10),
)
SIMULATED = factory.MEASUREMENT
LATER = "20261122T020000Z-00000000"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    store.save_run(factory.document(MEASURED), Path("results"))
    store.save_run(factory.document(SIMULATED, run_id=LATER), Path("results"))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, standalone_mode=False)


def rows() -> list[table.Row]:
    return table.rows_of(store.load_runs(Path("results")).runs)


def test_a_block_gets_the_measured_rows_and_nothing_around_it_changes(results: Path) -> None:
    PAGE.write_bytes(b"# T\r\n\r\nbefore\r\n" + BLOCK.replace("\n", "\r\n").encode() + b"after")
    assert run("publish", "page.md").return_value == 0
    text = PAGE.read_bytes().decode()
    assert text.startswith("# T\r\n\r\nbefore\r\n<!-- benchrunner:begin")
    assert text.endswith("<!-- benchrunner:end table=mcu-latency -->\r\nafter")
    assert text.count("\n") == text.count("\r\n")
    assert "53.52 ms" in text
    assert "17.73" not in text


def test_simulated_rows_never_stand_in_a_table_of_measured_ones(results: Path) -> None:
    text = BLOCK.replace("table=mcu-latency -->\n", "table=mcu-latency fidelity=simulated -->\n", 1)
    new, (block,) = publish(PAGE, text, rows())
    assert {row.fidelity for row in block.rows} == {"simulated"}
    assert "| simulated |" in new
    only_simulated = [row for row in rows() if row.fidelity == "simulated"]
    with pytest.raises(
        ConfigError, match=r"page.md:1: no measured results for this block; there are simulated"
    ):
        publish(PAGE, BLOCK, only_simulated)


def test_the_same_records_give_the_same_bytes_and_check_sees_stale_ones(results: Path) -> None:
    PAGE.write_text(BLOCK)
    stale = run("publish", "page.md", "--check")
    assert stale.return_value == 1
    assert "+| fdmobilenet_0.25_128 | Int8   |" in stale.stdout
    assert PAGE.read_text() == BLOCK
    run("publish", "page.md")
    first = PAGE.read_bytes()
    assert run("publish", "page.md", "--check").return_value == 0
    run("publish", "page.md")
    assert PAGE.read_bytes() == first


def test_an_edited_record_is_not_published(results: Path) -> None:
    (path,) = Path("results").rglob(f"{factory.RUN_ID}.json")
    path.write_text(path.read_text().replace("21408000", "20408000"))
    with pytest.raises(ConfigError, match="is not as it was written"):
        publish(PAGE, BLOCK, rows())


def test_a_failed_case_is_a_row_with_its_reason(results: Path) -> None:
    failed = replace(factory.failed("5 of 5 output values differ"), fidelity=Fidelity.MEASURED)
    store.save_run(factory.document(failed, run_id="20261123T020000Z-00000000"), Path("results"))
    assert "not measured: failed: 5 of 5 output values differ" in publish(PAGE, BLOCK, rows())[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- benchrunner:begin table=mcu-latency -->\n", "page.md:1: the block is not ended"),
        ("a\n<!-- benchrunner:end table=x -->\n", "page.md:2: benchrunner:end without a begin"),
        (f"{BLOCK.splitlines()[0]}\n{BLOCK}", "page.md:2: benchrunner:begin inside the block of line 1"),
        (f"{BLOCK}\n{BLOCK}", "page.md:4: the same block stands above"),
        ("<!-- benchrunner:begin -->\n", "page.md:1: benchrunner:begin without table="),
        ("<!-- benchrunner:start table=x -->\n", "page.md:1: benchrunner:start is no marker"),
        (BLOCK.replace("begin table", "begin modl=x table"), "page.md:1: modl: no such key"),
        (BLOCK.replace("begin table", "begin model table"), "'model': expected key=value"),
        (BLOCK.replace("end table=mcu-latency", "end table=x"), "page.md:2: ends table=x"),
        (BLOCK.replace("mcu-latency", "mcu-latncy"), "table=mcu-latncy: expected one of"),
        (BLOCK.replace("latency -->\n", "latency fidelity=real -->\n", 1), "fidelity=real: expected one of"),
        ("no block here", "page.md: no block"),
    ],
)  # fmt: skip
def test_a_wrong_marker_is_named_with_its_line(results: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        publish(PAGE, text, rows())


def test_markers_in_fenced_code_are_only_shown_there() -> None:
    assert find_blocks(PAGE, f"```html\n{BLOCK}```\n") == []
    assert [block.begin for block in find_blocks(PAGE, f"```\n{BLOCK}```\n{BLOCK}")] == [5]


def test_several_blocks_of_several_lengths_are_replaced_each() -> None:
    text = BLOCK + "middle\n" + BLOCK.replace("latency", "footprint")
    blocks = find_blocks(PAGE, text)
    new = replace_blocks(text, blocks, ["a\nb\nc", "d"])
    lines = [line for line in new.splitlines() if not line.startswith("<!--")]
    assert lines == ["a", "b", "c", "middle", "d"]
    assert replace_blocks(new, find_blocks(PAGE, new), ["", ""]) == text


def test_the_zoos_styles_have_exactly_its_columns() -> None:
    measured = [table.row_of(MEASURED)]
    head = styled(measured, Kind.LATENCY, Layout.MARKDOWN, Style.ST_MODELZOO_V2).splitlines()[0]
    assert [name.strip() for name in head.strip("|").split("|")] == [
        "Model", "Format", "Resolution", "Board", "Execution Engine", "Frequency", "Inference time (ms)",
        "STM32Cube.AI version",
    ]  # fmt: skip
    assert "STEdgeAI Core version" in styled(measured, Kind.LATENCY, Layout.MARKDOWN, Style.ST_MODELZOO_V4)
    simulated = [table.row_of(SIMULATED)]
    assert "fidelity" in styled(simulated, Kind.LATENCY, Layout.MARKDOWN, Style.ST_MODELZOO_V2)


def test_no_digit_is_finer_than_the_interval() -> None:
    counts = [21_408_000 + 60_000 * step for step in range(-5, 6)]
    noisy = factory.measurement(fidelity=Fidelity.MEASURED, latency=factory.timed(*counts))
    row = table.row_of(noisy)
    assert 0.4 < cells.half_width(row) < 0.8
    assert cells.latency(row) == "53.5 ms"
    assert cells.latency(table.row_of(MEASURED)) == "53.52 ms"
    assert cells.duration(1234.5, 300.0) == "1200"


def test_latex_gets_the_same_table_with_everything_escaped(results: Path) -> None:
    page = Path("table.tex")
    page.write_text("% benchrunner:begin table=mcu-footprint\n% benchrunner:end table=mcu-footprint\n")
    assert run("publish", "table.tex").return_value == 0
    text = page.read_text()
    assert r"fdmobilenet\_0.25\_128 & Int8 & 128x128x3" in text
    assert text.count(r"\begin{tabular}{llllllllllll}") == 1
    assert r"\(\pm\)" in render([table.row_of(SIMULATED)], Kind.LATENCY, Layout.LATEX)


def test_why_leads_from_a_line_of_the_page_to_the_record(results: Path) -> None:
    PAGE.write_text(f"# T\n\n{BLOCK}")
    run("publish", "page.md")
    lines = PAGE.read_text().splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if text.startswith("| fdmobilenet"))
    printed = run("why", f"page.md:{line}").stdout
    assert f"{factory.RUN_ID}.json, measurement 1: as it was written" in printed
    assert "53.52 ms: median of the samples" in printed
    assert "e5" * 32 in printed
    document = json.loads(run("why", factory.RUN_ID, "--json").stdout)
    assert document["measurement"]["latency"]["starts"][0]["timed_counts"] == [21_408_000] * 10


def test_why_says_what_it_cannot_follow(results: Path) -> None:
    PAGE.write_text(f"# T\n\n{BLOCK}")
    for target, message in (
        ("20991122T020000Z-00000000", "no such run"),
        (f"{LATER}#2", "has measurements #1 to #1"),
        ("page.md:1", "its tables are not what the records give"),
    ):
        with pytest.raises(Exception, match=message):
            CliRunner().invoke(cli, ["why", target], standalone_mode=False, catch_exceptions=False)
    run("publish", "page.md")
    with pytest.raises(Exception, match=r"page\.md:1: no row of a published table"):
        CliRunner().invoke(cli, ["why", "page.md:1"], standalone_mode=False, catch_exceptions=False)


def test_what_is_published_passes_the_linter(results: Path) -> None:
    new, _ = publish(PAGE, BLOCK + BLOCK.replace("latency", "footprint"), rows())
    tables, findings = lint_documents({"page.md": new}, inventory())
    assert len(tables) == 2
    assert [str(found) for found in findings] == []


def linux(**changes: object) -> table.Row:
    case = {
        "board": "stm32mp157f-dk2", "board_name": "STM32MP157F-DK2", "board_class": BoardClass.LINUX,
        "series": "STM32MP1", "engine": "tflite", "engine_version": "tflite_runtime 2.11.0",
        "execution_engine": "2 CPU", "clock_hz": 800_000_000,
    }  # fmt: skip
    latency = factory.timed(*[22_760_000] * 10, counter_hz=1_000_000_000)
    return table.row_of(
        factory.measurement(
            case=case,
            fidelity=Fidelity.MEASURED,
            timing_model=NotMeasured("time is not modelled"),
            latency=replace(latency, unit=CounterUnit.NANOSECONDS),
            shares=Shares(NotMeasured("none"), NotMeasured("none"), 100.0, "all on the CPU"),
            conditions={"x_linux_ai_version": "v5.1.0"},
            **changes,  # type: ignore[arg-type]
        ),
        run_id=LATER,
    )


def test_linux_boards_have_the_zoos_mpu_table_and_stand_beside_others_in_one() -> None:
    mcu = table.row_of(MEASURED, run_id=factory.RUN_ID)
    block = BLOCK.replace("mcu-latency", "mpu-latency").replace("-->", "style=st-modelzoo-v2 -->", 1)
    text, (made,) = publish(PAGE, block, [mcu, linux()])
    cells_of = [cell.strip() for cell in text.splitlines()[4].strip("|").split("|")]
    assert cells_of == [
        "fdmobilenet_0.25_128", "Int8", "128x128x3", "per-channel", "STM32MP157F-DK2", "2 CPU", "800 MHz",
        "22.76 ms", "NA", "NA", "100", "v5.1.0", "TensorFlowLite 2.11.0",
    ]  # fmt: skip
    assert made.first_row_line == 5
    newest = publish(PAGE, block.replace("v2", "v4"), [linux()])[0]
    assert "| 22.76 " in newest
    assert "22.76 ms" not in newest
    _, (both,) = publish(PAGE, BLOCK.replace("mcu-latency", "combined"), [mcu, linux()])
    assert [row.board for row in both.rows] == ["stm32h747i-disco", "stm32mp157f-dk2"]
