"""The digits networks and their held-out images, and requests to measure them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from run_boards import BOARD

from benchrunner.accuracy.measure import AccuracyRequest
from benchrunner.accuracy.preprocessing import Preprocessing
from benchrunner.board import board_file_sha256, load_board
from benchrunner.run import RunRequest, Step
from benchrunner.simulator.faults import parse
from benchrunner.zoo import resolve_model

DATA = Path(__file__).parents[1] / "data" / "digits" / "test.npz"
SCALE = 1 / 16


class Told:
    """An observer that keeps what it was told, and may act when images have their answers."""

    def __init__(self, act: Callable[[int], None] = lambda _: None) -> None:
        self.notes: list[str] = []
        self.counts: list[tuple[int, int, int]] = []
        self.steps: list[Step] = []
        self._act = act

    def step(self, step: Step, detail: str) -> None:
        self.steps.append(step)

    def progress(self, done: int, total: int, unit: str) -> None:
        assert 0 <= done <= total

    def note(self, text: str) -> None:
        self.notes.append(text)

    def images(self, done: int, total: int, resumed: int) -> None:
        self.counts.append((done, total, resumed))
        self._act(done)


def board_request(*faults: str, results: Path, **changes: Any) -> RunRequest:
    settings: dict[str, Any] = {
        "board": load_board(BOARD),
        "board_file_sha256": board_file_sha256(BOARD),
        "model": resolve_model("digits_cnn_int8"),
        "simulate": not changes.get("emulate", False),
        "faults": parse(faults) if faults else None,
        "results": results,
    }
    return RunRequest(**{**settings, **changes})


def digits_request(results: Path, **changes: Any) -> AccuracyRequest:
    settings: dict[str, Any] = {
        "model": resolve_model("digits_cnn_int8"),
        "dataset": DATA,
        "preprocessing": Preprocessing(scale=SCALE),
        "results": results,
    }
    return AccuracyRequest(**{**settings, **changes})
