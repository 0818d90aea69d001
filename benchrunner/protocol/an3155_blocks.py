"""Runs of blocks over AN3155: frames that do not wait for each other's answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from benchrunner.errors import LinkError
from benchrunner.protocol.an3155 import NoAnswerError, refusal
from benchrunner.protocol.an3155_frames import (
    ACK,
    BLOCK_BYTES,
    Command,
    address_frame,
    check_block,
    command_frame,
    data_frame,
    length_frame,
)

_READ_MEMORY = command_frame(Command.READ_MEMORY)
_WRITE_MEMORY = command_frame(Command.WRITE_MEMORY)


class Frame(NamedTuple):
    """One frame of a run of blocks, the bytes of its answer (ACK and data), and what it is for messages."""

    send: bytes
    answer_bytes: int
    name: str


FRAMES_PER_BLOCK = 3
ACKS_AT_ONCE = 3  # before the data of a block that was asked for in one piece


def read_blocks(blocks: Iterable[tuple[int, int]]) -> Iterator[Frame]:
    """The frames that read blocks of `(address, count)` as long as every answer is an ACK.

    Blocks come by the thousand. Other than in the commands of `an3155`, the next frame does not depend on the
    answer before it, so it can be made while the device works on that one.
    """
    command = Frame(_READ_MEMORY, 1, "command")
    for address, count in blocks:
        yield command
        yield Frame(address_frame(address), 1, "address")
        yield Frame(length_frame(count), 1 + count, "length")


def read_blocks_at_once(addresses: Iterable[int]) -> Iterator[Frame]:
    """As `read_blocks` for whole blocks, with command, address and length of each in one piece.

    Nothing is programmed while they wait in the device's receiver. Only for a device that has answered a
    read before: to one that refuses the command, the rest would be commands. Whole blocks only: the length
    0xFF and its complement are none, whatever comes before them.
    """
    length = length_frame(BLOCK_BYTES)
    for address in addresses:
        request = _READ_MEMORY + address_frame(address) + length
        yield Frame(request, ACKS_AT_ONCE + BLOCK_BYTES, "request")


def write_blocks(blocks: Iterable[tuple[int, bytes]]) -> Iterator[Frame]:
    """The frames that write blocks of `(address, data)`, like `read_blocks`."""
    command = Frame(_WRITE_MEMORY, 1, "command")
    for address, data in blocks:
        check_block(address, data)
        yield command
        yield Frame(address_frame(address), 1, "address")
        yield Frame(data_frame(data), 1, "data")


def answer_error(name: str, frame: Frame, answer: bytes) -> LinkError:
    """What an answer to a frame of a run of blocks means that is not the expected one."""
    if len(answer) > 1 or (answer and answer[0] == ACK):
        return NoAnswerError(
            f"bootloader: {name}: {len(answer) - 1} of {frame.answer_bytes - 1} bytes arrived"
        )
    return refusal(name, frame.name, answer)
