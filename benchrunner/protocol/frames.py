"""Frames of the device protocol: delimiting, checking, and finding the next one after noise."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import StrEnum

from benchrunner.protocol import cobs
from benchrunner.protocol.messages import PROTOCOL_VERSION

DELIMITER = b"\0"
_HEADER = struct.Struct("<BBHH")  # version, type, sequence, payload length
_CRC = struct.Struct("<I")
OVERHEAD_BYTES = _HEADER.size + _CRC.size  # of a frame before stuffing
SEQUENCE_LIMIT = 1 << 16

# Longest payload that is accepted from a device: a manifest with 2 x 255 tensors and 4 KiB of text fits.
HOST_PAYLOAD_LIMIT_BYTES = 8192


class FrameFault(StrEnum):
    """Why bytes between two delimiters are not a frame."""

    STUFFING = "not a COBS encoding"
    LENGTH = "length differs from the header's"
    CRC = "CRC-32 is wrong"
    TOO_LONG = "longer than the frame limit"


@dataclass(frozen=True, slots=True)
class Frame:
    version: int
    kind: int
    sequence: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class BadFrame:
    """`wire_bytes` bytes between two delimiters that are not a frame."""

    fault: FrameFault
    wire_bytes: int


def wire_bytes(payload_bytes: int) -> int:
    """Bytes on the wire for a payload of that length, delimiter included, at worst."""
    return cobs.longest_encoding_bytes(OVERHEAD_BYTES + payload_bytes) + len(DELIMITER)


def encode_frame(kind: int, sequence: int, payload: bytes, *, version: int = PROTOCOL_VERSION) -> bytes:
    """One frame with its closing delimiter."""
    body = _HEADER.pack(version, kind, sequence, len(payload)) + payload
    return cobs.encode(body + _CRC.pack(zlib.crc32(body))) + DELIMITER


def _parse(encoded: bytes | bytearray) -> Frame | FrameFault:
    body = cobs.decode(encoded)
    if body is None:
        return FrameFault.STUFFING
    if len(body) < OVERHEAD_BYTES:
        return FrameFault.LENGTH
    version, kind, sequence, payload_bytes = _HEADER.unpack_from(body)
    end = len(body) - _CRC.size
    if _HEADER.size + payload_bytes != end:
        return FrameFault.LENGTH
    if (zlib.crc32(memoryview(body)[:end]),) != _CRC.unpack_from(body, end):
        return FrameFault.CRC
    return Frame(version, kind, sequence, body[_HEADER.size : end])


class FrameDecoder:
    """Turns a stream, cut anywhere, into frames. Never raises; holds at most one frame of bytes.

    After anything that is not a frame it goes on behind the next delimiter. Nothing between two delimiters
    is nothing: a sender may start a burst with one to close what noise has begun.
    """

    def __init__(self, max_payload_bytes: int) -> None:
        self._limit_bytes = wire_bytes(max_payload_bytes) - len(DELIMITER)
        self._partial = bytearray()
        self._skipped_bytes = 0  # of a frame that has exceeded the limit and is not kept

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """The frames that `data` completes, in order."""
        first, *others = data.split(DELIMITER)
        self._grow(first)
        found: list[Frame | BadFrame] = []
        for piece in others:
            if self._partial or self._skipped_bytes:
                found.append(self._finish())
            self._grow(piece)
        return found

    def _grow(self, piece: bytes) -> None:
        if self._skipped_bytes or len(self._partial) + len(piece) > self._limit_bytes:
            self._skipped_bytes += len(self._partial) + len(piece)
            self._partial.clear()
        else:
            self._partial += piece

    def _finish(self) -> Frame | BadFrame:
        if self._skipped_bytes:
            bad = BadFrame(FrameFault.TOO_LONG, self._skipped_bytes)
            self._skipped_bytes = 0
            return bad
        parsed, length = _parse(self._partial), len(self._partial)
        self._partial.clear()
        return parsed if isinstance(parsed, Frame) else BadFrame(parsed, length)
