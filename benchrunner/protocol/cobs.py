"""Consistent overhead byte stuffing (Cheshire and Baker, IEEE/ACM ToN 7(2), 1999): no zero byte on the wire.

Pure Python on purpose, see docs/decisions/own-cobs.md. The loops below go once per block, not once per
byte, and take a run of zeros in one step, so that the usual tensors cost little.
"""

from __future__ import annotations

import re
from itertools import pairwise

_BLOCK_BYTES = 254  # longest run of data behind one code byte
_CODES = [bytes((length + 1,)) for length in range(_BLOCK_BYTES)]
_MANY_ZEROS = bytes(8)  # from here on a run is cheaper than its single zeros
_LONG_ZEROS = re.compile(rb"\0{8,}")
_EMPTY_BLOCKS = re.compile(rb"\x01+")


def longest_encoding_bytes(data_bytes: int) -> int:
    """Length of the longest encoding of `data_bytes` bytes, without a delimiter."""
    return data_bytes + max(1, -(-data_bytes // _BLOCK_BYTES))


def encode(data: bytes) -> bytes:
    """`data` without zero bytes. The delimiter is not part of it."""
    blocks: list[bytes] = []
    start = 0
    for run in _LONG_ZEROS.finditer(data) if _MANY_ZEROS in data else ():
        blocks += _blocks(data[start : run.start()])  # the run's first zero closes the last of them
        blocks.append(b"\x01" * (run.end() - run.start() - 1))
        start = run.end()
    blocks += _blocks(data[start:])
    if len(blocks[-1]) > 1 and len(blocks[-1]) % (_BLOCK_BYTES + 1) == 1:
        blocks[-1] = blocks[-1][:-1]  # a full block ends the data without a zero: nothing is owed behind it
    return b"".join(blocks)


def _blocks(data: bytes) -> list[bytes]:
    """The encoding of `data` with a zero behind it, cut at its zeros."""
    return [
        _CODES[len(piece)] + piece if len(piece) < _BLOCK_BYTES else _long_piece(piece)
        for piece in data.split(b"\0")
    ]


def _long_piece(piece: bytes) -> bytes:
    full = [
        b"\xff" + piece[at : at + _BLOCK_BYTES]
        for at in range(0, len(piece) + 1 - _BLOCK_BYTES, _BLOCK_BYTES)
    ]
    rest = piece[len(full) * _BLOCK_BYTES :]
    return b"".join(full) + _CODES[len(rest)] + rest


def decode(encoded: bytes | bytearray) -> bytes | None:
    """The inverse of `encode`; None where `encoded` is not an encoding."""
    size = len(encoded)
    if not size or 0 in encoded:
        return None
    # Every code byte stands where a zero was, but for the first one and those behind a full block.
    data = bytearray(encoded)
    dropped = [0]
    position = 0
    while position < size:
        code = encoded[position]
        data[position] = 0
        position += code
        if code == 0xFF:
            if position < size:
                dropped.append(position)
        elif code == 1 and position < size and encoded[position] == 1:
            run = _EMPTY_BLOCKS.match(encoded, position)
            assert run is not None
            data[position : run.end()] = bytes(run.end() - position)
            position = run.end()
    if position != size:
        return None
    dropped.append(size)
    return b"".join([data[start + 1 : end] for start, end in pairwise(dropped)])
