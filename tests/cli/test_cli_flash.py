"""`benchrunner flash` against a simulated board over RFC 2217."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner
from tflite_builder import small_cnn

from benchrunner.board import load_board
from benchrunner.cli.flash import command
from benchrunner.errors import WrongChipError
from benchrunner.firmware.aot import build_image
from benchrunner.firmware.toolchain import find_toolchain
from benchrunner.model import parse_model
from benchrunner.simulator.board import SimulatedBoard
from benchrunner.simulator.rfc2217 import serve_rfc2217

IMAGE = random.Random(4).randbytes(20_000)


def arguments(tmp_path: Path, url: str, *more: str, board: str = "nucleo-f401re") -> list[str]:
    path = tmp_path / "firmware.bin"
    path.write_bytes(IMAGE)
    return [str(path), "--board", board, "--port", url, "--lines", *more]


def test_a_binary_lands_in_flash_and_the_second_time_nothing_is_written(tmp_path: Path) -> None:
    sim = SimulatedBoard(load_board("nucleo-f401re"))
    with serve_rfc2217(sim) as url:
        first = CliRunner().invoke(command, arguments(tmp_path, url, "--json"))
        assert first.exit_code == 0, first.output
        done = json.loads(first.stdout)
        assert (done["written_bytes"], done["erased_sectors"], done["verified_by"]) == (
            20_000,
            2,
            "read-back",
        )
        again = CliRunner().invoke(command, arguments(tmp_path, url))
    assert "0 bytes written, 0 sectors erased, 2 unchanged" in again.stdout
    assert "connect" in again.stderr
    assert sim.flash.content[:20_000] == IMAGE


def test_a_wrong_board_is_refused_and_what_is_on_it_is_said(tmp_path: Path) -> None:
    sim = SimulatedBoard(load_board("nucleo-f401re"))
    with serve_rfc2217(sim) as url:
        result = CliRunner().invoke(command, arguments(tmp_path, url, board="stm32h747i-disco"))
    assert isinstance(result.exception, WrongChipError)
    assert "flash was not touched" in result.stderr
    assert sum(sim.flash.erase_counts) == 0


def test_an_image_whose_sources_were_changed_since_is_flashed_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHRUNNER_CACHE", str(tmp_path / "objects"))
    board = load_board("nucleo-f401re")
    project = tmp_path / "project"
    build_image(board, parse_model(small_cnn(), "small"), project, find_toolchain())
    image = project / "build" / "image.bin"
    said = []
    for change in (b"", b"\n"):
        kernel = project / "kernels" / "softmax_s8.c"
        kernel.write_bytes(kernel.read_bytes() + change)
        with serve_rfc2217(SimulatedBoard(board)) as url:
            options = ["--board", board.id, "--port", url, "--lines", "--no-start"]
            done = CliRunner().invoke(command, [str(image), *options])
        assert done.exit_code == 0, done.output
        said.append(done.stderr)
    assert "not as recorded" not in said[0]
    assert "files are not as recorded: kernels/softmax_s8.c" in said[1]
