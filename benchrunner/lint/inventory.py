"""What a published cell is held against: the boards and networks that are known."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from decimal import Decimal

from benchrunner.board import list_boards
from benchrunner.zoo import list_models


@dataclass(frozen=True, slots=True)
class KnownBoard:
    name: str
    core: str
    cpus: int
    highest_hz: int


@dataclass(frozen=True, slots=True)
class Inventory:
    boards: dict[str, KnownBoard]  # by name, upper case
    macs: dict[tuple[str, str], int]  # by plain model name and resolution

    def meant_board(self, name: str) -> KnownBoard | None:
        """The board of that name, else the one whose name comes close enough to be meant."""
        near = difflib.get_close_matches(name.upper(), self.boards, n=1, cutoff=0.8)
        return self.boards[near[0]] if near else None


def inventory() -> Inventory:
    """The boards of the board files, and the networks of the zoo."""
    boards = {}
    for board in list_boards():
        core, cpus, clock_hz = "", 1, 0
        if board.mcu is not None:
            core, clock_hz = board.mcu.chip.core, board.mcu.chip.clock_hz
        elif board.linux is not None:
            core, cpus, clock_hz = board.linux.core, board.linux.cpus, board.linux.clock_hz
        boards[board.name.upper()] = KnownBoard(board.name, core, cpus, clock_hz)
    return Inventory(
        boards, {(plain_name(model.name), model.resolution): model.macs for model in list_models()}
    )


# How the network was trained or what type its input has is no part of which network it is.
_TRAINING = re.compile(r"(?:^|[ _])(?:tfs|tl|fft|ft|int8|uint8|float)(?=$|[ _])", re.IGNORECASE)


def plain_name(model: str) -> str:
    """`FdMobileNet 0.25 tfs` and `fdmobilenet_0.25_224_int8` are the same network up to its resolution."""
    name = _TRAINING.sub(" ", re.sub(r"\[(.*?)\]\(.*?\)", r"\1", model))
    name = re.sub(r"(?<![\d.])\d{2,3}(?![\d.])", " ", name.replace("_", " "))
    return re.sub(r"[^a-z0-9.]+", "", name.casefold())


def sides_in_name(model: str) -> tuple[int, ...]:
    """Image sides that a model's name states: 224 in `mobilenet_v2_0.35_224_fft`."""
    return tuple(int(side) for side in re.findall(r"(?<![\d.x])(\d{2,3})(?![\d.x])", model.replace("_", " ")))


def cycles_per_mac(time_ms: Decimal, frequency_mhz: Decimal, macs: int) -> Decimal:
    return time_ms * frequency_mhz * 1000 / macs
