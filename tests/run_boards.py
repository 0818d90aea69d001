"""Boards that are simulated in this process, and an observer that acts at a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchrunner.board import load_board
from benchrunner.image import SIMULATED_UID
from benchrunner.run.request import Limits, Step
from benchrunner.simulator.board import SimulatedBoard
from benchrunner.simulator.clock import BoardClock
from benchrunner.simulator.faults import parse
from benchrunner.simulator.rfc2217 import serve_rfc2217

BOARD = "stm32h747i-disco"
# Long enough for a busy machine to answer, short enough to wait for when a board hangs on purpose.
SHORT = Limits(connect_s=20, flash_s=30, boot_s=5, request_s=1.5, first_inference_s=1.5)


class Watching:
    """An observer that keeps what it was told and may act when a step begins."""

    def __init__(self, act: Callable[[Step], None] = lambda _: None) -> None:
        self.steps: list[Step] = []
        self.act = act

    def step(self, step: Step, detail: str) -> None:
        self.steps.append(step)
        self.act(step)

    def progress(self, done: int, total: int, unit: str) -> None:
        assert 0 <= done <= total

    def note(self, text: str) -> None:
        assert text


@contextmanager
def served_board(
    *faults: str, factor: float = 0.0, uid: bytes = SIMULATED_UID
) -> Iterator[tuple[SimulatedBoard, str]]:
    """A simulated board behind an RFC 2217 port, as `benchrunner sim` serves it."""
    board = SimulatedBoard(load_board(BOARD), faults=parse(faults), clock=BoardClock(factor), uid=uid)
    with serve_rfc2217(board) as url:
        yield board, url
