"""The device side of AN3155, byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rom_host import RomHost, make_board, with_xor

from benchrunner.board import Board
from benchrunner.simulator.board import Boot, Mode, SimulatedBoard
from benchrunner.simulator.bootloader import Command, stm32_crc32
from benchrunner.simulator.faults import Faults

ACK, NACK = b"\x79", b"\x1f"
BASE = 0x08000000
VECTORS = (0x20018000).to_bytes(4, "little") + (0x08000201).to_bytes(4, "little")


@pytest.fixture
def host(board: Board) -> RomHost:
    return RomHost(SimulatedBoard(board))


def test_nothing_is_answered_before_the_sync_byte(board: Board) -> None:
    host = RomHost(SimulatedBoard(board), sync=False)
    assert host.say(b"\x00\xff\x02\xfd\x55") == b""
    assert host.say(b"\x7f") == ACK


def test_a_synced_device_answers_a_second_sync_with_nack_after_two_bytes(host: RomHost) -> None:
    assert host.say(b"\x7f") == b""
    assert host.say(b"\x7f") == NACK


def test_get_lists_the_commands_of_the_part(host: RomHost) -> None:
    assert host.command(0x00) == bytes.fromhex("79 0b 31 00 01 02 11 21 31 44 63 73 82 92 79")


def test_an_old_bootloader_lists_the_short_erase(board: Board) -> None:
    host = RomHost(SimulatedBoard(make_board(rom_version=0x22)))
    listed = host.command(0x00)
    assert listed[2] == 0x22
    assert 0x43 in listed
    assert 0x44 not in listed
    assert host.command(0x44) == NACK


def test_get_version_and_get_id(host: RomHost) -> None:
    assert host.command(0x01) == bytes.fromhex("79 31 00 00 79")
    assert host.command(0x02) == bytes.fromhex("79 01 04 33 79")


@pytest.mark.parametrize(
    "pair", [b"\x00\x00", b"\x02\xfc", b"\x50\xaf", b"\x51\xae", b"\xa1\x5e", b"\xff\x00"]
)
def test_bad_complements_and_commands_the_part_lacks_are_refused(host: RomHost, pair: bytes) -> None:
    assert host.say(pair) == NACK
    assert host.command(0x02)[:1] == ACK, "back in the command loop"


def test_write_then_read_gives_the_same_bytes(host: RomHost) -> None:
    data = bytes(range(256))
    assert host.write(BASE + 0x100, data) == ACK * 3
    assert host.read(BASE + 0x100, 256) == ACK * 3 + data


def test_write_memory_uses_the_worked_bytes_of_the_manual(host: RomHost) -> None:
    assert host.say(bytes.fromhex("31 ce")) == ACK
    assert host.say(bytes.fromhex("08 00 4e 00 46")) == ACK
    assert host.say(bytes.fromhex("03 de ad be ef 21")) == ACK
    assert host.read(0x08004E00, 4) == ACK * 3 + bytes.fromhex("deadbeef")


@pytest.mark.parametrize("address", [0x08080000, 0x40000000, 0x20000000, 0x08000002])
def test_a_write_outside_of_memory_is_refused_at_the_address(host: RomHost, address: int) -> None:
    assert host.command(0x31, with_xor(address.to_bytes(4, "big"))) == ACK + NACK


def test_a_write_past_the_end_of_flash_is_refused_with_the_data(host: RomHost) -> None:
    assert host.write(0x0807FFFC, bytes(8)) == ACK * 2 + NACK
    assert host.write(0x0807FFFC, bytes(4)) == ACK * 3


def test_a_write_with_a_wrong_checksum_or_length_changes_nothing(host: RomHost) -> None:
    address = with_xor(BASE.to_bytes(4, "big"))
    assert host.command(0x31, address, b"\x03\x00\x00\x00\x00\x55") == ACK * 2 + NACK
    assert host.write(BASE, b"\x00\x00\x00") == ACK * 2 + NACK, "not a multiple of 4"
    assert host.command(0x31, b"\x08\x00\x00\x00\x09") == ACK + NACK
    assert host.sim.flash.content[:4] == b"\xff" * 4


def test_read_refuses_a_bad_address_and_a_bad_length(host: RomHost) -> None:
    assert host.command(0x11, with_xor((0x0A000000).to_bytes(4, "big"))) == ACK + NACK
    assert host.command(0x11, with_xor(BASE.to_bytes(4, "big")), b"\x03\x03") == ACK * 2 + NACK
    assert host.read(0x0807FFFF, 2) == ACK * 2 + NACK


def test_extended_erase_uses_the_worked_bytes_of_the_manual(board: Board) -> None:
    host = RomHost(SimulatedBoard(board, flash=bytes(0x80000), boot=Boot.ROM))
    assert host.say(bytes.fromhex("44 bb 00 02 00 00 00 01 00 02 01")) == ACK * 2
    assert host.sim.flash.erase_counts == [1, 1, 1, 0, 0, 0, 0, 0]
    assert host.read(0x0800BFFC, 8) == ACK * 3 + b"\xff" * 4 + bytes(4)


def test_errors_of_pages_are_never_reported(host: RomHost) -> None:
    assert host.erase(3, 99) == ACK * 2
    assert host.sim.flash.erase_counts[3] == 1


def test_a_page_list_longer_than_the_roms_buffer_loses_its_first_entries(host: RomHost) -> None:
    assert host.erase(0, 1, *[2] * 581) == ACK * 2
    assert host.sim.flash.erase_counts[:3] == [0, 0, 581]


def test_erase_with_a_wrong_checksum_is_refused(host: RomHost) -> None:
    assert host.command(0x44, bytes.fromhex("00 00 00 00 01")) == ACK + NACK
    assert host.command(0x44, bytes.fromhex("ff ff 01")) == ACK + NACK
    assert sum(host.sim.flash.erase_counts) == 0


@pytest.mark.parametrize(("codes", "first", "last"), [("ffff00", 0, 16), ("fffe01", 0, 8), ("fffd02", 8, 16)])
def test_special_codes_erase_all_or_one_bank(ecc_board: Board, codes: str, first: int, last: int) -> None:
    host = RomHost(SimulatedBoard(ecc_board))
    assert host.command(0x44, bytes.fromhex(codes)) == ACK * 2
    assert host.sim.flash.erase_counts == [int(first <= index < last) for index in range(16)]


@pytest.mark.parametrize("codes", ["fff00f", "fffc03", "fffe01"])
def test_reserved_codes_and_banks_of_a_single_bank_part_are_refused(host: RomHost, codes: str) -> None:
    assert host.command(0x44, bytes.fromhex(codes)) == ACK + NACK


def test_the_short_erase_takes_pages_and_the_mass_code() -> None:
    host = RomHost(SimulatedBoard(make_board(rom_version=0x22)))
    assert host.command(0x43, bytes.fromhex("01 02 03 00")) == ACK * 2
    assert host.sim.flash.erase_counts == [0, 0, 1, 1, 0, 0, 0, 0]
    assert host.command(0x43, bytes.fromhex("ff 00")) == ACK * 2
    assert host.sim.flash.erase_counts == [1, 1, 2, 2, 1, 1, 1, 1]
    assert host.command(0x43, bytes.fromhex("ff 01")) == ACK + NACK


def test_an_erase_takes_the_time_of_its_sectors(board: Board) -> None:
    host = RomHost(SimulatedBoard(board))
    before = host.sim.clock.now_s()
    host.erase(5, 0)  # 128 KiB and 16 KiB, 2 s for the largest
    spent = host.sim.clock.now_s() - before
    assert 2.25 <= spent < 3.25


def test_write_protection_is_silent_and_resets(board: Board) -> None:
    host = RomHost(SimulatedBoard(board))
    assert host.command(0x63, with_xor(b"\x00\x00")) == ACK * 2
    assert host.command(0x02) == b"", "it has reset and waits for a sync"
    assert host.say(b"\x7f") == ACK
    assert host.write(BASE, bytes(4)) == ACK * 3, "programming errors are not reported"
    assert host.read(BASE, 4)[3:] == b"\xff" * 4
    assert host.command(0x73) == ACK * 2
    assert host.say(b"\x7f") == ACK
    assert host.write(BASE, bytes(4)) == ACK * 3
    assert host.read(BASE, 4)[3:] == bytes(4)


def test_readout_protection_leaves_four_commands_and_unprotecting_erases(board: Board) -> None:
    host = RomHost(SimulatedBoard(board, flash=bytes(0x80000), boot=Boot.ROM))
    assert host.command(0x82) == ACK * 2
    assert host.say(b"\x7f") == ACK
    for code in (0x11, 0x21, 0x31, 0x44, 0x63, 0x73, 0x82):
        assert host.command(code) == NACK
    assert host.command(0x00)[:1] == host.command(0x01)[:1] == host.command(0x02)[:1] == ACK
    assert host.command(0x92) == ACK * 2
    assert host.say(b"\x7f") == ACK
    assert host.read(BASE, 4)[3:] == b"\xff" * 4
    assert host.sim.flash.content.count(0xFF) == 0x80000


def test_go_needs_a_plausible_vector(board: Board) -> None:
    host = RomHost(SimulatedBoard(board))
    assert host.go(BASE) == ACK + NACK
    host.write(BASE, VECTORS)
    assert host.go(BASE) == ACK * 2
    assert host.sim.mode is not Mode.ROM


def test_go_to_a_reset_stub_in_ram_resets_the_chip(board: Board) -> None:
    host = RomHost(SimulatedBoard(board))
    at = 0x20003000
    # ldr r0, [pc, #4]; ldr r1, [pc, #8]; str r1, [r0]; b .; AIRCR; VECTKEY | SYSRESETREQ
    stub = bytes.fromhex("01480249 0160fee7 0ced00e0 0400fa05")
    host.write(at, (0x20010000).to_bytes(4, "little") + (at + 9).to_bytes(4, "little") + stub)
    assert host.go(at) == ACK * 2
    assert host.say(b"\x7f") == ACK, "it has reset into the bootloader, as flash is empty"


def test_get_checksum_is_offered_only_where_the_part_has_it(board: Board) -> None:
    host = RomHost(SimulatedBoard(board, checksum=True))
    assert 0xA1 in host.command(0x00)
    host.write(BASE, bytes(range(1, 9)))
    fields = with_xor(BASE.to_bytes(4, "big")), with_xor((8).to_bytes(4, "big"))
    assert host.command(0xA1, *fields) == ACK * 4 + with_xor(bytes.fromhex("a3141bda"))
    bad_size = with_xor((6).to_bytes(4, "big"))
    assert host.command(0xA1, fields[0], bad_size) == ACK * 2 + NACK


def test_the_checksum_is_the_one_of_the_chips_crc_unit() -> None:
    assert stm32_crc32(bytes(range(1, 9))) == 0xA3141BDA
    assert stm32_crc32(b"") == 0xFFFFFFFF


def test_every_way_to_cut_the_bytes_gives_the_same_answers(board: Board) -> None:
    stream = b"\x7f\x02\xfd\x31\xce" + with_xor(BASE.to_bytes(4, "big")) + with_xor(b"\x03abcd") + b"\x00\xff"
    whole = RomHost(SimulatedBoard(board), sync=False).say(stream)
    for size in (1, 2, 3, 5, 7):
        host = RomHost(SimulatedBoard(board), sync=False)
        parts = [host.say(stream[at : at + size]) for at in range(0, len(stream), size)]
        assert b"".join(parts) == whole


@given(noise=st.lists(st.binary(max_size=64), max_size=20), readout=st.booleans())
def test_random_bytes_never_crash_the_rom(noise: list[bytes], readout: bool) -> None:
    sim = SimulatedBoard(make_board(), Faults(readout_protected=readout), checksum=True)
    RomHost(sim)
    for data in noise:
        sim.receive(data)
        sim.transmit()
    sim.set_lines(boot0=True, reset=True)
    sim.set_lines(boot0=True, reset=False)
    sim.transmit()
    assert RomHost(sim).command(0x02)[:1] == ACK, "a reset brings every state back"


@given(st.sampled_from(list(Command)), st.binary(max_size=40))
def test_random_arguments_never_crash_a_command(command: Command, arguments: bytes) -> None:
    host = RomHost(SimulatedBoard(make_board(), checksum=True))
    host.command(command, arguments)
    assert host.sim.mode in (Mode.ROM, Mode.DEAD)
