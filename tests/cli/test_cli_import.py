"""Importing a table of x-linux-ai-benchmark: what a record gets, and which tables are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchrunner import cli, store
from benchrunner.record import Fidelity, Measurement, NotMeasured, Outcome, Shares
from benchrunner.zoo import resolve_model

DATA = Path(__file__).parents[1] / "data" / "linux_tools"
TABLE = DATA / "x_linux_ai_benchmark.txt"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(["import-x-linux-ai", "--fidelity", "measured", *map(str, arguments)])
    return int(caught.value.code or 0)


def imported(folder: Path) -> tuple[Measurement, ...]:
    (only,) = store.load_runs(folder).runs
    assert not only.altered
    return only.document.measurements


def test_every_row_becomes_a_record_that_says_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(TABLE, "--board", "stm32mp257f-dk", "--out", tmp_path) == 1
    npu, other, cpu, fallen = imported(tmp_path)
    assert [m.case.engine for m in (npu, other, cpu, fallen)] == [
        "nbg", "nbg", "benchmark-model", "onnxruntime",
    ]  # fmt: skip
    assert (npu.fidelity, npu.outcome) == (Fidelity.MEASURED, Outcome.OK)
    assert npu.case.execution_engine == "NPU/GPU"
    assert npu.case.clock_hz == 800_000_000
    assert (cpu.case.execution_engine, cpu.case.clock_hz) == ("2 CPU", 1_500_000_000)
    assert cpu.case.engine_version == "2.18.0"
    assert not isinstance(npu.latency, NotMeasured)
    assert npu.latency.starts[0].timed_counts == (6_600_000,)
    assert isinstance(npu.latency.starts[0].cold_counts, NotMeasured)
    assert "cold first one included" in str(npu.conditions["estimator"])
    assert "after a warm-up" in str(cpu.conditions["estimator"])
    assert npu.conditions["x_linux_ai_version"] == "v6.1.0"
    assert cpu.conditions["xnnpack_default"] is True
    assert str(npu.output).startswith("not measured: imported ")
    assert isinstance(npu.shares, Shares)
    assert (npu.shares.npu_percent, npu.shares.gpu_percent) == (12.28, 87.72)
    assert npu.logs["x-linux-ai-benchmark"] == TABLE.read_bytes().decode()
    assert any("which file it was is not known" in warning for warning in npu.warnings)
    printed = capsys.readouterr().out
    assert "MPU inference time" in printed
    assert "6.60 ms *" in printed
    assert "imported from x-linux-ai-benchmark: mean of ten runs, the cold first one included" in printed
    assert other.case.model == "st_fdmobilenet_v1_224_int8"


def test_a_row_whose_time_may_be_that_of_a_silent_retry_is_a_failed_case(tmp_path: Path) -> None:
    assert run(TABLE, "--board", "stm32mp257f-dk", "--out", tmp_path) == 1
    fallen = imported(tmp_path)[3]
    assert fallen.outcome is Outcome.FAILED
    assert "retrying on CPU" in fallen.reason


def test_the_models_tell_what_exactly_was_executed(tmp_path: Path) -> None:
    model = resolve_model("fdmobilenet_0.25_224_int8")
    shutil.copy(model, tmp_path / "fdmobilenet_0.25_224_int8.tflite")
    results = tmp_path / "results"
    assert run(TABLE, "--board", "stm32mp257f-dk", "--out", results, "--models", tmp_path) == 1
    known, unknown, *_ = imported(results)
    assert len(known.case.model_sha256) == 64
    assert (known.case.resolution, known.case.quantization, known.case.format) == (
        "224x224x3", "per-channel", "int8",
    )  # fmt: skip
    assert unknown.case.model_sha256 == ""
    assert isinstance(unknown.case.quantization, NotMeasured)


def test_the_exported_json_is_imported_too(tmp_path: Path) -> None:
    file = DATA / "x_linux_ai_benchmark.json"
    assert run(file, "--board", "stm32mp157f-dk2", "--out", tmp_path) == 0
    cpu, _ = imported(tmp_path)
    assert cpu.case.board == "stm32mp157f-dk2"
    assert cpu.conditions["xnnpack_default"] is False  # off since v6.1.1


def test_a_table_of_another_board_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(TABLE, "--board", "stm32mp157f-dk2", "--out", tmp_path) == 2
    assert "the table is of 'STMicroelectronics STM32MP257F-DK Discovery Board'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_microcontroller_printed_no_such_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(TABLE, "--board", "stm32h747i-disco", "--out", tmp_path) == 2
    assert "runs no Linux" in capsys.readouterr().err


def test_a_file_without_a_table_is_no_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.txt"
    file.write_bytes(bytes(range(256)))
    assert run(file, "--board", "stm32mp257f-dk", "--out", tmp_path / "results") == 1
    assert "no table of x-linux-ai-benchmark" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_a_table_of_a_simulated_board_can_be_called_one(tmp_path: Path) -> None:
    arguments = ("--board", "stm32mp257f-dk", "--out", tmp_path, "--fidelity", "simulated")
    assert run(TABLE, *arguments) == 1
    assert {m.fidelity for m in imported(tmp_path)} == {Fidelity.SIMULATED}


def test_what_printed_a_table_has_to_be_said_as_the_table_does_not_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["import-x-linux-ai", str(TABLE), "--board", "stm32mp257f-dk", "--out", str(tmp_path)])
    assert caught.value.code == 2
    assert "--fidelity" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
