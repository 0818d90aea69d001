"""Which RAM of a board holds what, and what is said when a model is too large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchrunner.board import Board, Memory, list_boards
from benchrunner.board.description import Mcu
from benchrunner.errors import DoesNotFitError

# What stack (4 KiB), start-up data, protocol buffers and samples take at most beside the arena.
RUNTIME_RAM_BYTES = 24 << 10
CODE_BYTES = 48 << 10  # kernels, graph and runtime at most; only to say beforehand that it cannot fit


@dataclass(frozen=True, slots=True)
class Placement:
    """`ram` has start-up data and stack. `kept` is None where there is no room to keep the inputs."""

    ram: Memory
    arena: Memory
    kept: Memory | None


def place(board: Board, mcu: Mcu, *, constants: int, arena: int, kept: int, model: str) -> Placement:
    """Where `arena` bytes and, if there is room, `kept` bytes of inputs lie.

    Raises `DoesNotFitError` that names the memory, what is missing, and the boards that would fit.
    """
    problem = _problem(mcu, constants, arena)
    if problem:
        fitting = [
            other.id
            for other in list_boards()
            if other.mcu is not None and "aot" in other.engines and not _problem(other.mcu, constants, arena)
        ]
        raise DoesNotFitError(
            f"{model} does not fit board {board.id}: {problem}",
            hint=f"boards that it fits: {', '.join(fitting) or 'none of those known'}",
        )
    ram, largest = mcu.memories[0], _largest(mcu.memories)
    room = {memory.name: memory.size_bytes for memory in mcu.memories}
    room[ram.name] -= RUNTIME_RAM_BYTES
    room[largest.name] -= -(-arena // 32) * 32
    choices = (largest, *(memory for memory in mcu.memories if memory is not largest))
    return Placement(ram, largest, next((m for m in choices if 0 < kept <= room[m.name] - 32), None))


def _problem(mcu: Mcu, constants: int, arena: int) -> str:
    if constants + CODE_BYTES > mcu.flash.size_bytes:
        return _missing(
            "flash", constants + CODE_BYTES, mcu.flash.size_bytes, f"{constants:,} bytes of weights"
        )
    largest = _largest(mcu.memories)
    need = arena + (RUNTIME_RAM_BYTES if largest is mcu.memories[0] else 0)
    if need > largest.size_bytes:
        return _missing(f"RAM {largest.name}", need, largest.size_bytes, f"{arena:,} bytes of activations")
    return ""


def _missing(memory: str, need: int, there: int, mostly: str) -> str:
    return f"{memory} has {there:,} bytes, {need:,} are needed, {need - there:,} too few ({mostly})"


def _largest(memories: Sequence[Memory]) -> Memory:
    return max(memories, key=lambda memory: memory.size_bytes)
