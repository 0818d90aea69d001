"""Gives a flattened device tree the identity of a board: the root node's `model` and `compatible`.

The format is that of the Devicetree Specification, chapter 5.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

from benchrunner.board import Board
from benchrunner.linuxemu.target import linux_of

_MAGIC = 0xD00DFEED
_BEGIN_NODE, _PROP, _NOP = 1, 3, 4
_HEADER = struct.Struct(">10I")
_VIRT = "linux,dummy-virt"  # the kernel finds the machine by it
_FAMILY = re.compile(r"st,stm32mp\d{3}")


def identity(board: Board) -> dict[str, tuple[str, ...]]:
    """`model` and `compatible` as the board's own device tree has them, and the emulated machine's name."""
    found: dict[str, tuple[str, ...]] = {}
    for text in linux_of(board).device_tree:
        if re.fullmatch(r"[\w.-]+,[\w.-]+", text):
            family = _FAMILY.match(text)
            further = (family[0],) if family and family[0] != text else ()
            found["compatible"] = (text, *further, _VIRT)
        else:
            found["model"] = (text,)
    return found


def with_root_properties(tree: bytes, properties: Mapping[str, tuple[str, ...]]) -> bytes:
    """The tree with these properties of its root node set, all others as they were.

    Raises `ValueError` where `tree` is no device tree.
    """
    if len(tree) < _HEADER.size or _HEADER.unpack_from(tree)[0] != _MAGIC:
        raise ValueError("not a flattened device tree")
    header = _HEADER.unpack_from(tree)
    _, _, structs_at, strings_at, reserved_at, version, compatible, cpu, strings_size, structs_size = header
    structs = tree[structs_at : structs_at + structs_size]
    strings = tree[strings_at : strings_at + strings_size]
    # The list of reserved memory ends with a pair of zeros.
    end = reserved_at
    while tree[end : end + 16] != bytes(16):
        end += 16
        if end >= len(tree):
            raise ValueError("the list of reserved memory has no end")
    reserved = tree[reserved_at : end + 16]

    start, kept, rest = _root_properties(structs, strings)
    made = []
    for name, values in properties.items():
        offset = strings.find(b"\0" + name.encode() + b"\0") + 1
        if offset == 0:
            offset, strings = len(strings), strings + name.encode() + b"\0"
        content = b"".join(value.encode() + b"\0" for value in values)
        made.append(_padded(struct.pack(">3I", _PROP, len(content), offset) + content))
    others = [data for name, data in kept if name not in properties]
    structs = structs[:start] + b"".join((*made, *others)) + structs[rest:]

    structs_at = _HEADER.size + len(reserved)
    strings_at = structs_at + len(structs)
    total = strings_at + len(strings)
    new = (_MAGIC, total, structs_at, strings_at, _HEADER.size, version, compatible, cpu)
    return _HEADER.pack(*new, len(strings), len(structs)) + reserved + structs + strings


def _root_properties(structs: bytes, strings: bytes) -> tuple[int, list[tuple[str, bytes]], int]:
    """Where the root node's properties start, each with its bytes, and where what follows them starts."""
    position = 0
    while _word(structs, position) == _NOP:
        position += 4
    if _word(structs, position) != _BEGIN_NODE:
        raise ValueError("the tree does not begin with a node")
    position += 8  # with the root's empty name
    start = position
    found = []
    while (token := _word(structs, position)) in (_PROP, _NOP):
        end = position + 4
        if token == _PROP:
            length, offset = _word(structs, position + 4), _word(structs, position + 8)
            end = position + 12 + length + (-length % 4)
            name = strings[offset : strings.index(b"\0", offset)].decode()
            found.append((name, structs[position:end]))
        position = end
    return start, found, position


def _word(data: bytes, position: int) -> int:
    if position + 4 > len(data):
        raise ValueError("the tree ends in the middle")
    (value,) = struct.unpack_from(">I", data, position)
    return int(value)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
