"""Faults: how they are declared, and that each does what it says where it says."""

from __future__ import annotations

import pytest
from rom_host import RomHost

from benchrunner.board import Board
from benchrunner.errors import UsageError
from benchrunner.simulator.board import Boot, Mode, SimulatedBoard
from benchrunner.simulator.faults import At, Faults, LineNoise, StuckBits, parse

BASE = 0x08000000
ACK, NACK, BUSY = b"\x79", b"\x1f", b"\x76"


def rom(board: Board, faults: Faults) -> RomHost:
    return RomHost(SimulatedBoard(board, faults))


# --- declaring them ------------------------------------------------------------------------------------


def test_settings_become_faults() -> None:
    settings = [
        "nack-block=5",
        "stuck_bits=0x08000010:0x01",
        "hang_at=write:5",
        "reset_at=boot:2+",
        "stale_chatter",
        "zero_before_ack=yes",
        "frozen_counter=off",
        "wrong_clock=0.5",
        "wrong_chip_id=0x413",
    ]
    assert parse(settings) == Faults(
        nack_block=5,
        stuck_bits=StuckBits(0x08000010, 1),
        hang_at=At("write", 5),
        reset_at=At("boot", 2, onwards=True),
        stale_chatter=True,
        zero_before_ack=True,
        wrong_clock=0.5,
        wrong_chip_id=0x413,
    )
    assert parse([]) == Faults()


@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("nack_blok=5", "no fault named 'nack_blok'", "did you mean nack_block"),
        ("zzz", "no fault named 'zzz'", "known faults: drop_byte_every"),
        ("nack_block=0", "positive whole number", "nack_block=5"),
        ("nack_block", "positive whole number", "nack_block=5"),
        ("nack_block", "nack_block: ", "nack_block=5"),
        ("wrong_clock=-1", "positive number", "wrong_clock=0.5"),
        ("wrong_clock=nan", "positive number", "wrong_clock=0.5"),
        ("hang_at=lunch", "no step 'lunch'; steps are sync", "hang_at=erase, hang_at=write:5"),
        ("hang_at=write:x", "hang_at=write:x", "hang_at=write:5"),
        ("stuck_bits=0x08000000", "stuck_bits", "stuck_bits=0x08000010:0x01"),
        ("stuck_bits=0x08000000:0x100", "mask must lie in", "0x08000010:0x01"),
        ("stale_chatter=maybe", "expected true or false", "--fault stale_chatter"),
    ],
)
def test_a_wrong_setting_names_itself_and_what_it_takes(setting: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        parse([setting])
    assert message in error.value.message
    assert setting in error.value.message
    assert hint in error.value.hint


# --- the line ------------------------------------------------------------------------------------------


def test_line_noise_hits_every_nth_byte() -> None:
    data = bytes(range(10))
    assert LineNoise(Faults(drop_byte_every=4)).apply(data) == bytes([0, 1, 2, 4, 5, 6, 8, 9])
    assert LineNoise(Faults(duplicate_byte_every=5)).apply(data) == bytes(
        [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 9]
    )
    flipped = LineNoise(Faults(flip_bit_every=5)).apply(data)
    assert [a ^ b for a, b in zip(flipped, data, strict=True)] == [0, 0, 0, 0, 2, 0, 0, 0, 0, 4]


def test_line_noise_counts_bytes_not_calls() -> None:
    whole, cut = LineNoise(Faults(drop_byte_every=3)), LineNoise(Faults(drop_byte_every=3))
    assert b"".join(cut.apply(bytes([value])) for value in range(10)) == whole.apply(bytes(range(10)))


def test_a_dropped_byte_leaves_the_rom_waiting_for_it(board: Board) -> None:
    host = rom(board, Faults(drop_byte_every=20))
    assert host.write(BASE, bytes(16)) == ACK * 2, (
        "one of 27 bytes is missing, and it waits without a time-out"
    )
    assert host.say(b"\x00") in (ACK, NACK)


def test_a_slow_line_takes_the_time_of_its_bits(board: Board) -> None:
    host = rom(board, Faults(slow_line=1200))
    before = host.sim.clock.now_s()
    assert host.command(0x02)[:1] == ACK
    assert 7 * 11 / 1200 <= host.sim.clock.now_s() - before < 0.5, "2 bytes there, 5 back, 11 bits each"


# --- the bootloader ------------------------------------------------------------------------------------


def test_the_nth_write_is_refused_once(board: Board) -> None:
    host = rom(board, Faults(nack_block=2))
    assert [host.write(BASE + at, b"abcd")[-1:] for at in (0, 4, 4)] == [ACK, NACK, ACK]
    assert host.sim.flash.content[:8] == b"abcdabcd"


def test_a_lost_ack_leaves_the_block_written(board: Board) -> None:
    host = rom(board, Faults(lose_ack_block=1))
    assert host.write(BASE, b"abcd") == ACK * 2
    assert host.read(BASE, 4) == ACK * 3 + b"abcd", "and the ROM is back in its command loop"


def test_the_nth_read_is_short_or_has_a_wrong_bit(board: Board) -> None:
    host = rom(board, Faults(short_read_block=1, flip_read_block=2))
    host.write(BASE, b"abcdefgh")
    assert host.read(BASE, 8) == ACK * 3 + b"abcd"
    assert host.read(BASE, 8) == ACK * 3 + b"qbcdefgh"
    assert host.read(BASE, 8) == ACK * 3 + b"abcdefgh"


def test_a_stuck_bit_survives_erasing_and_writing(board: Board) -> None:
    host = rom(board, Faults(stuck_bits=StuckBits(BASE + 1, 0x02)))
    for _ in range(2):
        assert host.erase(0) == ACK * 2
        assert host.write(BASE, b"\xff\xff\xff\xff")[-1:] == ACK
        assert host.read(BASE, 4)[3:] == b"\xff\xfd\xff\xff"


def test_a_hang_at_the_fifth_write_leaves_half_a_block(board: Board) -> None:
    host = rom(board, Faults(hang_at=At("write", 5)))
    blocks = [host.write(BASE + 16 * index, bytes(16)) for index in range(5)]
    assert blocks == [ACK * 3] * 4 + [ACK * 2]
    assert host.say(b"\x7f\x7f\x7f") == b""
    assert host.sim.flash.content[64:80] == bytes(8) + b"\xff" * 8
    host.sim.set_lines(boot0=True, reset=True)
    host.sim.set_lines(boot0=True, reset=False)
    assert host.say(b"\x7f") == ACK
    assert host.read(BASE, 4)[:1] == ACK


def test_a_reset_in_an_erase_leaves_half_of_the_sectors(board: Board) -> None:
    sim = SimulatedBoard(board, Faults(reset_at=At("erase")), flash=bytes(0x10000), boot=Boot.ROM)
    host = RomHost(sim)
    assert host.erase(0, 1, 2, 3) == ACK
    assert sim.flash.erase_counts[:4] == [1, 1, 0, 0]
    assert host.say(b"\x7f") == ACK, "it waits for a sync again"


@pytest.mark.parametrize(
    ("step", "code"),
    [("get", 0x00), ("version", 0x01), ("id", 0x02), ("protect", 0x73), ("protect", 0x82), ("protect", 0x92)],
)
def test_a_hang_at_a_command_is_silence(board: Board, step: str, code: int) -> None:
    host = rom(board, Faults(hang_at=At(step)))
    assert host.command(code) == b""
    assert host.sim.mode is Mode.DEAD


def test_a_hang_at_sync_read_go_and_checksum_is_silence(board: Board) -> None:
    sim = SimulatedBoard(board, Faults(hang_at=At("sync")))
    assert RomHost(sim, sync=False).say(b"\x7f") == b""
    host = rom(board, Faults(hang_at=At("read")))
    assert host.read(BASE, 8) == ACK * 3 + b"\xff" * 4, "half of the step is done"
    assert host.say(b"\x00\xff") == b""
    host = rom(board, Faults(hang_at=At("go")))
    host.write(BASE, (0x20018000).to_bytes(4, "little") + (0x08000201).to_bytes(4, "little"))
    assert host.go(BASE) == ACK
    checksum = RomHost(SimulatedBoard(board, Faults(hang_at=At("checksum")), checksum=True))
    assert checksum.command(0xA1, b"\x08\x00\x00\x00\x08", b"\x00\x00\x00\x04\x04") == ACK * 2


def test_chatter_and_zero_come_before_the_sync_ack(board: Board) -> None:
    host = RomHost(SimulatedBoard(board, Faults(stale_chatter=True, zero_before_ack=True)), sync=False)
    chatter = host.say(b"")
    assert b"y" in chatter, "the text has the byte of an ACK in it"
    assert host.say(b"\x7f") == b"\x00" + ACK


def test_busy_comes_before_the_last_ack_of_write_and_erase(board: Board) -> None:
    host = rom(board, Faults(busy_count=3))
    assert host.write(BASE, b"abcd") == ACK * 2 + BUSY * 3 + ACK
    assert host.erase(0) == ACK + BUSY * 3 + ACK


def test_a_slow_erase_takes_as_long_as_declared(board: Board) -> None:
    host = rom(board, Faults(slow_erase_s=60.0))
    before = host.sim.clock.now_s()
    assert host.erase(0) == ACK * 2
    assert 60 <= host.sim.clock.now_s() - before < 61


def test_readout_protection_may_be_there_from_the_start(board: Board) -> None:
    host = rom(board, Faults(readout_protected=True))
    assert host.command(0x11) == host.command(0x31) == host.command(0x44) == NACK
    assert host.command(0x02) == bytes.fromhex("7901043379")


def test_a_wrong_chip_id_can_show_up_later(board: Board) -> None:
    host = rom(board, Faults(wrong_chip_id=0x413, wrong_chip_after=1))
    assert [host.command(0x02).hex() for _ in range(3)] == ["7901043379", "7901041379", "7901041379"]
