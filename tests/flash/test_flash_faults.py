"""The fault matrix: whatever happens on the way, flash equals the file, or the error says where not."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from flash.direct_wire import Bench, HostKilledError

from benchrunner.board import load_board
from benchrunner.errors import (
    DeadlineExceededError,
    DoesNotFitError,
    FlashError,
    LinkError,
    ReadoutProtectedError,
    WrongChipError,
)
from benchrunner.flash.entry import Entry, enter
from benchrunner.flash.program import FlashJob, Options
from benchrunner.flash.recovery import Level
from benchrunner.simulator.faults import At, Faults, StuckBits

F401 = load_board("nucleo-f401re")  # sectors of 16, 64 and 128 KiB; no ECC
H747 = load_board("stm32h747i-disco")  # sectors of 128 KiB, flash words of 32 bytes with ECC
IMAGE = random.Random(1).randbytes(40_004)  # F401: sectors 0 to 2; the last block is short
SECTORS = 3


def enter_and_flash(bench: Bench, image: bytes = IMAGE, budget_s: float = 3600) -> FlashJob:
    """Enter the bootloader and flash as one program would; the job afterwards."""
    entry = enter(bench.rom, deadline=bench.deadline(budget_s))
    job = bench.job(budget_s=budget_s, clean_entry=entry.clean)
    job.run(image)
    return job


def flashed(faults: Faults, *, lines: bool = True) -> tuple[Bench, FlashJob]:
    """A board with a fault, after it was flashed."""
    bench = Bench(F401, faults, lines=lines)
    return bench, enter_and_flash(bench)


def erase_counts(bench: Bench) -> list[int]:
    return bench.sim.flash.erase_counts[:SECTORS]


BOTH = pytest.mark.parametrize("lines", [True, False], ids=["lines", "no lines"])


@BOTH
@pytest.mark.parametrize(
    ("faults", "level", "erases"),
    [
        (Faults(), Level.NONE, [1, 1, 1]),
        (Faults(flip_read_block=60), Level.NONE, [1, 1, 1]),
        (Faults(short_read_block=60), Level.BLOCK, [1, 1, 1]),
        (Faults(nack_block=5), Level.BLOCK, [1, 1, 1]),
        (Faults(lose_ack_block=5), Level.BLOCK, [1, 1, 1]),
        (Faults(zero_before_ack=True), Level.NONE, [1, 1, 1]),
        (Faults(stale_chatter=True), Level.NONE, [1, 1, 1]),
        (Faults(busy_count=7), Level.NONE, [1, 1, 1]),
    ],
    ids=str,
)
def test_a_transient_fault_ends_in_the_right_image(
    faults: Faults, level: Level, erases: list[int], lines: bool
) -> None:
    bench, job = flashed(faults, lines=lines)
    assert bench.holds(IMAGE)
    assert job.recovery.highest == level
    assert erase_counts(bench) == erases


def test_busy_answers_that_come_one_by_one_are_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(F401, Faults(busy_count=3))
    whole = bench.wire.read
    monkeypatch.setattr(bench.wire, "read", lambda max_bytes, deadline: whole(1, deadline))
    job = enter_and_flash(bench, IMAGE[:3000])
    assert bench.holds(IMAGE[:3000])
    assert job.recovery.link_errors == 0


def test_a_bit_that_flips_while_it_is_read_back_counts_as_a_link_error() -> None:
    _, job = flashed(Faults(flip_read_block=60))
    assert job.recovery.link_errors == 1


def requests(bench: Bench) -> list[bytes]:
    """What the host sends, write by write, while it flashes and reads back."""
    sent: list[bytes] = []
    write = bench.wire.write

    def listening(data: bytes) -> None:
        sent.append(data)
        write(data)

    bench.wire.write = listening  # type: ignore[method-assign]
    enter_and_flash(bench)
    return sent


READ = b"\x11\xee"
CHANGING = (0x21, 0x31, 0x43, 0x44, 0x63, 0x73, 0x82, 0x92)  # commands that change something


def test_blocks_are_read_back_in_one_piece_once_one_was_read_step_by_step() -> None:
    sent = requests(Bench(F401, Faults()))
    at_once = [data for data in sent if data.startswith(READ) and len(data) > 2]
    assert len(at_once) >= len(IMAGE) // 256 - SECTORS
    assert all(len(data) == 9 and data.endswith(b"\xff\x00") for data in at_once)
    assert sent.index(READ) < sent.index(at_once[0]), "the first read waits for each answer"
    pairs = [pair for data in at_once for pair in pairwise(data[2:])]
    assert not [pair for pair in pairs if sum(pair) == 0xFF and pair[0] in CHANGING]


@BOTH
def test_a_device_that_loses_early_bytes_is_asked_for_each_block_step_by_step(lines: bool) -> None:
    bench = Bench(F401, Faults(loses_early_bytes=True), lines=lines)
    sent = requests(bench)
    assert bench.holds(IMAGE)
    assert erase_counts(bench) == [1, 1, 1]
    assert len([data for data in sent if data.startswith(READ) and len(data) > 2]) == 1


def test_a_hang_in_a_write_is_ended_by_a_reset_and_only_that_sector_is_written_again() -> None:
    bench, job = flashed(Faults(hang_at=At("write", 5)))  # sector 1 is written first, sector 0 last
    assert bench.holds(IMAGE)
    assert job.recovery.highest is Level.RESET
    assert erase_counts(bench) == [1, 2, 1]


def test_without_lines_a_hang_is_ended_by_the_power_switch() -> None:
    bench = Bench(F401, Faults(hang_at=At("write", 5)), lines=False)
    enter(bench.rom, deadline=bench.deadline())
    job = bench.job(power_cycle=bench.sim.power_cycle)
    job.run(IMAGE)
    assert bench.holds(IMAGE)
    assert job.recovery.highest is Level.POWER
    assert erase_counts(bench) == [1, 2, 1]


def test_without_lines_and_power_switch_a_hang_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(LinkError, match="does not come back") as raised:
        flashed(Faults(hang_at=At("write", 5)), lines=False)
    assert "power-cycle" in raised.value.hint
    assert any("1 being written" in note for note in raised.value.__notes__)


@pytest.mark.parametrize("step", ["sync", "version", "get", "id", "read", "erase", "write"])
def test_a_hang_at_any_step_ends_in_the_right_image(step: str) -> None:
    bench, _ = flashed(Faults(hang_at=At(step, 1)))
    assert bench.holds(IMAGE)


@pytest.mark.parametrize("step", ["sync", "version", "get", "id", "read", "erase", "write"])
def test_a_board_that_always_hangs_at_a_step_ends_within_the_deadline(step: str) -> None:
    bench = Bench(F401, Faults(hang_at=At(step, 1, onwards=True)))
    began_s = bench.time()
    with pytest.raises((LinkError, FlashError, DeadlineExceededError)):
        enter_and_flash(bench, budget_s=300)
    assert bench.time() - began_s < 301


@BOTH
@pytest.mark.parametrize("step", ["read", "erase", "write"])
@pytest.mark.parametrize("nth", [1, 3])
def test_a_reset_in_the_middle_ends_in_the_right_image(step: str, nth: int, lines: bool) -> None:
    bench, _ = flashed(Faults(reset_at=At(step, nth)), lines=lines)
    assert bench.holds(IMAGE)


def test_a_stuck_bit_is_an_error_that_names_address_and_sector_after_one_replay() -> None:
    address = 0x08004000 + next(i for i in range(100) if IMAGE[0x4000 + i] & 0x10)
    with pytest.raises(FlashError) as raised:
        flashed(Faults(stuck_bits=StuckBits(address, 0x10)))
    assert (raised.value.address, raised.value.sector) == (address, 1)
    assert f"{address:#010x}" in raised.value.message


def test_a_stuck_bit_costs_exactly_one_more_erase() -> None:
    address = 0x08004000 + next(i for i in range(100) if IMAGE[0x4000 + i] & 0x10)
    bench = Bench(F401, Faults(stuck_bits=StuckBits(address, 0x10)))
    enter(bench.rom, deadline=bench.deadline())
    with pytest.raises(FlashError):
        bench.job().run(IMAGE)
    assert erase_counts(bench) == [1, 2, 1]


def test_lost_bytes_end_in_the_right_image() -> None:
    bench, _ = flashed(Faults(drop_byte_every=3001))
    assert bench.holds(IMAGE)


def test_flipped_bits_end_in_the_right_image() -> None:
    bench, _ = flashed(Faults(flip_bit_every=3001))
    assert bench.holds(IMAGE)


def test_doubled_bytes_end_in_the_right_image() -> None:
    bench, _ = flashed(Faults(duplicate_byte_every=3001))
    assert bench.holds(IMAGE)


@BOTH
def test_a_synchronised_device_is_entered_again_within_half_a_second(lines: bool) -> None:
    bench = Bench(F401, lines=lines)
    enter(bench.rom, deadline=bench.deadline())
    began_s = bench.time()
    enter(bench.rom, deadline=bench.deadline())
    assert bench.time() - began_s <= 0.51


def test_the_wrong_chip_is_refused_before_anything_is_erased() -> None:
    bench = Bench(H747, lines=True)
    enter(bench.rom, deadline=bench.deadline())
    bench.board = F401
    with pytest.raises(WrongChipError, match=r"0x450.*0x433"):
        bench.job().run(IMAGE)
    assert sum(bench.sim.flash.erase_counts) == 0


def test_a_board_that_was_exchanged_during_a_recovery_is_refused() -> None:
    with pytest.raises(WrongChipError, match="0x413"):
        flashed(Faults(nack_block=5, wrong_chip_id=0x413, wrong_chip_after=1))


def test_readout_protection_is_reported_and_left_alone() -> None:
    bench = Bench(F401, Faults(readout_protected=True), flash=IMAGE)
    enter(bench.rom, deadline=bench.deadline())
    with pytest.raises(ReadoutProtectedError, match="readout protection"):
        bench.job().run(IMAGE)
    assert sum(bench.sim.flash.erase_counts) == 0


@BOTH
def test_readout_protection_is_lifted_when_it_was_asked_for(lines: bool) -> None:
    bench = Bench(F401, Faults(readout_protected=True), lines=lines)
    enter(bench.rom, deadline=bench.deadline())
    bench.job(options=Options(allow_unprotect=True)).run(IMAGE)
    assert bench.holds(IMAGE)


def test_a_mass_erase_of_a_minute_is_waited_for() -> None:
    f469 = load_board("stm32f469i-disco")
    size = 2 << 20
    image = bytearray(b"\xff" * size)
    for sector in f469.mcu.flash.sector_list():  # type: ignore[union-attr]
        image[sector.address - 0x08000000] = sector.index  # every sector differs from what is there
    bench = Bench(f469, Faults(slow_erase_s=60.0), flash=bytes(size))
    enter(bench.rom, deadline=bench.deadline())
    job = bench.job()
    assert job.run(bytes(image)).erased_sectors == 24
    assert bench.holds(bytes(image))
    assert job.recovery.highest is Level.NONE


def test_an_image_larger_than_flash_is_refused_before_anything_is_erased() -> None:
    bench = Bench(F401)
    enter(bench.rom, deadline=bench.deadline())
    with pytest.raises(DoesNotFitError, match="524288"):
        bench.job().run(bytes((512 << 10) + 1))
    assert sum(bench.sim.flash.erase_counts) == 0


@BOTH
def test_a_host_killed_at_any_byte_and_restarted_ends_in_the_right_image(lines: bool) -> None:
    image = IMAGE[:600]
    reference = Bench(F401, lines=lines)
    enter_and_flash(reference, image)
    stuck = []
    for kill_at_byte in range(reference.wire.sent_bytes):
        bench = Bench(F401, lines=lines)
        bench.restarted(kill_at_byte=kill_at_byte)
        with pytest.raises(HostKilledError):
            enter_and_flash(bench, image)
        bench.restarted()
        try:
            enter_and_flash(bench, image)
        except LinkError as error:
            stuck.append((kill_at_byte, error.hint))
            bench.sim.power_cycle()
            enter_and_flash(bench, image)
        assert bench.holds(image), f"killed at byte {kill_at_byte}"
    # Between the erase command and its page count the synchronisation is taken for a count of 0x7F7F pages:
    # 64 KiB of them would have to follow. Without NRST only a person or a power switch ends that.
    assert len(stuck) <= (0 if lines else 2)
    assert all("reset" in hint for _, hint in stuck)


def test_a_host_killed_inside_a_write_leaves_an_entry_that_is_not_clean() -> None:
    reference = Bench(F401, lines=False)
    enter_and_flash(reference)
    bench = Bench(F401, lines=False)
    bench.restarted(kill_at_byte=reference.wire.sent_bytes // 4)
    with pytest.raises(HostKilledError):
        enter_and_flash(bench)
    bench.restarted()
    assert enter(bench.rom, deadline=bench.deadline()) is Entry.PUSHED


def test_flash_with_ecc_survives_a_hang_in_a_flash_word() -> None:
    bench = Bench(H747, Faults(hang_at=At("write", 9)))
    enter(bench.rom, deadline=bench.deadline())
    bench.job().run(IMAGE)
    assert bench.holds(IMAGE)
    assert bench.sim.flash.programming_errors == 0
