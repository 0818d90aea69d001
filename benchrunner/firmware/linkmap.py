"""Which object each byte of an ELF section came from: the maps of GNU ld and of zig's linker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# GNU ld: " .text.main  0x08000720  0xbc objects/core_bench.c.o"; a long name stands on a line of its own.
_GNU_PIECE = re.compile(r"^ (\S+)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)$")
_GNU_FILL = re.compile(r"^ \*fill\*\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)")
_GNU_NAME = re.compile(r"^ (\S+)$")
# lld: "VMA LMA size align         object:(section)", indented by one level less than symbols.
_LLD_PIECE = re.compile(r"^ *([0-9a-f]+) +[0-9a-f]+ +([0-9a-f]+) +\d+ {9}(\S.*):\(([^()]*)\)$")
_GNU_OUTPUT = re.compile(r"^(/DISCARD/|\.\S+)")
# Sections without a place on the target: their addresses count from 0, where some machines have their code.
_NOT_PLACED = ("/DISCARD/", ".debug", ".comment", ".ARM.attributes", ".symtab", ".strtab", ".shstrtab")


@dataclass(frozen=True, slots=True)
class Piece:
    address: int
    size_bytes: int
    origin: str  # the object, or "" for padding
    section: str  # of the object


def pieces(text: str) -> Iterator[Piece]:
    """Everything that the map places on the target, in its order; parts of size 0 are left out."""
    if "Linker script and memory map" in text:
        found = _gnu(text[text.index("Linker script and memory map") :])
    else:
        found = _lld(text)
    return (piece for piece in found if not piece.section.startswith(_NOT_PLACED))


def _gnu(text: str) -> Iterator[Piece]:
    name, placed = "", True
    for line in text.splitlines():
        output = _GNU_OUTPUT.match(line)
        if output:
            placed = not output[1].startswith(_NOT_PLACED)
        if not placed:
            continue
        alone, piece, fill = _GNU_NAME.match(line), _GNU_PIECE.match(line), _GNU_FILL.match(line)
        if fill:
            yield Piece(int(fill[1], 16), int(fill[2], 16), "", "")
        elif alone:
            name = alone[1]
        elif piece and (piece[1] or name) and not piece[4].startswith(("(", "__", ".")) and int(piece[3], 16):
            yield Piece(int(piece[2], 16), int(piece[3], 16), piece[4], piece[1] or name)
            name = ""


def _lld(text: str) -> Iterator[Piece]:
    for line in text.splitlines():
        piece = _LLD_PIECE.match(line)
        if piece and int(piece[2], 16):
            origin = "" if piece[3].startswith("<internal>") and not piece[4] else piece[3]
            yield Piece(int(piece[1], 16), int(piece[2], 16), origin, piece[4])
