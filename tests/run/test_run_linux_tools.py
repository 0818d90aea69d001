"""Whole runs with the boards' own tools on simulated boards: from model to stored record and table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchrunner import table
from benchrunner.board import load_board
from benchrunner.cli import cli
from benchrunner.errors import ToolMissingError, UsageError
from benchrunner.record import Fidelity, Measurement, NotMeasured, Outcome, Shares, TimingModel
from benchrunner.report import Kind, Layout, render
from benchrunner.run import RunRequest, run_case
from benchrunner.run.request import LinuxOptions
from benchrunner.session.linux.tools import MODEL_SUFFIXES
from benchrunner.simulator.linux import serve_ssh_board
from benchrunner.store import load_runs
from benchrunner.transport.ssh_target import SshTarget
from benchrunner.zoo import resolve_model


class Silent:
    def step(self, step: object, detail: str) -> None:
        """Nothing to show."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """Nothing to show."""

    def note(self, text: str) -> None:
        """Nothing to show."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = resolve_model("fdmobilenet_0.25_128_int8")
    shutil.copy(model, tmp_path / "m.tflite")
    return tmp_path


def run(*arguments: Any) -> Result:
    words = ["run", "--board", "stm32mp257f-dk", "--sim", "--model", "m.tflite", "--runs", "10", *arguments]
    return CliRunner().invoke(cli, [*map(str, words), "--quiet"], standalone_mode=False)


def stored() -> Measurement:
    (only,) = load_runs(Path("results")).runs
    (measurement,) = only.document.measurements
    return measurement


@pytest.mark.parametrize("engine", list(MODEL_SUFFIXES))
def test_each_tool_makes_a_record_and_a_row_of_the_mpu_table(folder: Path, engine: str) -> None:
    assert run("--engine", engine, "--starts", 2).return_value == 0
    measurement = stored()
    assert (measurement.fidelity, measurement.outcome) == (Fidelity.SIMULATED, Outcome.OK)
    assert isinstance(measurement.timing_model, TimingModel)
    assert not isinstance(measurement.latency, NotMeasured)
    assert len(measurement.latency.starts) == 2
    assert measurement.conditions["estimator"]
    assert measurement.logs
    assert float(measurement.conditions_after["other_cpus"]) <= 0.2, (
        "the tool's own time is not that of others"
    )
    row = table.row_of(measurement)
    text = render([row], Kind.ALL, Layout.TEXT)
    assert "MPU inference time" in text
    assert "MCU" not in text
    assert f"* ±{-(-measurement.timing_model.error_percent // 1):.0f} %" in text


def test_the_npu_is_the_boards_npu_and_tells_its_shares(folder: Path) -> None:
    assert run("--engine", "nbg", "--starts", 2).return_value == 0
    measurement = stored()
    assert measurement.case.execution_engine == "NPU/GPU"
    assert measurement.case.clock_hz == 800_000_000
    assert isinstance(measurement.shares, Shares)
    assert isinstance(measurement.timing_model, TimingModel)
    assert "OpenVX" in measurement.timing_model.basis


@pytest.mark.parametrize("engine", list(MODEL_SUFFIXES))
def test_others_at_work_while_a_tool_measures_make_the_record_degraded(folder: Path, engine: str) -> None:
    done = run("--engine", engine, "--starts", 2, "--runs", 60, "--tune", "--fault", "load=1.5")
    assert done.exception is None, done.output
    measurement = stored()
    assert measurement.outcome is Outcome.DEGRADED
    assert "CPUs while the tool ran (limit 0.2)" in measurement.reason
    assert 0.5 < float(measurement.conditions_after["other_cpus"]) <= 1.6
    assert "benchrunner-load" not in " ".join(measurement.logs.values())


@pytest.mark.parametrize("state", ["on", "off"])
def test_xnnpack_is_asked_for_and_is_part_of_the_case(folder: Path, state: str) -> None:
    assert run("--engine", "benchmark-model", "--xnnpack", state).return_value == 0
    measurement = stored()
    assert measurement.case.options["xnnpack"] is (state == "on")
    assert measurement.conditions["xnnpack_requested"] is (state == "on")


def test_xnnpack_of_another_engine_is_refused_as_it_would_decide_nothing(folder: Path) -> None:
    done = run("--xnnpack", "off")
    assert isinstance(done.exception, UsageError)
    assert "--kernels reference" in done.exception.hint
    assert not Path("results").exists()


def test_threads_of_a_network_binary_are_refused_as_they_would_decide_nothing(folder: Path) -> None:
    done = run("--engine", "nbg", "--threads", 2)
    assert isinstance(done.exception, UsageError)
    assert "--threads 2 has no effect" in str(done.exception)
    assert not Path("results").exists()


def test_a_simulated_board_gets_a_stand_in_for_a_network_binary_and_the_record_says_so(folder: Path) -> None:
    (folder / "m.nb").write_bytes(b"what a vendor's converter made: no simulated board executes it")
    assert run("--engine", "nbg").return_value == 0
    assert "stand-in" in str(stored().conditions["model_file"])


def test_a_network_binary_that_is_not_there_is_asked_for_and_nothing_is_stored(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with serve_ssh_board(load_board("stm32mp257f-dk")) as board:
        target = SshTarget(
            board.host, board.user, board.port, (board.private_key,), True, host_key=board.host_key
        )
        request = RunRequest(
            board=load_board("stm32mp257f-dk"),
            board_file_sha256="",
            model=Path("m.tflite"),
            engine="nbg",
            linux=LinuxOptions(target=target),
        )
        with pytest.raises(ToolMissingError, match="needs a network binary"):
            run_case(request, Silent())
    assert not (folder / "results").exists()


@pytest.mark.parametrize("fault", ["silent_cpu_fallback=true", "tool_without_result=true"])
def test_a_tool_that_fails_quietly_is_a_failed_row_with_its_text(folder: Path, fault: str) -> None:
    assert run("--engine", "nbg", "--fault", fault).return_value == 1
    measurement = stored()
    assert measurement.outcome is Outcome.FAILED
    assert isinstance(table.row_of(measurement).latency_median_ms, NotMeasured)
    assert "nbg_benchmark" in json.dumps(measurement.logs)
