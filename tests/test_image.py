import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchrunner import image
from benchrunner.errors import WrongImageError

VECTORS = struct.pack("<II", 0x20020000, 0x08000401)


def built(payload: bytes = b"model") -> bytes:
    return image.build(
        vectors=VECTORS,
        chip_id=0x450,
        model_sha256=bytes(range(32)),
        text={"board": "stm32h747i-disco", "engine": "aot"},
        payload=payload,
        align_bytes=32,
    )


def test_what_was_built_is_read_back() -> None:
    data = built()
    info = image.read(data + b"\xff" * 100)
    assert len(data) % 32 == 0
    assert info.image_bytes == len(data)
    assert data[info.payload_offset : info.payload_offset + info.payload_bytes] == b"model"
    assert info.chip_id == 0x450
    assert info.model_sha256 == bytes(range(32))
    assert info.text == {"board": "stm32h747i-disco", "engine": "aot"}
    assert data[:8] == VECTORS


@given(st.integers(0, len(built()) * 8 - 1))
def test_any_flipped_bit_is_noticed(bit: int) -> None:
    data = bytearray(built())
    data[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(WrongImageError):
        image.read(bytes(data))


@given(st.binary(max_size=2048))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(WrongImageError):
        image.read(noise)


def test_an_image_cut_short_is_refused() -> None:
    with pytest.raises(WrongImageError, match="length"):
        image.read(built()[:-1])


def test_erased_flash_holds_no_image() -> None:
    with pytest.raises(WrongImageError, match="no manifest block"):
        image.read(b"\xff" * 65536)
