"""What the linker's map says: every byte on the target once, and nothing of what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from tflite_builder import small_cnn

from benchrunner.emulator.machines import machine
from benchrunner.firmware.aot import BuiltImage, build_image
from benchrunner.firmware.linkmap import Piece, pieces
from benchrunner.firmware.toolchain import ToolchainKind, find_toolchain
from benchrunner.model import parse_model

GNU = """
Discarded input sections

 .text          0x00000000        0x8 objects/core.c.o

Linker script and memory map

.text           0x00000400      0x100
 .text.main     0x00000400       0x20 objects/core.c.o
 *fill*         0x00000420        0x4
 .text.a_function_of_a_long_name
                0x00000424       0x40 objects/model.c.o

/DISCARD/
 .ARM.exidx     0x00000000        0x8 objects/core.c.o

.comment        0x00000000       0x26
 .comment       0x00000000       0x26 objects/core.c.o

.debug_info     0x00000000      0xd46
 .debug_info    0x00000000      0x526 objects/core.c.o
 .debug_info    0x00000526      0x820 objects/model.c.o
"""
LLD = """
     VMA      LMA     Size Align Out     In      Symbol
     400      400      100     4 .text
     400      400       20     4         objects/core.c.o:(.text.main)
     420      420        4     1         <internal>:()
       0        0      d46     1 .debug_info
       0        0      526     1         objects/core.c.o:(.debug_info)
"""


def test_what_is_not_on_the_target_is_no_piece_of_a_gnu_map() -> None:
    assert list(pieces(GNU)) == [
        Piece(0x400, 0x20, "objects/core.c.o", ".text.main"),
        Piece(0x420, 4, "", ""),
        Piece(0x424, 0x40, "objects/model.c.o", ".text.a_function_of_a_long_name"),
    ]


def test_what_is_not_on_the_target_is_no_piece_of_zigs_map() -> None:
    assert list(pieces(LLD)) == [
        Piece(0x400, 0x20, "objects/core.c.o", ".text.main"),
        Piece(0x420, 4, "", ""),
    ]


@pytest.mark.parametrize("kind", ToolchainKind)
def test_a_part_takes_the_same_wherever_the_code_lies(
    kind: ToolchainKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHRUNNER_CACHE", str(tmp_path / "objects"))
    model = parse_model(small_cnn(), "small")

    def built(machine_id: str) -> BuiltImage:
        folder = tmp_path / machine_id
        return build_image(machine(machine_id).board(), model, folder, find_toolchain(kind))

    at_zero, above = built("mps2-an386"), built("netduinoplus2")
    for part in ("weights", "kernels"):
        assert at_zero.footprint.flash_bytes[part] == above.footprint.flash_bytes[part] > 0
    assert at_zero.footprint.unattributed_bytes == above.footprint.unattributed_bytes == 0
