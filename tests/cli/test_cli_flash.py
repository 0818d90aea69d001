"""`benchrunner flash` against a simulated board over RFC 2217."""

from __future__ import annotations

import json
import random
from pathlib import Path

from click.testing import CliRunner

from benchrunner.board import load_board
from benchrunner.cli.flash import command
from benchrunner.errors import WrongChipError
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
