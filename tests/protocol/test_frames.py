import random
import tracemalloc
from itertools import pairwise

import pytest

from benchrunner.protocol.frames import (
    BadFrame,
    Frame,
    FrameDecoder,
    FrameFault,
    encode_frame,
    wire_bytes,
)

PAYLOADS = [b"", b"\0", b"\0" * 40, bytes(range(256)), b"\x01" * 254, b"\xff" * 300, b"\0\x01" * 20]
FRAMES = [Frame(1, index, 0x100 * index, payload) for index, payload in enumerate(PAYLOADS)]
STREAM = b"\0" + b"".join(encode_frame(frame.kind, frame.sequence, frame.payload) for frame in FRAMES)


def decoder() -> FrameDecoder:
    return FrameDecoder(1024)


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 5, 7, 11, 64, 255, 256, 257, 1000, len(STREAM)])
def test_a_stream_cut_into_equal_chunks_gives_the_same_frames(chunk_bytes: int) -> None:
    receiver = decoder()
    found = []
    for start in range(0, len(STREAM), chunk_bytes):
        found += receiver.feed(STREAM[start : start + chunk_bytes])
    assert found == FRAMES


def test_a_stream_cut_in_two_anywhere_gives_the_same_frames() -> None:
    for cut in range(len(STREAM) + 1):
        receiver = decoder()
        assert receiver.feed(STREAM[:cut]) + receiver.feed(STREAM[cut:]) == FRAMES


def test_every_cut_of_a_short_stream_into_any_chunks_gives_the_same_frames() -> None:
    stream = encode_frame(3, 7, b"\0") + encode_frame(4, 8, b"")
    expected = [Frame(1, 3, 7, b"\0"), Frame(1, 4, 8, b"")]
    bits = 14  # of the places where the middle of the stream can be cut
    start = (len(stream) - bits) // 2
    for mask in range(1 << bits):
        cuts = [0, *(start + bit for bit in range(bits) if mask >> bit & 1), len(stream)]
        receiver = decoder()
        found = [frame for a, b in pairwise(cuts) for frame in receiver.feed(stream[a:b])]
        assert found == expected


@pytest.mark.parametrize("payload", PAYLOADS, ids=len)
def test_every_flipped_bit_is_detected(payload: bytes) -> None:
    wire = encode_frame(0x85, 0x1234, payload)
    following = encode_frame(0x83, 0x1235, b"next")
    for bit in range(len(wire) * 8):
        damaged = bytearray(wire)
        damaged[bit // 8] ^= 1 << bit % 8
        good = [f for f in decoder().feed(b"\0" + bytes(damaged) + following) if isinstance(f, Frame)]
        if bit // 8 == len(wire) - 1:
            assert good == []  # the delimiter is gone: both frames are one, and that one is bad
        else:
            assert good == [Frame(1, 0x83, 0x1235, b"next")]


def test_every_pair_of_flipped_bits_in_a_short_frame_is_detected() -> None:
    wire = encode_frame(0x01, 0x1234, b"")[:-1]
    for first in range(len(wire) * 8):
        for second in range(first):
            damaged = bytearray(wire)
            damaged[first // 8] ^= 1 << first % 8
            damaged[second // 8] ^= 1 << second % 8
            assert not any(isinstance(found, Frame) for found in decoder().feed(bytes(damaged) + b"\0"))


def test_a_missing_or_doubled_byte_is_detected() -> None:
    wire = encode_frame(0x8A, 9, bytes(range(60)))
    for index in range(len(wire) - 1):
        for damaged in (wire[:index] + wire[index + 1 :], wire[: index + 1] + wire[index:]):
            assert not any(isinstance(found, Frame) for found in decoder().feed(damaged))


def test_a_million_random_bytes_neither_stop_the_decoder_nor_fill_memory() -> None:
    noise = random.Random(6).randbytes(1_000_000)
    receiver = decoder()
    tracemalloc.start()
    bad = good = 0
    for start in range(0, len(noise), 4096):
        for found in receiver.feed(noise[start : start + 4096]):
            bad += isinstance(found, BadFrame)
            good += isinstance(found, Frame)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert good == 0
    assert bad > 3000  # one delimiter in 256 bytes
    assert peak_bytes < 64 * 1024
    assert receiver.feed(b"\0" + encode_frame(3, 7, b"still here"))[-1] == Frame(1, 3, 7, b"still here")


def test_a_million_bytes_without_a_delimiter_are_not_kept() -> None:
    receiver = decoder()
    noise = b"\xa5" * 1000
    tracemalloc.start()
    assert all(receiver.feed(noise) == [] for _ in range(1000))
    kept_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept_bytes < 8 * 1024
    assert receiver.feed(b"\0" + encode_frame(3, 7, b"")) == [
        BadFrame(FrameFault.TOO_LONG, 1_000_000),
        Frame(1, 3, 7, b""),
    ]


def test_the_longest_payload_passes_and_one_byte_more_does_not() -> None:
    receiver = FrameDecoder(100)
    longest = encode_frame(3, 7, b"\xff" * 100)
    assert len(longest) == wire_bytes(100)
    assert receiver.feed(longest) == [Frame(1, 3, 7, b"\xff" * 100)]
    assert receiver.feed(encode_frame(3, 7, b"\xff" * 101)) == [
        BadFrame(FrameFault.TOO_LONG, wire_bytes(101) - 1)
    ]


def test_a_bad_frame_says_why() -> None:
    wire = encode_frame(3, 7, b"abc")
    assert decoder().feed(b"\x05\x01\0") == [BadFrame(FrameFault.STUFFING, 2)]
    assert decoder().feed(b"\x02\x01\0") == [BadFrame(FrameFault.LENGTH, 2)]
    assert decoder().feed(wire.replace(b"abc", b"abd")) == [BadFrame(FrameFault.CRC, len(wire) - 1)]


def test_delimiters_alone_are_nothing() -> None:
    assert decoder().feed(bytes(1000)) == []
