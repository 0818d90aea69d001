import random

import pytest

from benchrunner.protocol import cobs

NONZERO = bytes(range(1, 255))  # 254 bytes: one full block

# The examples of the paper and of its usual descriptions, and the edges of a full block.
GOLDEN = [
    (b"", "01"),
    (b"\0", "0101"),
    (b"\0\0", "010101"),
    (b"\0\x11\0", "01021101"),
    (b"\x11\x22\0\x33", "031122 0233"),
    (b"\x11\x22\x33\x44", "0511223344"),
    (b"\x11\0\0\0", "0211010101"),
    (NONZERO, "ff" + NONZERO.hex()),
    (b"\0" + NONZERO, "01ff" + NONZERO.hex()),
    (NONZERO + b"\xff", "ff" + NONZERO.hex() + "02ff"),
    (NONZERO + b"\0", "ff" + NONZERO.hex() + "0101"),
    (NONZERO[1:] + b"\0", "fe" + NONZERO[1:].hex() + "01"),
    (NONZERO * 2, ("ff" + NONZERO.hex()) * 2),
]


def textbook_encode(data: bytes) -> bytes:
    """Byte by byte, as the paper gives it."""
    out, block = bytearray(), bytearray()
    open_block = True
    for byte in data:
        if byte:
            block.append(byte)
            open_block = True
        if byte == 0 or len(block) == 254:
            out += bytes([len(block) + 1]) + block
            block.clear()
            open_block = byte == 0
    if open_block:
        out += bytes([len(block) + 1]) + block
    return bytes(out)


@pytest.mark.parametrize(("data", "encoded"), GOLDEN)
def test_the_published_examples_come_out(data: bytes, encoded: str) -> None:
    assert cobs.encode(data) == bytes.fromhex(encoded)
    assert cobs.decode(bytes.fromhex(encoded)) == data


def test_every_kind_of_data_agrees_with_the_textbook_and_comes_back() -> None:
    source = random.Random(20)
    for _ in range(3000):
        size = source.choice([source.randrange(12), source.randrange(250, 260), source.randrange(1200)])
        zeros = source.choice([0, 0.002, 0.02, 0.5, 0.95, 1])
        data = bytes(0 if source.random() < zeros else source.randrange(1, 256) for _ in range(size))
        encoded = cobs.encode(data)
        assert encoded == textbook_encode(data)
        assert 0 not in encoded
        assert len(encoded) <= cobs.longest_encoding_bytes(size)
        assert cobs.decode(encoded) == data


def test_the_longest_encoding_is_reached() -> None:
    for size in (1, 253, 254, 255, 508, 509, 1034):
        assert len(cobs.encode(b"x" * size)) == cobs.longest_encoding_bytes(size)


@pytest.mark.parametrize(
    "encoded", ["", "00", "02", "0311", "021100", "0500112233", "ff" + "11" * 253, "010103"]
)
def test_what_is_no_encoding_decodes_to_nothing(encoded: str) -> None:
    assert cobs.decode(bytes.fromhex(encoded)) is None
