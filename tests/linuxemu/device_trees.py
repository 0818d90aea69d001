"""A flattened device tree, made by hand."""

from __future__ import annotations

import struct


def device_tree(*properties: tuple[str, bytes]) -> bytes:
    """A tree whose root has these properties and one child."""
    strings, structs = b"", struct.pack(">II", 1, 0)
    for name, value in properties:
        structs += struct.pack(">III", 3, len(value), len(strings)) + value + b"\0" * (-len(value) % 4)
        strings += name.encode() + b"\0"
    structs += struct.pack(">I", 1) + b"memory\0\0" + struct.pack(">III", 2, 2, 9)
    reserved = struct.pack(">QQQQ", 0x1000, 0x2000, 0, 0)
    at = 40 + len(reserved)
    header = struct.pack(
        ">10I",
        *(0xD00DFEED, at + len(structs) + len(strings), at, at + len(structs), 40, 17, 16, 0),
        *(len(strings), len(structs)),
    )
    return header + reserved + structs + strings
