"""The board `linux`: any Linux machine with SSH and a TFLite runtime, described by what it reports."""

from __future__ import annotations

from typing import Final

from benchrunner.board.description import Board, BoardKind, LinuxSystem

GENERIC_LINUX: Final = Board(
    id="linux",
    name="Linux machine",
    series="Linux",
    kind=BoardKind.LINUX,
    engines=("tflite", "benchmark-model", "onnxruntime"),
    # Nothing is expected, so nothing can differ: zeros and empty texts are "as the board reports".
    linux=LinuxSystem(soc="", device_tree=(), core="", cpus=0, clock_hz=0, ram_bytes=0, accelerators=()),
)
