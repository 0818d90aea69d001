"""Consistent overhead byte stuffing (Cheshire and Baker, IEEE/ACM ToN 7(2), 1999): no zero byte on the wire.

Pure Python on purpose, see docs/decisions/own-cobs.md. The loops below go once per block, not once per
byte, and take a run of zeros in one step, so that the usual tensors cost little.
"""

from __future__ import annotations

import re
from itertools import pairwise

_BLOCK_BYTES = 254  # longest run of data behind one code byte
_CODES = [bytes((length + 1,)) for length in range(_BLOCK_BYTES)]
_ZEROS = re.compile(rb"\0+")
_EMPTY_BLOCKS = re.compile(rb"\x01+")


def longest_encoding_bytes(data_bytes: int) -> int:
    """Length of the longest encoding of `data_bytes` bytes, without a delimiter."""
    return data_bytes + max(1, -(-data_bytes // _BLOCK_BYTES))


def encode(data: bytes) -> bytes:
    """`data` without zero bytes. The delimiter is not part of it."""
    blocks: list[bytes] = []
    start, size = 0, len(data)
    while True:
        zero = data.find(b"\0", start)
        end = size if zero < 0 else zero
        while end - start >= _BLOCK_BYTES:
            blocks.append(b"\xff" + data[start : start + _BLOCK_BYTES])
            start += _BLOCK_BYTES
        if zero < 0:
            # A full block ends the data without a zero: nothing is owed behind it.
            if start < size or not blocks or blocks[-1][0] != 0xFF:
                blocks.append(_CODES[size - start] + data[start:])
            return b"".join(blocks)
        blocks.append(_CODES[end - start] + data[start:end])
        start = zero + 1
        if start < size and data[start] == 0 and (run := _ZEROS.match(data, start)):
            blocks.append(b"\x01" * (run.end() - start))
            start = run.end()


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
