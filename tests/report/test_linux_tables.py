"""Tables and summaries of Linux boards: the zoo's columns and numbers, and one view with the others."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
import record_factory as factory
from click.testing import CliRunner

from benchrunner.cli import cli
from benchrunner.record import Fidelity, Measurement, NotMeasured, Outcome, Shares, TimingModel
from benchrunner.report import Kind, Layout, linux, render, run_summary, tables
from benchrunner.table import Row, latest, row_of

NOT_TOLD = NotMeasured("the tool does not tell")


def accelerated(**changes: object) -> Measurement:
    """FdMobileNet 0.25 224 of the zoo's release 2.1.0 on the NPU, as `nbg_benchmark` would have told it."""
    made = factory.linux(
        case={
            "board": "stm32mp257f-dk",
            "board_name": "STM32MP257F-DK",
            "model": "fdmobilenet_0.25_224",
            "resolution": "224x224x3",
            "engine": "nbg",
            "engine_version": "5.0.1",
            "execution_engine": "NPU/GPU",
        },
        starts=((6_600_120,),) * 3,
        shares=Shares(12.28, 87.72, 0.0, "share of the layers' time in a profiled run"),
    )
    conditions = made.conditions | {"estimator": "each start is the mean of 50 inferences"}
    return replace(made, conditions=conditions, **changes)  # type: ignore[arg-type]


PROCESSOR = factory.linux()
ACCELERATED = accelerated()
MCU = factory.measurement(fidelity=Fidelity.MEASURED, timing_model=NotMeasured("a real board"))


def cells_of(measurement: Measurement, kind: Kind = Kind.MPU) -> dict[str, str]:
    (table,) = tables([row_of(measurement)], kind)
    return dict(zip(table.header, table.rows[0], strict=True))


def test_the_columns_are_those_of_the_zoos_mpu_table_and_fidelity() -> None:
    assert ", ".join(linux.MPU_COLUMNS) == (
        "Model, Format, Resolution, Quantization, Board, Execution Engine, Frequency, Inference time (ms), "
        "%NPU, %GPU, %CPU, X-LINUX-AI version, Framework, fidelity"
    )


def test_a_row_of_the_cpu_reads_like_a_published_one() -> None:
    assert list(cells_of(PROCESSOR).values()) == [
        "fdmobilenet_0.25_128", "Int8", "128x128x3", "per-channel", "STM32MP157F-DK2", "2 CPU", "800 MHz",
        "22.76 ms", "NA", "NA", "100", "v5.1.0", "TensorFlowLite 2.11.0", "measured",
    ]  # fmt: skip


def test_a_row_of_the_npu_reads_like_a_published_one() -> None:
    assert list(cells_of(ACCELERATED).values()) == [
        "fdmobilenet_0.25_224", "Int8", "224x224x3", "per-channel**", "STM32MP257F-DK", "NPU/GPU", "800 MHz",
        "6.60 ms *", "12.28", "87.72", "0", "v5.1.0", "OpenVX", "measured",
    ]  # fmt: skip


def test_what_shares_asterisks_and_figures_mean_stands_below() -> None:
    (table,) = tables([row_of(ACCELERATED)], Kind.MPU)
    assert any(note.startswith("** ") and "per-tensor" in note for note in table.notes)
    assert "%NPU, %GPU, %CPU: share of the layers' time in a profiled run" in table.notes
    assert "* nbg: each start is the mean of 50 inferences" in table.notes
    (plain,) = tables([row_of(PROCESSOR)], Kind.MPU)
    assert plain.notes == ()


def test_a_share_that_is_not_known_says_why_on_an_accelerator_only() -> None:
    unknown = accelerated(shares=NotMeasured("the driver printed no layer times"))
    assert cells_of(unknown)["%NPU"] == "not measured: the driver printed no layer times"
    assert cells_of(unknown)["%CPU"] == "not measured: the driver printed no layer times"
    assert cells_of(factory.linux(shares=NotMeasured("not profiled")))["%GPU"] == "NA"


@pytest.mark.parametrize(
    ("median_ns", "text"),
    [(6_600_000, "6.60 ms"), (33_500_000, "33.50 ms"), (61_000_000, "61.00 ms"), (375_000, "0.375 ms"),
     (1_106_641_000, "1106.64 ms")],
)  # fmt: skip
def test_times_have_two_decimals_with_their_zeros(median_ns: int, text: str) -> None:
    assert cells_of(factory.linux(starts=((median_ns,) * 3,)))["Inference time (ms)"] == text


def test_no_digit_is_finer_than_the_starts_agree() -> None:
    apart = tuple((22_000_000 + number * 400_000,) * 3 for number in range(6))
    assert cells_of(factory.linux(starts=apart))["Inference time (ms)"] == "23 ms"


def test_degraded_and_failed_cases_say_so_in_the_place_of_their_time() -> None:
    degraded = factory.linux(outcome=Outcome.DEGRADED, reason="cpu0 fell to 650 MHz")
    assert cells_of(degraded)["Inference time (ms)"] == "22.76 ms degraded: cpu0 fell to 650 MHz"
    failed = accelerated(outcome=Outcome.FAILED, reason="executed by the CPU")
    assert cells_of(failed)["Inference time (ms)"] == "not measured: failed: executed by the CPU"


def test_a_simulated_time_carries_its_band() -> None:
    simulated = factory.linux(
        fidelity=Fidelity.SIMULATED, timing_model=TimingModel("mpu-1", 10.4, "published times")
    )
    assert cells_of(simulated)["Inference time (ms)"] == "22.76 ms ±11 %"
    assert cells_of(simulated)["fidelity"] == "simulated"


@pytest.mark.parametrize(
    ("engine", "version", "framework"),
    [
        ("tflite", "tflite_runtime 2.18.0", "TensorFlowLite 2.18.0"),
        ("tflite", "tflite-runtime 2.18.0", "TensorFlowLite 2.18.0"),
        ("tflite", "ai_edge_litert 2.0.2", "LiteRT 2.0.2"),
        ("benchmark-model", "2.18.0", "TensorFlowLite 2.18.0"),
        ("onnxruntime", "1.19.2", "ONNX Runtime 1.19.2"),
        ("nbg", "5.0.1", "OpenVX"),
    ],
)
def test_frameworks_have_their_published_names(engine: str, version: str, framework: str) -> None:
    made = factory.linux(case={"engine": engine, "engine_version": version})
    assert cells_of(made)["Framework"] == framework


def test_each_board_stands_in_the_tables_of_its_kind_alone() -> None:
    rows = [row_of(MCU), row_of(PROCESSOR)]
    titles = {kind: [(table.title, len(table.rows)) for table in tables(rows, kind)] for kind in Kind}
    assert titles[Kind.ALL] == [
        ("MCU inference time", 1), ("MCU memory footprint", 1), ("MPU inference time", 1),
    ]  # fmt: skip
    assert titles[Kind.LATENCY] == [("MCU inference time", 1), ("MPU inference time", 1)]
    assert titles[Kind.FOOTPRINT] == [("MCU memory footprint", 1)]
    assert titles[Kind.MPU] == [("MPU inference time", 1)]
    assert titles[Kind.COMBINED] == [("Latency of all boards", 2)]


def test_tables_without_rows_are_left_out_of_a_report_of_several() -> None:
    assert [table.title for table in tables([row_of(PROCESSOR)], Kind.ALL)] == ["MPU inference time"]
    assert [table.title for table in tables([], Kind.ALL)] == ["MCU inference time", "MCU memory footprint"]


def test_one_view_has_every_board_with_the_same_definition_of_latency() -> None:
    (table,) = tables([row_of(m) for m in (MCU, PROCESSOR, ACCELERATED)], Kind.COMBINED)
    assert table.header == linux.COMBINED_COLUMNS
    assert [row[2] for row in table.rows] == ["1 CPU", "2 CPU", "NPU/GPU"]  # threads are told apart
    mcu, processor, npu = table.rows
    assert mcu == (
        "STM32H747I-DISCO", "aot 0.1.0", "1 CPU", "fdmobilenet_0.25_128", "17.73 ms", "17.73 .. 17.73 ms",
        "17.73 ms", "10", "measured", "ok",
    )  # fmt: skip
    assert processor[4:] == (
        "22.76 ms", "22.76 .. 22.76 ms", "22.8 ms", "6x10", "measured", "ok",
    )  # fmt: skip
    assert npu[4:] == (
        "6.6 ms *", "n/a (n<6)", "not measured: the tool tells one figure for each start", "3 starts",
        "measured", "ok",
    )  # fmt: skip
    assert "* nbg: each start is the mean of 50 inferences" in table.notes
    assert any("median of warm inferences" in note for note in table.notes)


def test_the_latest_rows_keep_each_way_of_executing_a_model() -> None:
    ways = [factory.linux(case={"execution_engine": way}) for way in ("1 CPU", "2 CPU", "NPU/GPU", "2 CPU")]
    run_ids = [f"20260101T00000{number}Z-00000000" for number in range(len(ways))]
    kept = latest([row_of(way, run_id=run_id) for way, run_id in zip(ways, run_ids, strict=True)])
    assert [(str(run_ids.index(row.run_id)), row.execution_engine) for row in kept] == [
        ("0", "1 CPU"), ("2", "NPU/GPU"), ("3", "2 CPU"),
    ]  # fmt: skip


def test_the_summary_of_a_failed_run_has_its_reason_and_no_number() -> None:
    text = run_summary(accelerated(outcome=Outcome.FAILED, reason="executed by the CPU"))
    assert text.splitlines()[1] == "  latency  not measured: failed: executed by the CPU"
    assert "6.6" not in text


def test_figures_of_a_tool_have_no_percentiles_and_no_class() -> None:
    row = row_of(ACCELERATED)
    for column in ("latency_p95_ms", "latency_min_ms", "latency_max_ms", "cell_class", "spread_percent"):
        assert getattr(row, column) == NotMeasured("the tool tells one figure for each start"), column
    assert row.latency_median_ms == pytest.approx(6.60012)
    assert row.latency_estimator == "each start is the mean of 50 inferences"
    assert row_of(PROCESSOR).latency_estimator == "median of the starts' medians"
    assert row_of(MCU).latency_estimator == "median of the timed inferences"


def test_a_first_inference_that_a_tool_does_not_tell_is_not_measured() -> None:
    latency = PROCESSOR.latency
    assert not isinstance(latency, NotMeasured)
    silent = [replace(start, cold_counts=NOT_TOLD, init_counts=NOT_TOLD) for start in latency.starts]
    row = row_of(replace(PROCESSOR, latency=replace(latency, starts=tuple(silent))))
    assert (row.latency_cold_ms, row.latency_init_ms) == (NOT_TOLD, NOT_TOLD)
    some = row_of(replace(PROCESSOR, latency=replace(latency, starts=(silent[0], *latency.starts[1:]))))
    assert some.latency_cold_ms == 31.0


@pytest.mark.parametrize(("kind", "boards"), [
    (Kind.MPU, {"stm32mp157f-dk2"}), (Kind.FOOTPRINT, {"stm32h747i-disco"}),
    (Kind.COMBINED, {"stm32mp157f-dk2", "stm32h747i-disco"}),
])  # fmt: skip
def test_data_of_a_kind_has_the_rows_of_its_table(kind: Kind, boards: set[str]) -> None:
    rows: list[Row] = [row_of(MCU), row_of(PROCESSOR)]
    found = list(csv.DictReader(io.StringIO(render(rows, kind, Layout.CSV))))
    assert {row["board"] for row in found} == boards
    assert ("process_peak_bytes" in found[0]) == (kind is not Kind.FOOTPRINT)


def test_the_summary_of_a_linux_run() -> None:
    assert run_summary(PROCESSOR) == (
        "fdmobilenet_0.25_128 int8  on  STM32MP157F-DK2 (2 CPU, 800 MHz)  measured\n"
        "  latency  22.76 ms [22.76 .. 22.76]  p95 22.8  min 22.76  6x10 noisy  cold 31 ms  init 3.3 ms\n"
        "  memory   peak 24 MiB, before the model 20 MiB (VmHWM of /proc/self/status)\n"
        "  system   governor performance, CPU 800 MHz -> 650 MHz, load 0.05, cpu 45.2 -> 51.0 °C, X-LINUX-AI "
        "v5.1.0, kernel 6.1.82\n"
        "  output   bit-exact with LiteRT 2.3.0 builtin-without-default-delegates, 5 values\n"
        "  ! first inference 1.4x slower (cold), reported apart"
    )


def test_the_summary_of_an_accelerated_run_has_its_shares_and_its_estimator() -> None:
    lines = run_summary(ACCELERATED).splitlines()
    assert lines[1] == (
        "  latency  6.6 ms CI n/a (n<6)  3 starts: each start is the mean of 50 inferences  cold 31 ms  "
        "init 3.3 ms"
    )
    assert lines[3] == (
        "  shares   NPU 12.28, GPU 87.72, CPU 0 % (share of the layers' time in a profiled run)"
    )
    unknown = run_summary(accelerated(shares=NotMeasured("not profiled"))).splitlines()
    assert unknown[3] == "  shares   not measured: not profiled"


def test_the_summary_of_a_degraded_run_says_what_moved() -> None:
    text = run_summary(factory.linux(outcome=Outcome.DEGRADED, reason="cpu0 fell to 650 MHz"))
    assert "degraded: cpu0 fell to 650 MHz" in text


def test_our_own_tables_of_linux_boards_have_nothing_to_complain_about(tmp_path: Path) -> None:
    degraded = factory.linux(
        case={"model": "st_fdmobilenet_v1_128"}, outcome=Outcome.DEGRADED, reason="cpu0 fell to 650 MHz"
    )
    simulated = factory.linux(
        case={"model": "st_fdmobilenet_v1_224", "resolution": "224x224x3"},
        fidelity=Fidelity.SIMULATED,
        timing_model=TimingModel("mpu-1", 10.4, "published times"),
    )
    both = replace(simulated, conditions=ACCELERATED.conditions)
    rows = [row_of(each) for each in (ACCELERATED, PROCESSOR, degraded, simulated, both, MCU)]
    page = tmp_path / "page.md"
    page.write_text(render(rows, Kind.ALL, Layout.MARKDOWN) + render(rows, Kind.COMBINED, Layout.MARKDOWN))
    result = CliRunner().invoke(cli, ["lint", str(page)], standalone_mode=False)
    assert result.return_value in (None, 0), result.output
