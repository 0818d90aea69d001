"""The STM32 USART bootloader protocol (AN3155), host side, as state machines without I/O.

Each command is a generator. It yields `Exchange`s (bytes to send, bytes to wait for, how patient to be), is
sent the bytes that came, and returns the command's result. Whoever drives it owns the port and the clock.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from benchrunner.errors import LinkError
from benchrunner.protocol.an3155_frames import (
    ACK,
    BUSY,
    DATA_PHASE_BYTES,
    ERASE_LIST_LIMIT,
    EXTENDED_SPECIAL_DATA_LIMIT_BYTES,
    NACK,
    SPECIAL_DATA_LIMIT_BYTES,
    SYNC,
    Bank,
    Command,
    address_frame,
    check_block,
    checked,
    command_frame,
    data_frame,
    erase_frame,
    extended_erase_frame,
    length_frame,
    sized_frame,
    xor,
)


class Patience(Enum):
    """How long the device may take to answer; the driver knows the times."""

    REPLY = "reply"
    BRIEF = "brief"  # an answer is not expected, only not excluded
    PROGRAM = "program"  # a block is written into flash
    SLOW = "slow"  # erase, protection changes: the caller of the command says
    SAME = "same"  # what is left of the exchange before


@dataclass(frozen=True, slots=True)
class Exchange:
    """Send `send`, then wait for exactly `receive_bytes` bytes; fewer are handed over when time is up."""

    send: bytes
    receive_bytes: int
    patience: Patience = Patience.REPLY


Result = TypeVar("Result")
Steps = Generator[Exchange, bytes, Result]


class NackError(LinkError):
    """The device refused; `at` is the part of the command: "command", "address", "data" ..."""

    def __init__(self, command: str, at: str) -> None:
        super().__init__(f"bootloader: {command}: the {at} was answered with NACK")
        self.at = at


class NoAnswerError(LinkError):
    """The device did not send what the command promises in the time it was given."""


class UnexpectedByteError(LinkError):
    """The device sent a byte that is neither ACK, NACK nor BUSY."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What Get answers."""

    version: int  # 0x31 is V3.1
    commands: frozenset[int]


def synchronise() -> Steps[None]:
    """Send 0x7F once or twice until the device shows that it listens.

    A device that is synchronised already takes the first 0x7F as half of a command and answers the second
    with NACK. Whatever else arrives (0x00 of a floating pin, boot chatter) is dropped.
    """
    for _ in range(2):
        received = yield Exchange(bytes((SYNC,)), 1)
        while received:
            if received[0] in (ACK, NACK):
                return
            received = yield Exchange(b"", 1, Patience.SAME)
    raise NoAnswerError("bootloader: no answer to 0x7F")


def get() -> Steps[Capabilities]:
    yield from _command(Command.GET, "Get")
    count = (yield from _receive("Get", 1))[0]
    body = yield from _receive("Get", count + 1)
    yield from _acknowledge("Get", "reply")
    return Capabilities(body[0], frozenset(body[1:]))


def get_version() -> Steps[int]:
    """The version byte. The L412 sends one ACK too many after the synchronisation: it is stepped over."""
    yield from _command(Command.GET_VERSION, "Get Version")
    version = (yield from _receive("Get Version", 1))[0]
    if version == ACK:
        version = (yield from _receive("Get Version", 1))[0]
    yield from _receive("Get Version", 2)
    yield from _acknowledge("Get Version", "reply")
    return version


def get_id() -> Steps[int]:
    """The product id. Bootloaders with longer ids send it in the first two bytes."""
    yield from _command(Command.GET_ID, "Get ID")
    count = (yield from _receive("Get ID", 1))[0] + 1
    body = yield from _receive("Get ID", count)
    yield from _acknowledge("Get ID", "reply")
    return int.from_bytes(body[:2], "big")


def read_memory(address: int, count: int) -> Steps[bytes]:
    """`count` bytes (1 to 256) from `address`."""
    yield from _command(Command.READ_MEMORY, "Read Memory")
    yield from _acknowledge("Read Memory", "address", address_frame(address))
    yield from _acknowledge("Read Memory", "length", length_frame(count))
    return (yield from _receive("Read Memory", count))


def write_memory(address: int, data: bytes) -> Steps[None]:
    """Write `data` (1 to 256 bytes; address and length multiples of 4 and of the flash word)."""
    check_block(address, data)
    yield from _command(Command.WRITE_MEMORY, "Write Memory")
    yield from _acknowledge("Write Memory", "address", address_frame(address))
    yield from _acknowledge("Write Memory", "data", data_frame(data), Patience.PROGRAM)


def go(address: int) -> Steps[None]:
    """Load the stack pointer from `address` and jump to the vector behind it."""
    yield from _command(Command.GO, "Go")
    yield from _acknowledge("Go", "address", address_frame(address))


def erase(pages: Sequence[int]) -> Steps[None]:
    """Erase 1 to 255 pages with the one-byte command."""
    if not 0 < len(pages) <= 255:
        raise ValueError(f"Erase takes 1 to 255 pages, not {len(pages)}")
    yield from _command(Command.ERASE, "Erase")
    yield from _acknowledge("Erase", "page list", erase_frame(pages), Patience.SLOW)


def erase_all() -> Steps[None]:
    """Mass erase with the one-byte command."""
    yield from _command(Command.ERASE, "Erase")
    yield from _acknowledge("Erase", "mass erase", b"\xff\x00", Patience.SLOW)


def extended_erase(pages: Sequence[int]) -> Steps[None]:
    """Erase 1 to 256 pages or sectors."""
    if not 0 < len(pages) <= ERASE_LIST_LIMIT:
        raise ValueError(f"Extended Erase is sent 1 to {ERASE_LIST_LIMIT} pages, not {len(pages)}")
    yield from _command(Command.EXTENDED_ERASE, "Extended Erase")
    yield from _acknowledge("Extended Erase", "page list", extended_erase_frame(pages), Patience.SLOW)


def extended_erase_bank(bank: Bank) -> Steps[None]:
    """Mass erase, or erase of one bank."""
    yield from _command(Command.EXTENDED_ERASE, "Extended Erase")
    yield from _acknowledge("Extended Erase", "bank", checked(bank.to_bytes(2, "big")), Patience.SLOW)


def write_protect(sectors: Sequence[int]) -> Steps[None]:
    """Protect sectors from being written. The device resets afterwards."""
    yield from _command(Command.WRITE_PROTECT, "Write Protect")
    yield from _acknowledge("Write Protect", "sector list", erase_frame(sectors), Patience.SLOW)


def write_unprotect() -> Steps[None]:
    """Lift the write protection of all sectors. The device resets afterwards."""
    yield from _twice(Command.WRITE_UNPROTECT, "Write Unprotect")


def readout_protect() -> Steps[None]:
    """Set readout protection level 1. The device resets afterwards. Lifting it erases the flash."""
    yield from _twice(Command.READOUT_PROTECT, "Readout Protect")


def readout_unprotect() -> Steps[None]:
    """Lift readout protection: the device erases all flash and RAM, then resets."""
    yield from _twice(Command.READOUT_UNPROTECT, "Readout Unprotect")


def get_checksum(address: int, count: int) -> Steps[int]:
    """CRC of `count` bytes from `address`, both multiples of 4, in the short form of the command."""
    name = "Get Checksum"
    yield from _command(Command.GET_CHECKSUM, name)
    yield from _acknowledge(name, "address", address_frame(address))
    yield from _acknowledge(name, "size", checked(count.to_bytes(4, "big")))
    yield from _acknowledge(name, "calculation", b"", Patience.SLOW)
    body = yield from _receive(name, 5)
    if xor(body) != 0:
        raise LinkError(f"bootloader: {name}: the reply's checksum is wrong")
    return int.from_bytes(body[:4], "big")


def special(opcode: int, data: bytes) -> Steps[tuple[bytes, bytes]]:
    """Special command: `(data, status)` of the reply."""
    name = "Special"
    if len(data) > SPECIAL_DATA_LIMIT_BYTES:
        raise ValueError(f"Special takes at most {SPECIAL_DATA_LIMIT_BYTES} bytes, not {len(data)}")
    yield from _command(Command.SPECIAL, name)
    yield from _acknowledge(name, "opcode", checked(opcode.to_bytes(2, "big")))
    yield from _acknowledge(name, "data", sized_frame(data), Patience.SLOW)
    reply = yield from _receive_sized(name)
    status = yield from _receive_sized(name)
    yield from _acknowledge(name, "reply")
    return reply, status


def extended_special(opcode: int, data: bytes, more: bytes) -> Steps[bytes]:
    """Extended Special command: the status of the reply."""
    name = "Extended Special"
    if len(data) > SPECIAL_DATA_LIMIT_BYTES or len(more) > EXTENDED_SPECIAL_DATA_LIMIT_BYTES:
        raise ValueError(
            f"Extended Special takes at most 128 and 1024 bytes, not {len(data)} and {len(more)}"
        )
    yield from _command(Command.EXTENDED_SPECIAL, name)
    yield from _acknowledge(name, "opcode", checked(opcode.to_bytes(2, "big")))
    yield from _acknowledge(name, "data", sized_frame(data))
    yield from _acknowledge(name, "second data", sized_frame(more), Patience.SLOW)
    status = yield from _receive_sized(name)
    yield from _acknowledge(name, "reply")
    return status


def flush_command_loop() -> Steps[None]:
    """Push a device out of a half-received command without a reset, up to its first answer.

    0xFF is no command, so the command loop answers the pair FF 00 with NACK. A device inside a Write takes
    the bytes as data, and in 1 case of 256 programs them: the sector must be erased and written again
    afterwards. One byte may be left over in the device: `synchronise` has to follow.
    """
    for _ in range(DATA_PHASE_BYTES // 2):
        if (yield Exchange(b"\xff\x00", 1, Patience.BRIEF)):
            return
    raise NoAnswerError(f"bootloader: {DATA_PHASE_BYTES} bytes did not bring it back to its command loop")


def _command(command: Command, name: str) -> Steps[None]:
    yield from _acknowledge(name, "command", command_frame(command))


def _twice(command: Command, name: str) -> Steps[None]:
    """Commands that acknowledge once when received and once when done."""
    yield from _command(command, name)
    yield from _acknowledge(name, "execution", b"", Patience.SLOW)


def _acknowledge(name: str, at: str, send: bytes = b"", patience: Patience = Patience.REPLY) -> Steps[None]:
    received = yield Exchange(send, 1, patience)
    while received and received[0] == BUSY:
        received = yield Exchange(b"", 1, Patience.SAME)
    if not received or received[0] != ACK:
        raise refusal(name, at, received)


def refusal(name: str, at: str, received: bytes) -> LinkError:
    """What anything but an ACK in answer to the part `at` of a command means; nothing: the time was up."""
    if not received:
        return NoAnswerError(f"bootloader: {name}: no answer to the {at}")
    if received[0] == NACK:
        return NackError(name, at)
    return UnexpectedByteError(f"bootloader: {name}: {received[0]:#04x} in answer to the {at}, not an ACK")


def _receive(name: str, count: int) -> Steps[bytes]:
    received = yield Exchange(b"", count)
    if len(received) < count:
        raise NoAnswerError(f"bootloader: {name}: {len(received)} of {count} bytes arrived")
    return received


def _receive_sized(name: str) -> Steps[bytes]:
    size = int.from_bytes((yield from _receive(name, 2)), "big")
    return (yield from _receive(name, size)) if size else b""
