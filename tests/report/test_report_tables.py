"""Tables and summaries as text: what a person sees, to the character."""

import csv
import io
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
import record_factory as factory

from benchrunner.record import BoardClass, CounterUnit, Fidelity, NotMeasured, Outcome, OutputCheck
from benchrunner.report import Kind, Layout, cells, format_tables, render, run_summary, text
from benchrunner.report.tables import tables
from benchrunner.table import Row, row_of

GOLDEN = Path(__file__).parents[1] / "data" / "tables"

MEASURED = factory.measurement(
    case={"model": "mobilenet_v2_0.35_224", "resolution": "224x224x3"},
    fidelity=Fidelity.MEASURED,
    timing_model=NotMeasured("a real board"),
    footprint=replace(factory.FOOTPRINT, code_flash_bytes=59_556),
    latency=factory.timed(*(125_568_000, 125_572_000) * 5, cold=125_600_000),
)
FAILED = factory.failed("5 of 5 output values differ from LiteRT | tolerance *0*")
EMULATED = factory.measurement(
    fidelity=Fidelity.EMULATED,
    latency=replace(factory.LATENCY, unit=CounterUnit.INSTRUCTIONS),
    timing_model=NotMeasured("an emulator has no model of time"),
)
ALL = (factory.MEASUREMENT, MEASURED, FAILED, EMULATED)


@pytest.mark.parametrize(("layout", "name"), [(Layout.TEXT, "all.txt"), (Layout.MARKDOWN, "all.md")])
def test_the_tables_are_these(layout: Layout, name: str) -> None:
    rows = [row_of(measurement, run_id="r") for measurement in ALL]
    assert render(rows, Kind.ALL, layout) == (GOLDEN / name).read_text()


def test_a_run_ends_in_the_same_tables() -> None:
    assert format_tables(ALL) == (GOLDEN / "all.txt").read_text()


def test_a_narrow_terminal_gets_narrow_columns_with_whole_words() -> None:
    wide, narrow = (format_tables(ALL, width) for width in (None, 145))
    assert max(map(len, wide.splitlines())) > 170
    assert max(len(line) for line in narrow.splitlines() if "simulated times" not in line) <= 145
    assert sorted(wide.replace("-", "").split()) == sorted(narrow.replace("-", "").split())


@pytest.mark.parametrize("width", [20, 40, 79])
def test_a_terminal_that_is_too_narrow_for_columns_gets_a_list_for_each_row(width: int) -> None:
    wide, lists = format_tables(ALL), format_tables(ALL, width)
    assert max(map(len, lists.splitlines())) <= width
    # Everything is there, in pieces; each row once has a name for each of its cells.
    words = set(wide.replace("-", " ").split())
    assert words
    assert [word for word in words if len(word) < 5 and word not in lists] == []
    rows = [row_of(measurement, run_id="r") for measurement in ALL]
    names = [line for line in lists.splitlines() if line.startswith("Model")]
    assert len(names) == sum(len(table.rows) for table in tables(rows, Kind.ALL))


def test_a_list_has_name_and_value_beside_each_other() -> None:
    table = cells.Table(
        "Latency",
        ("Model", "Inference time (ms)"),
        (("a_very_long_name", "1 ms"), ("n", "2 ms")),
        ("a note",),
    )
    assert text.layout(table, 25) == (
        "Latency\nModel       a_very_long_n\n            ame\nInference   1 ms\ntime (ms)\n\n"
        "Model       n\nInference   2 ms\ntime (ms)\n  a note\n"
    )
    assert text.layout(table, 40).splitlines()[1] == "Model             Inference time (ms)"


def test_the_columns_are_those_of_the_st_model_zoo_and_fidelity() -> None:
    assert ", ".join(cells.FOOTPRINT_COLUMNS) == (
        "Model, Format, Resolution, Series, Activation RAM, Runtime RAM, Weights Flash, Code Flash, "
        "Total RAM, Total Flash, STM32Cube.AI version, fidelity"
    )
    assert ", ".join(cells.LATENCY_COLUMNS) == (
        "Model, Format, Resolution, Board, Execution Engine, Frequency, Inference time (ms), "
        "STM32Cube.AI version, fidelity"
    )


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("fidelity", list(Fidelity))
def test_no_output_hides_how_a_number_was_obtained(fidelity: Fidelity, kind: Kind, layout: Layout) -> None:
    board_class = BoardClass.LINUX if kind is Kind.MPU else BoardClass.MCU
    one = factory.measurement(fidelity=fidelity, case={"board_class": board_class})
    assert fidelity.value in render([row_of(one)], kind, layout)
    assert fidelity.value in run_summary(one)


# Published by the ST model zoo for these byte counts.
@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(160_800, "157.03 KiB"), (14_541, "14.2 KiB"), (131_396, "128.32 KiB"), (148_408, "144.93 KiB"),
     (0, "0 KiB"), (1024, "1 KiB"), (128, "0.13 KiB"), (384, "0.38 KiB"), (1_048_576_000, "1024000 KiB")],
)  # fmt: skip
def test_memory_is_kibibytes_of_two_decimals_without_trailing_zeros(size_bytes: int, text: str) -> None:
    assert cells.kibibytes(size_bytes) == text


@pytest.mark.parametrize(
    ("value_ms", "text"),
    [(53.5215, "53.52 ms"), (102.0, "102 ms"), (1106.64, "1106.64 ms"), (6.6, "6.6 ms"), (0.375, "0.375 ms"),
     (0.0123456, "0.0123 ms"), (0.0, "0 ms"), (9.999, "10 ms"), (31_392.0, "31392 ms"), (0.125, "0.125 ms")],
)  # fmt: skip
def test_times_have_two_decimals_or_three_digits(value_ms: float, text: str) -> None:
    assert cells.milliseconds(value_ms) == text


@pytest.mark.parametrize(
    ("clock_hz", "text"), [(400_000_000, "400 MHz"), (16_500_000, "16.5 MHz"), (32_768, "0.032768 MHz")]
)
def test_frequencies_are_megahertz(clock_hz: int, text: str) -> None:
    assert cells.frequency(clock_hz) == text


@pytest.mark.parametrize(
    ("percent", "text"), [(13.4, "±14 %"), (14.0, "±14 %"), (0.2, "±1 %"), (1e30, f"±{10**30:.0f} %")]
)
def test_an_error_band_is_rounded_up(percent: float, text: str) -> None:
    model = replace(factory.MEASUREMENT.timing_model, error_percent=percent)
    assert cells.error_band(row_of(factory.measurement(timing_model=model))) == text


def test_a_simulated_time_whose_band_is_not_known_says_so() -> None:
    row = row_of(factory.measurement(timing_model=NotMeasured("no model for this core")))
    assert cells.latency(row) == "17.73 ms ± not measured: no model for this core"


# 1024 x (0.005 - a little) each: the bytes' own sum would round to 0.01, the table's terms are 0 and 0.
def test_a_total_is_the_sum_of_the_rounded_terms() -> None:
    assert cells.kibibytes(5) == "0 KiB"
    assert cells.kibibytes(10) == "0.01 KiB"
    assert cells.total(5, 5, 10) == "0 KiB"
    assert cells.total(160_800, 14_541, 175_341) == "171.23 KiB"


def test_a_total_with_a_missing_term_is_its_reason() -> None:
    missing = NotMeasured("no map file")
    assert cells.total(5, missing, missing) == "not measured: no map file"


def test_control_characters_of_a_device_do_not_reach_the_terminal() -> None:
    evil = factory.measurement(
        outcome=Outcome.FAILED,
        reason="boom\x1b[2J\r\nok\u202e",
        case={"model": "m\tx\x07"},
        warnings=("a\x1bb",),
    )
    for layout in (Layout.TEXT, Layout.MARKDOWN):
        text = render([row_of(evil)], Kind.ALL, layout)
        assert all(character.isprintable() or character == "\n" for character in text), layout
    for text in (run_summary(evil), format_tables([evil])):
        assert all(character.isprintable() or character == "\n" for character in text)
        assert "boom\\x1b[2J" in text.replace("\n", "")


def test_markdown_in_a_cell_is_escaped() -> None:
    one = factory.measurement(case={"model": "a|b\\c<d>_e_ mobilenet_v2_0.35 `x` [l](u) ~~s~~ &amp; #1"})
    line = render([row_of(one)], Kind.LATENCY, Layout.MARKDOWN).splitlines()[4]
    assert line.startswith(r"| a\|b\\c\<d\>\_e\_ mobilenet_v2_0.35 \`x\` \[l\](u) \~\~s\~\~ \&amp; \#1 |")


def test_an_altered_result_is_marked_in_the_table_and_below_it() -> None:
    text = render([row_of(MEASURED, run_id="20261121T020000Z-1f0c93ab", altered=True)], Kind.LATENCY)
    assert "  measured, altered\n" in text
    assert "altered: run 20261121T020000Z-1f0c93ab is not as it was written" in text


def test_csv_has_every_column_unrounded() -> None:
    rows = [row_of(measurement) for measurement in ALL]
    simulated, measured, failed, emulated = csv.DictReader(io.StringIO(render(rows, layout=Layout.CSV)))
    assert list(simulated) == [column.name for column in fields(Row)]
    assert float(simulated["latency_p95_ms"]) == 17.73025
    assert measured["total_flash_bytes"] == "190952"
    assert failed["latency_median_ms"] == f"not measured: failed: {FAILED.reason}"
    assert emulated["latency_median_ms"] == "not measured: the emulator counts instructions, not time"


def test_json_keeps_the_reason_as_an_object() -> None:
    simulated, failed = json.loads(render([row_of(factory.MEASUREMENT), row_of(FAILED)], layout=Layout.JSON))
    assert simulated["latency_p95_ms"] == 17.73025
    assert simulated["altered"] is False
    assert failed["latency_p95_ms"] == {"not_measured": f"failed: {FAILED.reason}"}


def test_data_of_one_kind_leaves_out_what_only_the_other_is_about() -> None:
    (latency,) = json.loads(render([row_of(MEASURED)], Kind.LATENCY, Layout.JSON))
    (footprint,) = json.loads(render([row_of(MEASURED)], Kind.FOOTPRINT, Layout.JSON))
    assert [name for name in latency if name.endswith("_bytes")] == ["process_peak_bytes"]
    assert not [name for name in footprint if name.endswith("_ms")]
    assert latency.keys() | footprint.keys() == {column.name for column in fields(Row)}
    assert {"board", "model_sha256", "fidelity", "outcome"} <= latency.keys() & footprint.keys()


def test_the_summary_of_a_simulated_run() -> None:
    assert run_summary(factory.measurement(warnings=("the image was already there",))) == (
        "fdmobilenet_0.25_128 int8  on  STM32H747I-DISCO (400 MHz)  simulated\n"
        "  latency  17.73 ms ±14 % [17.73 .. 17.73]  p95 17.73  min 17.73  n=10 jitter  cold 21 ms\n"
        "  model    24 published int8 networks on Cortex-M7\n"
        "  RAM      157.03 KiB activations + 14.2 KiB runtime = 171.23 KiB\n"
        "  flash    128.32 KiB weights; code not measured: a simulator image has no code\n"
        "  output   bit-exact with LiteRT 2.3.0 builtin-without-default-delegates, 5 values\n"
        "  ! first inference 1.2x slower (cold), reported apart\n"
        "  ! the image was already there"
    )


def test_the_summary_of_a_measured_run() -> None:
    latency = factory.timed(*(125_568_000,) * 5, cold=125_600_000)
    assert run_summary(replace(MEASURED, latency=latency)).splitlines()[:4] == [
        "mobilenet_v2_0.35_224 int8  on  STM32H747I-DISCO (400 MHz)  measured",
        "  latency  313.92 ms CI n/a (n<6)  p95 313.92  min 313.92  n=5 exact  cold 314 ms",
        "  RAM      157.03 KiB activations + 14.2 KiB runtime = 171.23 KiB",
        "  flash    128.32 KiB weights + 58.16 KiB code = 186.48 KiB",
    ]


def test_the_summary_of_a_failed_run_gives_the_reason() -> None:
    output = OutputCheck("LiteRT 2.3.0", 0, 7, 2, 5, "d4" * 32, "d5" * 32)
    assert run_summary(replace(FAILED, output=output)).splitlines()[1:] == [
        f"  latency  not measured: failed: {FAILED.reason}",
        "  RAM      157.03 KiB activations + 14.2 KiB runtime = 171.23 KiB",
        "  flash    128.32 KiB weights; code not measured: a simulator image has no code",
        "  output   2 of 5 values differ from LiteRT 2.3.0 by up to 7 LSB (tolerance 0 LSB)",
    ]


def test_the_summary_of_an_emulated_run_counts_instructions() -> None:
    assert run_summary(EMULATED).splitlines()[1] == (
        "  latency  not measured: the emulator counts instructions, not time; 7,092,000 instructions"
    )
