"""The digits on Linux boards: requests, and models whose kernels differ from one set to the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from digits import SCALE, digits_request

from benchrunner.accuracy.measure import AccuracyRequest
from benchrunner.accuracy.preprocessing import Preprocessing
from benchrunner.board import board_file_sha256, load_board
from benchrunner.run import RunRequest
from benchrunner.run.request import Limits, LinuxOptions
from benchrunner.runtime.inputs import natural_image
from benchrunner.simulator.linux import parse_linux
from benchrunner.zoo import resolve_model

BOARDS = ("stm32mp257f-dk", "stm32mp157f-dk2", "stm32mp135f-dk")
PATIENT = Limits(command_s=60, runtime_s=60, first_inference_s=60)
ROUNDED = resolve_model("fdmobilenet_0.25_128_int8")
"""Its kernel sets round differently: up to 22 steps (docs/decisions/output-oracle.md)."""


def linux_request(
    results: Path, *faults: str, board: str = BOARDS[0], limits: Limits = PATIENT, **changes: Any
) -> RunRequest:
    """A simulated board of this process. Keywords that `LinuxOptions` has go there."""
    options = {name: changes.pop(name) for name in list(changes) if name in LinuxOptions.__slots__}
    settings: dict[str, Any] = {
        "board": load_board(board),
        "board_file_sha256": board_file_sha256(board),
        "model": resolve_model("digits_cnn_int8"),
        "engine": "tflite",
        "simulate": True,
        "linux_faults": parse_linux(faults) if faults else None,
        "results": results,
        "limits": limits,
        "linux": LinuxOptions(**options),
    }
    return RunRequest(**{**settings, **changes})


def pictures(folder: Path, count: int) -> Path:
    """A data set for `ROUNDED`: natural images of five classes."""
    path = folder / "pictures.npz"
    np.savez(
        path,
        x=np.stack([natural_image(140, 150, 3, seed) for seed in range(count)]),
        y=np.arange(count) % 5,
    )
    return path


def rounded_request(results: Path, device: RunRequest, *, images: int = 12) -> AccuracyRequest:
    """A measurement whose answers depend on the kernels."""
    results.mkdir(exist_ok=True)
    return digits_request(
        results,
        model=ROUNDED,
        dataset=pictures(results, images),
        preprocessing=Preprocessing(),
        device=device,
    )


__all__ = ["BOARDS", "ROUNDED", "SCALE", "linux_request", "pictures", "rounded_request"]
