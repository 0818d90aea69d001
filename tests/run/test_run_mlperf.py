"""`benchrunner run --engine mlperf-tiny`, against the firmware's own C behind a socket or a pty."""

import json
import os
import socket
import subprocess
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from firmware.host_device import build_host, build_image, mlperf_sources
from run_boards import BOARD
from tflite_builder import ModelBuilder

from benchrunner import load_results
from benchrunner.board import load_board
from benchrunner.cli.run import command
from benchrunner.errors import UsageError
from benchrunner.image import EMULATED_UID, SIMULATED_UID
from benchrunner.protocol import mlperf_tiny
from benchrunner.record import Fidelity, NotMeasured, Outcome, OutputCheck
from benchrunner.run import MLPERF_TINY, RunRequest, run_tiny_case
from benchrunner.run.access import Line
from benchrunner.run.stated import fidelity_of
from benchrunner.runtime import ORACLE, Interpreter, natural_input
from benchrunner.session import mlperf
from benchrunner.simulator.board import SimulatedBoard
from benchrunner.simulator.rfc2217 import serve_rfc2217
from benchrunner.transport import Parity
from benchrunner.transport.network import Rfc2217Transport
from benchrunner.transport.serial import open_transport

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
    # All windows have to have one number of inferences, however busy the machine is in one of them.
    monkeypatch.setattr(mlperf, "TARGET_WINDOW_S", 3 * mlperf.WANTED_WINDOW_S)


@pytest.fixture
def tiny_request(request_for: Callable[..., RunRequest]) -> Callable[..., RunRequest]:
    """A request of this engine, of somebody who says that there is a board."""

    def make(**changes: object) -> RunRequest:
        return request_for(**{"engine": MLPERF_TINY, "stated_fidelity": Fidelity.MEASURED, **changes})

    return make


def knowing(folder: Path, model: bytes, *defines: str) -> Path:
    """Firmware that knows the answers to the five inputs of a run."""
    interpreter = Interpreter(model, ORACLE)
    inputs = [natural_input(interpreter.inputs[0], seed) for seed in range(1, 6)]
    table = [(data, interpreter.run([data])[0]) for data in inputs]
    lines = [
        "{{" + ",".join(map(str, data)) + "},{" + ",".join(map(str, output)) + "}}," for data, output in table
    ]
    (folder / "answers.h").write_text("".join(f"{line}\n" for line in lines))
    return build_host(folder, *mlperf_sources(), ANSWERS, defines=defines, include=folder)


@contextmanager
def running(program: Path, end: int | socket.socket) -> Iterator[None]:
    environment = {**os.environ, "BENCH_IMAGE": str(build_image(program.parent))}
    process = subprocess.Popen([program], stdin=end, stdout=end, env=environment)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def on_a_board(folder: Path, model: bytes, *defines: str) -> Iterator[str]:
    """A port of firmware that takes itself for a real board's."""
    program = knowing(folder, model, "HOST_FIDELITY=BENCH_FIDELITY_MEASURED", *defines)
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:

        def serve() -> None:
            connection, _ = listener.accept()
            stack.enter_context(connection)
            stack.enter_context(running(program, connection))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"socket://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(60)


@contextmanager
def on_a_terminal(folder: Path, model: bytes, *defines: str) -> Iterator[str]:
    """The path of a pseudo-terminal with the firmware."""
    program = knowing(folder, model, *defines)
    master, slave = os.openpty()
    try:
        tty.setraw(slave)
        with running(program, master):
            yield os.ttyname(slave)
    finally:
        os.close(master)
        os.close(slave)


def test_firmware_on_a_port_is_measured_and_recorded(
    tmp_path: Path, kws: bytes, tiny_request: Callable[..., RunRequest], short_windows: None
) -> None:
    model = tmp_path / "kws.tflite"
    model.write_bytes(kws)
    with on_a_board(tmp_path, kws) as port:
        result = run_tiny_case(tiny_request(port=port, model=model), Quiet())
    measured = result.measurement
    assert (measured.outcome, measured.reason) == (Outcome.OK, "")
    assert measured.fidelity is Fidelity.MEASURED
    assert result.path is not None
    assert json.loads(result.path.read_text())["measurements"][0]["case"]["engine"] == "mlperf-tiny"
    assert not isinstance(measured.latency, NotMeasured)
    assert len(measured.latency.starts[0].timed_counts) == 5
    # The firmware sleeps for two milliseconds in each inference.
    assert all(value >= 2_000_000 for value in measured.latency.starts[0].timed_counts)
    assert measured.conditions["mlperf.vendor"] == "known answers"
    assert measured.conditions["mlperf.rules_kept"] is True
    assert not isinstance(measured.output, NotMeasured)
    assert (measured.output.max_difference_lsb, measured.output.values) == (0, 60)
    assert not isinstance(measured.clock, NotMeasured)
    assert abs(measured.clock.deviation_ppm) < measured.clock.limit_ppm + measured.clock.uncertainty_ppm


def test_a_wrong_answer_becomes_a_failed_record(
    tmp_path: Path, kws: bytes, tiny_request: Callable[..., RunRequest], short_windows: None
) -> None:
    model = tmp_path / "kws.tflite"
    model.write_bytes(kws)
    with on_a_board(tmp_path, kws, "WRONG") as port:
        result = run_tiny_case(tiny_request(port=port, model=model), Quiet())
    assert result.measurement.outcome is Outcome.FAILED
    assert "results differ from the reference" in result.measurement.reason
    assert isinstance(result.measurement.latency, NotMeasured)


def test_a_model_that_the_benchmark_does_not_have_is_refused(request_for: Callable[..., RunRequest]) -> None:
    with pytest.raises(UsageError, match="no int8 model of MLPerf Tiny"):
        run_tiny_case(request_for(port="/dev/null", engine="mlperf-tiny"), Quiet())


def test_the_command_line_runs_it(tmp_path: Path, kws: bytes, short_windows: None) -> None:
    model = tmp_path / "kws.tflite"
    model.write_bytes(kws)
    with on_a_board(tmp_path, kws) as port:
        arguments = ["--board", BOARD, "--engine", "mlperf-tiny", "--port", port, "--model", str(model), "-q"]
        arguments += ["--fidelity", "measured"]
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


@pytest.mark.parametrize("stated", [None, Fidelity.EMULATED])
def test_firmware_that_is_emulated_is_checked_and_has_no_latency(
    tmp_path: Path, kws: bytes, tiny_request: Callable[..., RunRequest], stated: Fidelity | None
) -> None:
    model = tmp_path / "kws.tflite"
    model.write_bytes(kws)
    with on_a_terminal(tmp_path, kws) as port:
        result = run_tiny_case(tiny_request(port=port, model=model, stated_fidelity=stated), Quiet())
    measured = result.measurement
    assert (measured.outcome, measured.fidelity) == (Outcome.OK, Fidelity.EMULATED)
    assert isinstance(measured.output, OutputCheck)
    assert isinstance(measured.latency, NotMeasured)
    assert isinstance(measured.clock, NotMeasured)
    assert result.path is not None
    (row,) = load_results(tmp_path / "results").itertuples()
    assert row.fidelity == "emulated"
    assert "microseconds are none" in row.latency_median_ms_reason


def test_a_port_of_which_nothing_is_known_needs_a_word(
    tmp_path: Path, kws: bytes, tiny_request: Callable[..., RunRequest]
) -> None:
    model = tmp_path / "kws.tflite"
    model.write_bytes(kws)
    with on_a_board(tmp_path, kws) as port, pytest.raises(UsageError) as caught:
        run_tiny_case(tiny_request(port=port, model=model, stated_fidelity=None), Quiet())
    assert "nothing tells whether a real board is behind this port" in caught.value.message
    assert "--fidelity measured" in caught.value.hint
    assert not (tmp_path / "results").exists()


def test_emulated_firmware_does_not_pass_as_measured(
    tmp_path: Path, kws: bytes, tiny_request: Callable[..., RunRequest]
) -> None:
    model = tmp_path / "kws.tflite"
    model.write_bytes(kws)
    with on_a_terminal(tmp_path, kws) as port:
        request = tiny_request(port=port, model=model)
        with pytest.raises(UsageError, match="measured, but the firmware says that it runs emulated"):
            run_tiny_case(request, Quiet())
    assert not (tmp_path / "results").exists()


def test_a_pseudo_terminal_is_no_board_whatever_is_said(
    tmp_path: Path, kws: bytes, tiny_request: Callable[..., RunRequest]
) -> None:
    model = tmp_path / "kws.tflite"
    model.write_bytes(kws)
    with (
        on_a_terminal(tmp_path, kws, "HOST_FIDELITY=BENCH_FIDELITY_MEASURED") as port,
        pytest.raises(UsageError, match="is a pseudo-terminal"),
    ):
        run_tiny_case(tiny_request(port=port, model=model), Quiet())


@pytest.mark.parametrize(
    ("uid", "what"), [(EMULATED_UID, "emulated"), (SIMULATED_UID, "simulated")], ids=["emulated", "simulated"]
)
def test_a_port_that_our_simulator_serves_says_so(uid: bytes, what: str) -> None:
    board = SimulatedBoard(load_board(BOARD), uid=uid)
    with serve_rfc2217(board) as url:
        transport = open_transport(url, baud_hz=115_200, parity=Parity.NONE)
        assert isinstance(transport, Rfc2217Transport)
        line = Line(transport, url, "", 115_200, transport.signature())
        transport.close()
    assert fidelity_of(None, line, "") == what
    with pytest.raises(UsageError, match=f"is served by a benchrunner {what} board"):
        fidelity_of(Fidelity.MEASURED, line, "")


def test_a_word_about_other_engines_is_refused(kws: bytes) -> None:
    done = CliRunner().invoke(
        command, ["--board", BOARD, "--sim", "--fidelity", "measured"], standalone_mode=False
    )
    assert isinstance(done.exception, UsageError)
    assert "--fidelity is for engine mlperf-tiny" in done.exception.message
