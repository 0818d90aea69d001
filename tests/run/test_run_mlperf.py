"""`benchrunner run --engine mlperf-tiny`, against the firmware's own C in a process behind a pty."""

import json
import os
import subprocess
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from firmware.host_device import build_host, build_image, mlperf_sources
from run_boards import BOARD
from tflite_builder import ModelBuilder

from benchrunner.cli.run import command
from benchrunner.errors import UsageError
from benchrunner.protocol import mlperf_tiny
from benchrunner.record import NotMeasured, Outcome
from benchrunner.run import RunRequest, run_tiny_case
from benchrunner.runtime import ORACLE, Interpreter, natural_input
from benchrunner.session import mlperf

ANSWERS = Path(__file__).with_name("known_answers.c")


class Quiet:
    def step(self, step: object, detail: str) -> None: ...

    def progress(self, done: int, total: int, unit: str) -> None: ...

    def note(self, text: str) -> None: ...


@pytest.fixture(scope="module")
def kws() -> bytes:
    """A network with the shapes of kws01."""
    builder = ModelBuilder(seed=3)
    x = builder.input((1, 49, 10, 1))
    x = builder.conv(x, 4, kernel=(10, 4), stride=5)
    size = builder.tensors[x].shape
    x = builder.reshape(x, (1, size[1] * size[2] * size[3]))
    return builder.finish(builder.softmax(builder.dense(x, 12)))


@pytest.fixture
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with windows of a fiftieth of their length."""
    for module, name in (
        (mlperf, "TARGET_WINDOW_S"),
        (mlperf, "WANTED_WINDOW_S"),
        (mlperf, "PROBE_S"),
        (mlperf_tiny, "SHORTEST_WINDOW_S"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name) / 50)


@contextmanager
def firmware(folder: Path, model: bytes, *defines: str) -> Iterator[str]:
    """The path of a terminal with firmware that knows the answers to the five inputs of a run."""
    interpreter = Interpreter(model, ORACLE)
    inputs = [natural_input(interpreter.inputs[0], seed) for seed in range(1, 6)]
    table = [(data, interpreter.run([data])[0]) for data in inputs]
    lines = [
        "{{" + ",".join(map(str, data)) + "},{" + ",".join(map(str, output)) + "}}," for data, output in table
    ]
    (folder / "answers.h").write_text("".join(f"{line}\n" for line in lines))
    program = build_host(folder, *mlperf_sources(), ANSWERS, defines=defines, include=folder)
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        process = subprocess.Popen(
            [program],
            stdin=master,
            stdout=master,
            env={**os.environ, "BENCH_IMAGE": str(build_image(folder))},
        )
        try:
            yield os.ttyname(slave)
        finally:
            process.kill()
            process.wait()
    finally:
        os.close(master)
        os.close(slave)


def test_firmware_on_a_port_is_measured_and_recorded(
    tmp_path: Path, kws: bytes, request_for: Callable[..., RunRequest], short_windows: None
) -> None:
    model = tmp_path / "kws.tflite"
    model.write_bytes(kws)
    with firmware(tmp_path, kws) as port:
        result = run_tiny_case(request_for(port=port, model=model, engine="mlperf-tiny"), Quiet())
    measured = result.measurement
    assert (measured.outcome, measured.reason) == (Outcome.OK, "")
    assert result.path is not None
    assert json.loads(result.path.read_text())["measurements"][0]["case"]["engine"] == "mlperf-tiny"
    assert not isinstance(measured.latency, NotMeasured)
    assert len(measured.latency.starts[0].timed_counts) == 5
    # The firmware sleeps for two milliseconds in each inference.
    assert all(2_000_000 <= value < 20_000_000 for value in measured.latency.starts[0].timed_counts)
    assert measured.conditions["mlperf.vendor"] == "known answers"
    assert measured.conditions["mlperf.rules_kept"] is True
    assert not isinstance(measured.output, NotMeasured)
    assert (measured.output.max_difference_lsb, measured.output.values) == (0, 60)
    assert not isinstance(measured.clock, NotMeasured)
    assert abs(measured.clock.deviation_ppm) < measured.clock.limit_ppm + measured.clock.uncertainty_ppm


def test_a_wrong_answer_becomes_a_failed_record(
    tmp_path: Path, kws: bytes, request_for: Callable[..., RunRequest], short_windows: None
) -> None:
    model = tmp_path / "kws.tflite"
    model.write_bytes(kws)
    with firmware(tmp_path, kws, "WRONG") as port:
        result = run_tiny_case(request_for(port=port, model=model, engine="mlperf-tiny"), Quiet())
    assert result.measurement.outcome is Outcome.FAILED
    assert "results differ from the reference" in result.measurement.reason
    assert isinstance(result.measurement.latency, NotMeasured)


def test_a_model_that_the_benchmark_does_not_have_is_refused(request_for: Callable[..., RunRequest]) -> None:
    with pytest.raises(UsageError, match="no int8 model of MLPerf Tiny"):
        run_tiny_case(request_for(port="/dev/null", engine="mlperf-tiny"), Quiet())


def test_the_command_line_runs_it(tmp_path: Path, kws: bytes, short_windows: None) -> None:
    model = tmp_path / "kws.tflite"
    model.write_bytes(kws)
    with firmware(tmp_path, kws) as port:
        arguments = ["--board", BOARD, "--engine", "mlperf-tiny", "--port", port, "--model", str(model), "-q"]
        done = CliRunner().invoke(command, [*arguments, "--json"], standalone_mode=False)
    assert done.exception is None
    assert json.loads(done.stdout)["conditions"]["mlperf.model"] == "kws01"


def test_a_simulated_board_has_no_such_firmware(tmp_path: Path, kws: bytes) -> None:
    model = tmp_path / "kws.tflite"
    model.write_bytes(kws)
    arguments = ["--board", BOARD, "--engine", "mlperf-tiny", "--sim", "--model", str(model)]
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert isinstance(done.exception, UsageError)
    assert "firmware that is on a board already" in done.exception.message
