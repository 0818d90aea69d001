"""Images of MLPerf Tiny's models answer the benchmark's commands: built from a model, executed, compared."""

from __future__ import annotations

from pathlib import Path

import pytest
import tflite_builder as built
from emulated import Host

from benchrunner.board import load_board
from benchrunner.emulator.board import EmulatedFirmware, emulated_board
from benchrunner.firmware.aot import build_image
from benchrunner.firmware.toolchain import ToolchainKind, find_toolchain
from benchrunner.model import parse_model
from benchrunner.protocol import mlperf_tiny as tiny
from benchrunner.run.mlperf import cases_of
from benchrunner.simulator.board import Boot
from benchrunner.simulator.uart import LineFormat
from benchrunner.transport import Parity


def small(name: str) -> bytes:
    """A network with the shapes of one of the benchmark's, and much less to do."""
    builder = built.ModelBuilder(seed=5)
    shape = tiny.MODELS[name].input_shape
    x = builder.input(shape)
    if len(shape) == 4:
        x = builder.conv(x, 4, kernel=(3, 3), stride=8)
        rows, columns, channels = builder.tensors[x].shape[1:]
        x = builder.reshape(x, (1, rows * columns * channels))
    x = builder.dense(x, tiny.MODELS[name].output_values)
    return builder.finish(x if name == "ad01" else builder.softmax(x))


def ask(host: Host, text: str) -> list[str]:
    """The lines that answer, without m-ready."""
    said = host.say(tiny.command(text), slices=2000)
    while tiny.READY.encode() not in said:
        more = host.say(b"", slices=2000)
        assert more, (text, said)
        said += more
    lines = tiny.LineDecoder().feed(said)
    assert lines[-1] == tiny.READY
    return lines[:-1]


@pytest.mark.parametrize(
    ("name", "board_id"),
    [("kws01", "nucleo-l4r5zi"), ("ad01", "nucleo-u575zi-q"), ("ic01", "stm32h747i-disco")],
)
def test_an_image_answers_as_the_reference_does(
    name: str, board_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHRUNNER_CACHE", str(tmp_path / "objects"))
    file = tmp_path / f"{name}.tflite"
    file.write_bytes(small(name))
    board = load_board(board_id)
    model = parse_model(file.read_bytes(), file.name)
    image = build_image(board, model, tmp_path / "out", find_toolchain(ToolchainKind.GCC))
    firmware = EmulatedFirmware(board)
    sim = emulated_board(board, flash=image.firmware.binary, boot=Boot.APP, firmware=firmware)
    assert board.mcu is not None
    host = Host(sim, LineFormat(board.mcu.serial.baud_hz, Parity.NONE))
    host.run()

    assert tiny.name(ask(host, "name")) == board_id
    profile = ask(host, "profile")
    assert (tiny.profile(profile)[1], tiny.fidelity(profile)) == (name, "emulated")
    prepared = cases_of(file)
    case = prepared.cases[0]
    for text in tiny.load_commands(case.data):
        lines = ask(host, text)
        assert tiny.errors(lines) == []
    assert lines == ["m-load-done"]
    answer = ask(host, "infer 3 1")
    assert tiny.window_us(answer) > 0
    results = tiny.results(answer)
    assert len(results) == tiny.MODELS[name].results
    assert results == pytest.approx(case.expected, rel=1e-4, abs=0.000501)
