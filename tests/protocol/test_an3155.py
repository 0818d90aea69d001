"""Golden bytes of every bootloader command, and what each answer leads to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchrunner.protocol import an3155, an3155_frames
from benchrunner.protocol.an3155 import NackError, NoAnswerError, Patience, UnexpectedByteError
from benchrunner.protocol.an3155_frames import Bank


def converse(steps: an3155.Steps[Any], replies: bytes) -> tuple[Any, bytes]:
    """Run `steps` against a device that says `replies`; its result and all that was sent."""
    sent, at = b"", 0
    try:
        exchange = next(steps)
        while True:
            sent += exchange.send
            reply, at = replies[at : at + exchange.receive_bytes], at + exchange.receive_bytes
            exchange = steps.send(reply)
    except StopIteration as done:
        return done.value, sent


CASES: dict[str, tuple[Callable[[], an3155.Steps[Any]], str, str, Any]] = {
    # For each: the steps, what is sent, what is replied, the result.
    "sync": (an3155.synchronise, "7f", "79", None),
    "sync again": (an3155.synchronise, "7f", "1f", None),
    "sync behind chatter": (an3155.synchronise, "7f", "00 00 42 79", None),
    "get": (
        an3155.get,
        "00ff",
        "79 0b 31 00 01 02 11 21 31 44 63 73 82 92 79",
        an3155.Capabilities(0x31, frozenset((0, 1, 2, 0x11, 0x21, 0x31, 0x44, 0x63, 0x73, 0x82, 0x92))),
    ),
    "get version": (an3155.get_version, "01fe", "79 31 00 00 79", 0x31),
    "get version of an L412": (an3155.get_version, "01fe", "79 79 31 00 00 79", 0x31),
    "get id": (an3155.get_id, "02fd", "79 01 04 50 79", 0x450),
    "get a long id": (an3155.get_id, "02fd", "79 03 04 13 aa bb 79", 0x413),
    "read": (
        lambda: an3155.read_memory(0x08004E00, 4),
        "11ee 08004e0046 03fc",
        "79 79 79 deadbeef",
        b"\xde\xad\xbe\xef",
    ),
    "write": (
        lambda: an3155.write_memory(0x08004E00, b"\xde\xad\xbe\xef"),
        "31ce 08004e0046 03deadbeef21",
        "79 79 79",
        None,
    ),
    "go": (lambda: an3155.go(0x08000000), "21de 0800000008", "79 79", None),
    "erase": (lambda: an3155.erase([0, 1, 2]), "43bc 0200010201", "79 79", None),
    "mass erase": (an3155.erase_all, "43bc ff00", "79 79", None),
    "extended erase": (lambda: an3155.extended_erase([0, 1, 2]), "44bb 000200000001000201", "79 79", None),
    "extended mass erase": (lambda: an3155.extended_erase_bank(Bank.ALL), "44bb ffff00", "79 79", None),
    "bank 1 erase": (lambda: an3155.extended_erase_bank(Bank.FIRST), "44bb fffe01", "79 79", None),
    "bank 2 erase": (lambda: an3155.extended_erase_bank(Bank.SECOND), "44bb fffd02", "79 79", None),
    "write protect": (lambda: an3155.write_protect([1, 4]), "639c 01010404", "79 79", None),
    "write unprotect": (an3155.write_unprotect, "738c", "79 79", None),
    "readout protect": (an3155.readout_protect, "827d", "79 79", None),
    "readout unprotect": (an3155.readout_unprotect, "926d", "79 79", None),
    "get checksum": (
        lambda: an3155.get_checksum(0x08000000, 0x400),
        "a15e 0800000008 0000040004",
        "79 79 79 79 a3141bda" + "76",
        0xA3141BDA,
    ),
    "special": (
        lambda: an3155.special(0x0102, b"\x0a\x0b"),
        "50af 010203 00020a0b03",
        "79 79 79 0001 cc 0002 0000 79",
        (b"\xcc", b"\x00\x00"),
    ),
    "extended special": (
        lambda: an3155.extended_special(0x0102, b"\x0a", b"\x01\x02"),
        "51ae 010203 00010a0b 0002010201",
        "79 79 79 79 0001 00 79",
        b"\x00",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_command_sends_exactly_these_bytes(name: str) -> None:
    make, sent, replies, result = CASES[name]
    assert converse(make(), bytes.fromhex(replies)) == (result, bytes.fromhex(sent))


ACKNOWLEDGED = [name for name in CASES if not name.startswith("sync")]


@pytest.mark.parametrize("name", ACKNOWLEDGED)
def test_a_refused_command_says_so(name: str) -> None:
    with pytest.raises(NackError, match="the command was answered with NACK") as raised:
        converse(CASES[name][0](), b"\x1f")
    assert raised.value.at == "command"


@pytest.mark.parametrize("name", ACKNOWLEDGED)
def test_a_busy_device_is_waited_for(name: str) -> None:
    make, sent, replies, result = CASES[name]
    assert converse(make(), b"\x76\x76\x76" + bytes.fromhex(replies)) == (result, bytes.fromhex(sent))


@pytest.mark.parametrize("name", CASES)
def test_a_reply_cut_anywhere_is_no_answer(name: str) -> None:
    make, _, replies, _ = CASES[name]
    for length in range(len(bytes.fromhex(replies))):
        with pytest.raises(NoAnswerError):
            converse(make(), bytes.fromhex(replies)[:length])


@pytest.mark.parametrize("name", ACKNOWLEDGED)
def test_a_byte_that_is_no_answer_is_an_error(name: str) -> None:
    with pytest.raises(UnexpectedByteError, match="0x42"):
        converse(CASES[name][0](), b"\x42")


def test_each_part_that_is_refused_is_named() -> None:
    for replies, at in ((b"\x79\x1f", "address"), (b"\x79\x79\x1f", "data")):
        with pytest.raises(NackError) as raised:
            converse(an3155.write_memory(0x08000000, bytes(4)), replies)
        assert raised.value.at == at


def said_to_silence(steps: an3155.Steps[None]) -> bytes:
    """All that is sent to a device that never answers."""
    sent = b""
    exchange = next(steps)
    try:
        while True:
            sent += exchange.send
            exchange = steps.send(b"")
    except NoAnswerError:
        return sent


def test_a_silent_device_is_sent_two_sync_bytes() -> None:
    assert said_to_silence(an3155.synchronise()) == b"\x7f\x7f"


def test_busy_does_not_extend_the_time() -> None:
    steps = an3155.extended_erase([7])
    next(steps)
    assert steps.send(b"\x79").patience is Patience.SLOW
    assert steps.send(b"\x76").patience is Patience.SAME
    steps.close()


def test_a_device_inside_a_write_is_fed_no_more_than_it_can_swallow() -> None:
    assert said_to_silence(an3155.flush_command_loop()) == b"\xff\x00" * (an3155_frames.DATA_PHASE_BYTES // 2)


def test_the_first_answer_ends_the_feeding() -> None:
    assert converse(an3155.flush_command_loop(), b"\x1f") == (None, b"\xff\x00")


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 31, 255, 256, 257, 258])
def test_the_xor_equals_one_taken_byte_by_byte(length: int) -> None:
    data = bytes((index * 37 + 11) & 0xFF for index in range(length))
    expected = 0
    for byte in data:
        expected ^= byte
    assert an3155_frames.xor(data) == expected


def test_the_checksum_has_its_published_check_value() -> None:
    assert an3155_frames.flash_crc32(bytes(range(1, 9))) == 0xA3141BDA


def test_a_checksum_reply_with_a_flipped_bit_is_refused() -> None:
    with pytest.raises(an3155.LinkError, match="checksum is wrong"):
        converse(an3155.get_checksum(0x08000000, 4), bytes.fromhex("79797979 a3141bdb 76"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: an3155.write_memory(0x08000002, bytes(4)),
        lambda: an3155.write_memory(0x08000000, bytes(3)),
        lambda: an3155.write_memory(0x08000000, bytes(260)),
        lambda: an3155.extended_erase(range(257)),
        lambda: an3155.extended_erase([]),
        lambda: an3155.special(1, bytes(129)),
    ],
)
def test_what_a_bootloader_would_mangle_is_not_sent(make: Callable[[], an3155.Steps[Any]]) -> None:
    with pytest.raises(ValueError, match=r"bytes|pages"):
        next(make())
