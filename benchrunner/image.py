"""The image as it lies in flash: vector table, a manifest block at a fixed place, and the rest.

The block lets the host know what it is about to flash and lets the board refuse what is not for it.
docs/protocol.md, section "Image", specifies the bytes.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass

from benchrunner.errors import WrongImageError

# Unique id of every simulated chip: 96 bits that no factory writes. An image that carries a model file
# instead of code is flashed to a chip of this id and to no other.
SIMULATED_UID = b"BENCHRUN-SIM"
# Unique id of every emulated chip. The firmware reads the register at boot: it is the one thing by which an
# unmodified image knows that its counter counts instructions, and says so in its manifest.
EMULATED_UID = b"BENCHRUN-EMU"

BLOCK_OFFSET = 0x400  # behind the longest vector table of the supported parts (STM32H7: 166 words)
_BLOCK = struct.Struct("<8sHHIIII32s32sII")  # magic .. text length; the text follows
_MAGIC = b"BRIMAGE\x00"
_VERSION = 1
_TEXT_LIMIT_BYTES = 4096
_SHA_OFFSET = BLOCK_OFFSET + struct.calcsize("<8sHHIIII32s")
_LENGTH_OFFSET = BLOCK_OFFSET + struct.calcsize("<8sHH")
_CRC_OFFSET = BLOCK_OFFSET + struct.calcsize("<8sHHIII")
HEADER_BYTES = BLOCK_OFFSET + _BLOCK.size


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """The manifest block of an image.

    `text` holds what has no fixed place: board id, engine, model name, kernel set, compiler, flags.
    """

    chip_id: int
    image_bytes: int
    payload_offset: int  # of the model file, in images for simulated boards; 0 where there is none
    payload_bytes: int
    model_sha256: bytes
    image_sha256: bytes
    text: dict[str, str]


def build(
    *,
    vectors: bytes,
    chip_id: int,
    model_sha256: bytes,
    text: dict[str, str],
    payload: bytes,
    align_bytes: int,
) -> bytes:
    """Lay out an image that carries `payload` behind its manifest block.

    `vectors` starts with the initial stack pointer and the reset vector. The result is padded with 0xFF to
    a multiple of `align_bytes`, the flash word of the chip. CRC-32 and SHA-256 are taken over the whole
    image with the two fields zero.
    """
    if len(vectors) > BLOCK_OFFSET:
        raise ValueError(f"vector table of {len(vectors)} bytes exceeds {BLOCK_OFFSET}")
    encoded = "".join(f"{key}={value}\n" for key, value in sorted(text.items())).encode()
    if len(encoded) > _TEXT_LIMIT_BYTES:
        raise ValueError(f"manifest text of {len(encoded)} bytes exceeds {_TEXT_LIMIT_BYTES}")
    payload_offset = -(-(HEADER_BYTES + len(encoded)) // 16) * 16  # flatbuffers want 16-byte alignment
    length = -(-(payload_offset + len(payload)) // align_bytes) * align_bytes
    block = _BLOCK.pack(
        _MAGIC,
        _VERSION,
        chip_id,
        length,
        payload_offset,
        len(payload),
        0,
        model_sha256,
        bytes(32),
        len(encoded),
        0,
    )
    image = bytearray(b"\xff" * length)
    image[: len(vectors)] = vectors
    image[BLOCK_OFFSET : BLOCK_OFFSET + len(block)] = block
    image[HEADER_BYTES : HEADER_BYTES + len(encoded)] = encoded
    image[payload_offset : payload_offset + len(payload)] = payload
    digest, crc32 = hashlib.sha256(image).digest(), zlib.crc32(image)
    image[_SHA_OFFSET : _SHA_OFFSET + 32] = digest
    struct.pack_into("<I", image, _CRC_OFFSET, crc32)
    return bytes(image)


def seal(image: bytes, align_bytes: int) -> bytes:
    """An image that a compiler made, with everything that is known only then: padding, length, checksums.

    Raises `WrongImageError` when it has no manifest block.
    """
    if len(image) < HEADER_BYTES or image[BLOCK_OFFSET : BLOCK_OFFSET + len(_MAGIC)] != _MAGIC:
        raise WrongImageError(f"no manifest block at offset {BLOCK_OFFSET:#x} of the linked image")
    sealed = bytearray(image) + b"\xff" * (-len(image) % align_bytes)
    struct.pack_into("<I", sealed, _LENGTH_OFFSET, len(sealed))
    sealed[_SHA_OFFSET : _SHA_OFFSET + 32] = bytes(32)
    sealed[_CRC_OFFSET : _CRC_OFFSET + 4] = bytes(4)
    digest, crc32 = hashlib.sha256(sealed).digest(), zlib.crc32(sealed)
    sealed[_SHA_OFFSET : _SHA_OFFSET + 32] = digest
    struct.pack_into("<I", sealed, _CRC_OFFSET, crc32)
    return bytes(sealed)


def read(flash: bytes) -> ImageInfo:
    """Find and check the image at the start of `flash`.

    Raises `WrongImageError` when there is no manifest block, when a field points outside `flash`, or when
    the checksums do not hold.
    """
    if len(flash) < HEADER_BYTES:
        raise WrongImageError(f"image of {len(flash)} bytes is shorter than its {HEADER_BYTES}-byte header")
    (magic, version, chip_id, length, offset, size, crc32, model_sha, sha, text_bytes, _) = (
        _BLOCK.unpack_from(flash, BLOCK_OFFSET)
    )
    if magic != _MAGIC:
        raise WrongImageError(f"no manifest block at offset {BLOCK_OFFSET:#x}: found {magic.hex()}")
    if version != _VERSION:
        raise WrongImageError(f"manifest block of version {version}, this program reads {_VERSION}")
    if not HEADER_BYTES <= length <= len(flash):
        raise WrongImageError(f"image length {length} does not lie in {HEADER_BYTES}..{len(flash)}")
    if text_bytes > _TEXT_LIMIT_BYTES or HEADER_BYTES + text_bytes > length or offset + size > length:
        raise WrongImageError("a part of the image lies outside it")
    body = bytearray(flash[:length])
    body[_SHA_OFFSET : _SHA_OFFSET + 32] = bytes(32)
    body[_CRC_OFFSET : _CRC_OFFSET + 4] = bytes(4)
    if zlib.crc32(body) != crc32:
        raise WrongImageError(f"image checksum {zlib.crc32(body):08x} differs from the recorded {crc32:08x}")
    if hashlib.sha256(body).digest() != sha:
        raise WrongImageError("image SHA-256 differs from the recorded one")
    try:
        lines = bytes(body[HEADER_BYTES : HEADER_BYTES + text_bytes]).decode().splitlines()
    except UnicodeDecodeError as error:
        raise WrongImageError("manifest text is not UTF-8") from error
    text = dict(line.split("=", 1) for line in lines if "=" in line)
    return ImageInfo(chip_id, length, offset, size, model_sha, sha, text)
