"""Images for simulated boards: the model file itself behind the vector table and the manifest block."""

from __future__ import annotations

import hashlib
import struct

from benchrunner import __version__, image
from benchrunner.board import Board
from benchrunner.errors import DoesNotFitError, UsageError


def simulated_image(board: Board, model_bytes: bytes, *, model_name: str, engine: str, kernels: str) -> bytes:
    """The bytes to flash to a simulated `board` so that it runs `model_bytes`.

    `kernels` names the runtime's kernel set that computes the outputs (`benchrunner.runtime.KernelSet`).
    Raises `UsageError` for a board that is no microcontroller, `DoesNotFitError` where the image exceeds
    the flash.
    """
    mcu = board.mcu
    if mcu is None:
        raise UsageError(f"board {board.id}: only microcontroller boards have images")
    stack = mcu.memories[0]
    reset = (
        mcu.flash.base + image.HEADER_BYTES
    ) | 1  # thumb; nothing is executed, but a core could start here
    found = image.build(
        vectors=struct.pack("<II", (stack.base + stack.size_bytes) & ~7, reset),
        chip_id=mcu.chip.chip_id,
        model_sha256=hashlib.sha256(model_bytes).digest(),
        text={
            "board": board.id,
            "engine": engine,
            "engine_version": __version__,
            "model": model_name,
            "kernels": kernels,
            "tool_version": __version__,
        },
        payload=model_bytes,
        align_bytes=mcu.flash.write_bytes,
    )
    if len(found) > mcu.flash.size_bytes:
        raise DoesNotFitError(
            f"board {board.id}: image of {len(found)} bytes exceeds {mcu.flash.size_bytes} bytes of flash",
            hint="take a smaller model, or a board with more flash (benchrunner boards)",
        )
    return found
