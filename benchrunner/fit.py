"""Whether a model fits a board: its constants against the flash, its live activations against the RAM."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from benchrunner.board import Board
from benchrunner.model.cost import ModelCost

# Published code of the same class of networks takes 58.2 to 60.2 KiB of flash and 14.3 KiB of RAM beside
# weights and activations (ST model zoo, flowers, X-CUBE-AI 9.1); rounded up.
CODE_ALLOWANCE_BYTES = 64 << 10
RAM_ALLOWANCE_BYTES = 16 << 10
LINUX_ALLOWANCE_BYTES = 128 << 20  # the system, Python and the runtime; a round figure, not a measurement
_TIGHT_FRACTION = 0.9

ASSUMPTION = (
    f"MCU: flash = constants + {CODE_ALLOWANCE_BYTES >> 10} KiB for code; RAM = live peak + "
    f"{RAM_ALLOWANCE_BYTES >> 10} KiB for stack and runtime, in the largest single region. "
    f"Linux: RAM = constants + live peak + {LINUX_ALLOWANCE_BYTES >> 20} MiB. Tight: above "
    f"{_TIGHT_FRACTION:.0%} of a memory, or only if outputs are laid over inputs."
)


class Verdict(StrEnum):
    FITS = "fits"
    TIGHT = "tight"
    DOES_NOT_FIT = "does not fit"
    UNKNOWN = "unknown"  # any Linux machine: how much it has nobody knows before it is reached


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """What one memory must hold. `least_bytes` is what no plan can go below.

    A capacity of 0 is not known.
    """

    memory: str
    need_bytes: int
    least_bytes: int
    capacity_bytes: int

    @property
    def verdict(self) -> Verdict:
        if not self.capacity_bytes:
            return Verdict.UNKNOWN
        if self.least_bytes > self.capacity_bytes:
            return Verdict.DOES_NOT_FIT
        if self.need_bytes > _TIGHT_FRACTION * self.capacity_bytes:
            return Verdict.TIGHT
        return Verdict.FITS

    @property
    def shortfall_bytes(self) -> int:
        """How much is missing at the least; 0 where nothing is."""
        return max(0, self.least_bytes - self.capacity_bytes) if self.capacity_bytes else 0


@dataclass(frozen=True, slots=True)
class Fit:
    """The answer for one board: the worst of its memories."""

    board: str
    memories: tuple[MemoryNeed, ...]

    @property
    def verdict(self) -> Verdict:
        verdicts = {memory.verdict for memory in self.memories}
        for verdict in (Verdict.DOES_NOT_FIT, Verdict.UNKNOWN, Verdict.TIGHT):
            if verdict in verdicts:
                return verdict
        return Verdict.FITS


def fit(cost: ModelCost, board: Board) -> Fit:
    """Compare `cost` with the memories of `board`, under `ASSUMPTION`."""
    peak, least = cost.live.peak_bytes, cost.live.least_bytes
    if board.mcu is not None:
        flash = cost.constant_bytes + CODE_ALLOWANCE_BYTES
        ram = max(board.mcu.memories, key=lambda memory: memory.size_bytes)
        return Fit(
            board.id,
            (
                MemoryNeed("flash", flash, flash, board.mcu.flash.size_bytes),
                MemoryNeed(
                    f"RAM {ram.name}", peak + RAM_ALLOWANCE_BYTES, least + RAM_ALLOWANCE_BYTES, ram.size_bytes
                ),
            ),
        )
    if board.linux is not None:
        beside = cost.constant_bytes + LINUX_ALLOWANCE_BYTES
        return Fit(board.id, (MemoryNeed("RAM", beside + peak, beside + least, board.linux.ram_bytes),))
    raise ValueError(f"board {board.id} has neither a microcontroller nor a Linux system")
