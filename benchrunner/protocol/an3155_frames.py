"""Bytes of the STM32 USART bootloader protocol (AN3155): codes, frames and checksums."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

SYNC = 0x7F
ACK = 0x79
NACK = 0x1F
BUSY = 0x76
BLOCK_BYTES = 256  # longest read or write
ERASE_LIST_LIMIT = 256  # longer lists lose entries without an error in some bootloaders
DATA_PHASE_BYTES = 260  # what a device inside a Write can still swallow
SPECIAL_DATA_LIMIT_BYTES = 128
EXTENDED_SPECIAL_DATA_LIMIT_BYTES = 1024


class Command(IntEnum):
    GET = 0x00
    GET_VERSION = 0x01
    GET_ID = 0x02
    READ_MEMORY = 0x11
    GO = 0x21
    WRITE_MEMORY = 0x31
    ERASE = 0x43
    EXTENDED_ERASE = 0x44
    SPECIAL = 0x50
    EXTENDED_SPECIAL = 0x51
    WRITE_PROTECT = 0x63
    WRITE_UNPROTECT = 0x73
    READOUT_PROTECT = 0x82
    READOUT_UNPROTECT = 0x92
    GET_CHECKSUM = 0xA1


class Bank(IntEnum):
    """Special codes of Extended Erase in place of a count."""

    ALL = 0xFFFF
    FIRST = 0xFFFE
    SECOND = 0xFFFD


def command_frame(command: int) -> bytes:
    return bytes((command, command ^ 0xFF))


_BYTES = [bytes((value,)) for value in range(256)]


def xor(data: bytes) -> int:
    """XOR of all bytes. The upper half of one long integer is folded onto the lower one until that is a byte:
    a loop per byte would be slow. What is left above the lower half takes no part in the next fold."""
    value = int.from_bytes(data, "big")
    half_bits = 4 << max(0, len(data) - 1).bit_length()
    while half_bits >= 8:
        value ^= value >> half_bits
        half_bits >>= 1
    return value & 0xFF


def checked(data: bytes) -> bytes:
    """`data` followed by its XOR."""
    return data + bytes((xor(data),))


def address_frame(address: int) -> bytes:
    a, b, c, d = frame = address.to_bytes(4, "big")
    return frame + _BYTES[a ^ b ^ c ^ d]


def length_frame(count: int) -> bytes:
    return bytes((count - 1, (count - 1) ^ 0xFF))


def data_frame(data: bytes) -> bytes:
    """Length, data and checksum of Write Memory."""
    last = len(data) - 1
    return _BYTES[last] + data + _BYTES[last ^ xor(data)]


def erase_frame(pages: Sequence[int]) -> bytes:
    """Page list of Erase (bootloaders before V3.0)."""
    return checked(bytes((len(pages) - 1, *pages)))


def extended_erase_frame(pages: Sequence[int]) -> bytes:
    """Page list of Extended Erase."""
    return checked(b"".join(number.to_bytes(2, "big") for number in (len(pages) - 1, *pages)))


def flash_crc32(data: bytes) -> int:
    """The CRC of Get Checksum: polynomial 0x04C11DB7, initial value all ones, not reflected, no final XOR,
    over little-endian 32-bit words, most significant bit first. `data` is a multiple of 4 bytes."""
    table = _crc_table()
    crc = 0xFFFFFFFF
    for at in range(0, len(data), 4):
        for byte in data[at : at + 4][::-1]:
            crc = ((crc << 8) & 0xFFFFFFFF) ^ table[(crc >> 24) ^ byte]
    return crc


_CRC_TABLE: list[int] = []


def _crc_table() -> list[int]:
    if not _CRC_TABLE:
        for index in range(256):
            value = index << 24
            for _ in range(8):
                value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
            _CRC_TABLE.append(value & 0xFFFFFFFF)
    return _CRC_TABLE


def sized_frame(data: bytes) -> bytes:
    """Two bytes of size, data and checksum, as the special commands send it."""
    return checked(len(data).to_bytes(2, "big") + data)


def check_block(address: int, data: bytes) -> None:
    """Raises `ValueError` for what Write Memory cannot take."""
    if not 0 < len(data) <= BLOCK_BYTES or len(data) % 4 or address % 4:
        raise ValueError(
            f"cannot write {len(data)} bytes at {address:#010x}: not aligned to 4, or not 1..256"
        )
