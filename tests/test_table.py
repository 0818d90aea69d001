import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pandas
import pytest
import record_factory as factory
from hypothesis import given, settings
from hypothesis import strategies as st
from record_strategies import values_of

import benchrunner
from benchrunner import report, store, table
from benchrunner.errors import UsageError
from benchrunner.record import (
    ClockCheck,
    CounterUnit,
    Fidelity,
    Footprint,
    Latency,
    Measurement,
    NotMeasured,
    Outcome,
    OutputCheck,
    TimingModel,
)
from benchrunner.table import Row, row_of


def emulated() -> table.Row:
    latency = replace(factory.LATENCY, unit=CounterUnit.INSTRUCTIONS)
    model = NotMeasured("an emulator has no model of time")
    return row_of(factory.measurement(latency=latency, fidelity=Fidelity.EMULATED, timing_model=model))


def test_a_row_holds_the_unrounded_numbers() -> None:
    row = row_of(factory.MEASUREMENT, run_id="r")
    assert row.latency_median_ms == 17.73
    assert (row.latency_ci_low_ms, row.latency_ci_high_ms) == (17.73, 17.73)
    assert (row.latency_p95_ms, row.latency_max_ms) == (17.73025, 17.73025)
    assert (row.latency_cold_ms, row.timed_runs, row.cell_class) == (21.0, 10, "jitter")
    assert (row.total_ram_bytes, row.median_cycles) == (175_341, 7_092_000)
    assert (row.run_id, row.fidelity, row.outcome) == ("r", "simulated", "ok")


def test_instructions_are_never_milliseconds() -> None:
    row = emulated()
    for column in fields(Row):
        if column.name.endswith("_ms"):
            assert isinstance(getattr(row, column.name), NotMeasured), column.name
    assert row.median_instructions == 7_092_000
    assert row.median_cycles == NotMeasured("the emulator counts instructions, not cycles")


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.INVALID, Outcome.ABANDONED])
def test_a_case_that_is_not_ok_has_no_latency_though_its_samples_are_kept(outcome: Outcome) -> None:
    row = row_of(factory.measurement(outcome=outcome, reason="the counter stood still"))
    assert row.latency_median_ms == NotMeasured(f"{outcome.value}: the counter stood still")
    assert row.median_cycles == row.timed_runs == row.latency_median_ms


def test_an_interval_of_fewer_than_six_samples_is_not_measured() -> None:
    latency = factory.timed(*(400_000,) * 5)
    row = row_of(factory.measurement(latency=latency))
    assert row.latency_median_ms == 1.0
    assert row.latency_ci_low_ms == NotMeasured("an interval needs 6 timed inferences")


def test_no_samples_and_no_clock_are_reasons() -> None:
    assert row_of(factory.measurement(latency=factory.timed())).latency_median_ms == NotMeasured(
        "no timed inference"
    )
    assert row_of(
        factory.measurement(latency=factory.timed(1, counter_hz=0))
    ).latency_median_ms == NotMeasured("the clock is said to be 0 Hz")


def test_a_counter_that_reports_nothing_but_zero_is_a_row_too() -> None:
    row = row_of(factory.measurement(latency=factory.timed(0, 0, 5)))
    assert row.spread_percent == NotMeasured("the median is 0")


def test_a_total_names_every_missing_term() -> None:
    a, b = NotMeasured("no map file"), NotMeasured("no code")
    row = row_of(factory.measurement(footprint=Footprint(a, 1, a, b, a, 0)))
    assert row.total_ram_bytes == a
    assert row.total_flash_bytes == NotMeasured("no map file; no code")


def test_more_than_a_column_holds_is_out_of_range() -> None:
    footprint = replace(factory.FOOTPRINT, stack_bytes=2**64 - 1, activation_ram_bytes=2**63 - 1)
    row = row_of(factory.measurement(footprint=footprint))
    assert row.stack_bytes == NotMeasured("18446744073709551615 is out of range")
    assert isinstance(row.total_ram_bytes, NotMeasured)
    assert table.to_frame([row])["stack_bytes"].isna().all()


def test_the_latest_row_of_a_case_counts_also_when_it_failed() -> None:
    other = factory.measurement(case={"board": "b-u585i-iot02a"})
    rows = [row_of(one) for one in (factory.MEASUREMENT, other, factory.failed("hang"))]
    assert table.latest(rows) == rows[1:]


def test_simulated_and_measured_are_different_cases() -> None:
    rows = [row_of(factory.measurement(fidelity=fidelity)) for fidelity in Fidelity]
    assert table.latest(rows) == rows


@pytest.fixture
def results(tmp_path: Path) -> Path:
    measurements = (factory.MEASUREMENT, factory.failed("output differs"))
    store.save_run(factory.document(*measurements), tmp_path)
    return tmp_path


def test_a_frame_has_a_row_per_measurement_and_nullable_columns(results: Path) -> None:
    frame = benchrunner.load_results(results)
    assert list(frame["outcome"]) == ["ok", "failed"]
    assert {str(frame[name].dtype) for name in frame.columns if name.endswith("_ms")} == {"Float64"}
    assert {str(frame[name].dtype) for name in frame.columns if name.endswith("_bytes")} == {"Int64"}
    assert str(frame["altered"].dtype) == "boolean"
    assert {str(frame[name].dtype) for name in frame.columns if name.endswith("_reason")} == {"string"}
    assert frame["started_at"][0] == pandas.Timestamp("2026-11-21T02:00:00Z")


def test_a_value_that_is_not_known_is_na_with_its_reason_beside_it(results: Path) -> None:
    frame = benchrunner.load_results(results)
    assert frame["latency_median_ms"].isna().tolist() == [False, True]
    assert frame["latency_median_ms_reason"].isna().tolist() == [True, False]
    assert frame["latency_median_ms_reason"][1] == "failed: output differs"
    assert frame["code_flash_bytes_reason"][0] == "a simulator image has no code"
    assert frame["latency_median_ms"].mean() == 17.73


def test_every_na_has_a_reason(results: Path) -> None:
    store.save_run(
        factory.document(
            factory.measurement(latency=factory.timed(1)),
            run_id="20261122T020000Z-00000000",
        ),
        results,
    )
    frame = benchrunner.load_results(results)
    for name in frame.columns:
        if f"{name}_reason" in frame.columns:
            assert (frame[name].isna() == frame[f"{name}_reason"].notna()).all(), name
        elif not name.endswith("_reason"):
            assert frame[name].notna().all(), name


def test_an_empty_folder_is_a_frame_with_all_columns(tmp_path: Path) -> None:
    frame = benchrunner.load_results(tmp_path)
    assert len(frame) == 0
    assert [column.name for column in fields(Row)] == list(frame.columns)[: len(fields(Row))]
    assert str(frame["latency_median_ms"].dtype) == "Float64"


def test_a_start_time_that_is_none_is_not_a_time() -> None:
    provenance = replace(factory.MEASUREMENT.provenance, started_at="yesterday")
    frame = table.to_frame([row_of(factory.measurement(provenance=provenance))])
    assert frame["started_at"].isna().all()


def test_an_altered_document_is_marked(results: Path) -> None:
    path = next(results.rglob("*.json"))
    path.write_text(path.read_text().replace("7092000", "6092000"))
    assert benchrunner.load_results([path])["altered"].tolist() == [True, True]


def test_a_damaged_document_is_a_warning_at_the_caller(results: Path) -> None:
    path = results / "20261122T020000Z-00000000.json"
    path.write_text("{")
    with pytest.warns(UserWarning, match=f"{path}: not a result") as caught:
        frame = benchrunner.load_results(str(results))
    assert (len(frame), caught[0].filename) == (2, __file__)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        benchrunner.load_results(tmp_path / "none")


def test_importing_the_package_and_its_reports_does_not_import_pandas() -> None:
    code = (
        "import sys, benchrunner, benchrunner.report, benchrunner.cli.table; print('pandas' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output == "False\n"


# Nothing but the types of its fields is certain of what a device at fault reports.
anything = st.builds(
    factory.measurement,
    fidelity=st.sampled_from(Fidelity),
    latency=st.builds(replace, values_of(Latency), counter_hz=st.integers(1, 2**64 - 1)),
    timing_model=values_of(TimingModel),
    footprint=values_of(Footprint),
    clock=values_of(ClockCheck),
    output=values_of(OutputCheck),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(measurements=st.lists(st.one_of(anything, values_of(Measurement)), max_size=3))
def test_whatever_can_be_stored_can_be_tabulated(measurements: list[Measurement]) -> None:
    rows = [row_of(measurement) for measurement in measurements]
    assert len(table.to_frame(rows)) == len(measurements)
    for layout in report.Layout:
        assert report.render(rows, layout=layout).endswith("\n")
    for measurement in measurements:
        assert measurement.fidelity in report.run_summary(measurement)
