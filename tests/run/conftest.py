"""A small model, requests to run it, and a home of its own for every test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from run_boards import BOARD, SHORT
from tflite_builder import small_cnn

from benchrunner.board import board_file_sha256, load_board
from benchrunner.run import RunRequest
from benchrunner.run.request import COMPUTED
from benchrunner.simulator.faults import parse


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks and journals of a test are its own."""
    for variable in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        folder = tmp_path / variable.lower()
        folder.mkdir()
        monkeypatch.setenv(variable, str(folder))
    monkeypatch.delenv("BENCHRUNNER_LAB", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "small.tflite"
    path.write_bytes(small_cnn())
    return path


@pytest.fixture
def request_for(model: Path, tmp_path: Path) -> Callable[..., RunRequest]:
    """Makes a request of a simulated run; keyword arguments change it, `faults` as on the command line."""

    def make(*faults: str, **changes: object) -> RunRequest:
        settings: dict[str, object] = {
            "board": load_board(BOARD),
            "board_file_sha256": board_file_sha256(BOARD),
            "model": model,
            "simulate": not {"port", "emulate"} & changes.keys(),
            "faults": parse(faults) if faults else None,
            "results": tmp_path / "results",
            # Only a board that may hang on purpose is given up soon.
            "limits": SHORT if faults or "port" in changes else COMPUTED,
        }
        return RunRequest(**{**settings, **changes})  # type: ignore[arg-type]

    return make
