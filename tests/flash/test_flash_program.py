"""What a flash job does on a healthy board: order, skipping, journal, progress, entry and exit."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from flash.direct_wire import Bench

from benchrunner import image as image_format
from benchrunner.board import load_board
from benchrunner.errors import DeadlineExceededError, DoesNotFitError, LinkError
from benchrunner.flash.entry import Entry, enter, leave
from benchrunner.flash.journal import Journal, SectorState
from benchrunner.flash.program import Compare, Options, program
from benchrunner.flash.rom import SIMULATED, Timings
from benchrunner.flash.sectors import Progress
from benchrunner.record import Flashing
from benchrunner.simulator.board import Boot
from benchrunner.simulator.faults import At, Faults

MCU_BOARDS = [
    "b-l475e-iot01a",
    "b-u585i-iot02a",
    "nucleo-f401re",
    "nucleo-h7a3zi-q",
    "nucleo-l4r5zi",
    "nucleo-u575zi-q",
    "stm32f469i-disco",
    "stm32f746g-disco",
    "stm32f769i-disco",
    "stm32h747i-disco",
    "stm32l4r9i-disco",
]
F401 = load_board("nucleo-f401re")


def make_image(payload_bytes: int, seed: int = 1) -> bytes:
    return image_format.build(
        vectors=(0x20010000).to_bytes(4, "little") + (0x08000401).to_bytes(4, "little"),
        chip_id=0x433,
        model_sha256=bytes(32),
        text={"board": "nucleo-f401re"},
        payload=random.Random(seed).randbytes(payload_bytes),
        align_bytes=32,
    )


def flash(
    bench: Bench, image: bytes, journal: Journal | None = None, options: Options | None = None
) -> Flashing:
    entry = enter(bench.rom, deadline=bench.deadline())
    return bench.job(journal=journal, options=options, clean_entry=entry.clean).run(image)


@pytest.mark.parametrize("board_id", MCU_BOARDS)
def test_every_board_takes_an_image(board_id: str) -> None:
    bench = Bench(load_board(board_id))
    image = random.Random(2).randbytes(70_001)
    flashing = flash(bench, image)
    assert bench.holds(image)
    assert bench.sim.flash.programming_errors == 0
    assert flashing.verified_by == "read-back"
    assert flashing.image_bytes == 70_001
    assert 70_001 <= flashing.written_bytes <= 70_001 + 32
    assert flashing.retries == flashing.link_errors == flashing.skipped_sectors == 0
    needed = [s for s in bench.sim.flash.sectors if s.address < bench.sim.flash.base + len(image)]
    assert bench.sim.flash.erase_counts == [int(i < len(needed)) for i in range(len(bench.sim.flash.sectors))]
    assert flashing.erased_sectors == len(needed)


def test_more_pages_than_an_erase_command_holds_are_all_erased() -> None:
    bench = Bench(load_board("nucleo-u575zi-q"), flash=bytes(2 << 20))  # pages of 8 KiB that must be erased
    image = bytearray(b"\xff" * (250 * 8192))
    image[::8192] = bytes(250)
    flash(bench, bytes(image[8191:]))
    assert bench.holds(bytes(image[8191:]))
    l4 = Bench(load_board("b-l475e-iot01a"), flash=bytes(1 << 20))  # 2 KiB pages
    flash(l4, b"\xff" * (300 * 2048))
    assert l4.sim.flash.erase_counts[:301] == [1] * 300 + [0]


def test_the_same_image_again_costs_less_than_a_tenth_on_the_wire(tmp_path: Path) -> None:
    bench, image = Bench(F401), make_image(200_000)
    journal_path = tmp_path / "journal.json"
    first = flash(bench, image, Journal(journal_path))
    first_bytes = bench.wire.wire_bytes
    bench.restarted()
    again = flash(bench, image, Journal(journal_path))
    assert (first.verified_by, again.verified_by) == ("read-back", "sample")
    assert again.written_bytes == again.erased_sectors == 0
    assert again.skipped_sectors == first.erased_sectors
    assert bench.wire.wire_bytes < 0.1 * first_bytes


def test_without_a_journal_an_unchanged_image_is_read_back_whole() -> None:
    bench, image = Bench(F401), make_image(50_000)
    flash(bench, image)
    bench.restarted()
    again = flash(bench, image)
    assert (again.verified_by, again.written_bytes, again.erased_sectors) == ("read-back", 0, 0)
    assert bench.wire.received_bytes > len(image)


def test_full_comparison_is_had_by_asking_for_it(tmp_path: Path) -> None:
    bench, image = Bench(F401), make_image(50_000)
    flash(bench, image, Journal(tmp_path / "journal.json"))
    again = flash(bench, image, Journal(tmp_path / "journal.json"), Options(compare=Compare.FULL))
    assert again.verified_by == "read-back"


def test_one_flipped_byte_behind_the_journals_back_is_found_by_the_full_comparison(tmp_path: Path) -> None:
    bench, image = Bench(F401), make_image(50_000)
    flash(bench, image, Journal(tmp_path / "journal.json"))
    bench.sim.flash.program(bench.sim.flash.base + 30_001, b"\x00")
    again = flash(bench, image, Journal(tmp_path / "journal.json"), Options(compare=Compare.FULL))
    assert bench.holds(image)
    assert again.erased_sectors == 1


def test_another_image_behind_the_journals_back_is_found_by_the_sample(tmp_path: Path) -> None:
    bench, image = Bench(F401), make_image(50_000)
    flash(bench, image, Journal(tmp_path / "journal.json"))
    flash(bench, make_image(50_000, seed=2))
    again = flash(bench, image, Journal(tmp_path / "journal.json"))
    assert bench.holds(image)
    assert again.verified_by == "read-back"


def test_only_sectors_that_differ_are_written() -> None:
    bench, image = Bench(F401), bytearray(random.Random(3).randbytes(100_000))
    flash(bench, bytes(image))
    image[0x4000] ^= 0xFF  # sector 1
    flashing = flash(bench, bytes(image))
    assert bench.holds(bytes(image))
    assert bench.sim.flash.erase_counts[:5] == [1, 2, 1, 1, 1]
    assert (flashing.erased_sectors, flashing.skipped_sectors) == (1, 4)
    assert flashing.written_bytes == 0x4000


def test_an_interrupted_job_never_leaves_a_vector_table_over_half_an_image() -> None:
    image = make_image(60_000)
    for nth in (1, 20, 100, 180, 230):
        bench = Bench(F401, Faults(hang_at=At("write", nth, onwards=True)), lines=False)
        with pytest.raises(LinkError):
            flash(bench, image)
        content = bench.sim.flash.content
        assert content[:4] == b"\xff" * 4 or content[0x4000 : len(image)] == image[0x4000:]


def test_an_interruption_says_what_is_on_the_board_and_withdraws_the_claim(tmp_path: Path) -> None:
    bench, image = Bench(F401), make_image(60_000)
    path = tmp_path / "journal.json"
    flash(bench, make_image(60_000, seed=2), Journal(path))
    assert path.exists()

    def stop_after_a_third(progress: Progress) -> None:
        if progress.phase == "write" and progress.done_bytes > progress.total_bytes // 3:
            raise KeyboardInterrupt

    journal = Journal(path)
    enter(bench.rom, deadline=bench.deadline())
    with pytest.raises(KeyboardInterrupt) as raised:
        program(
            bench.rom, F401, image, deadline=bench.deadline(), journal=journal, progress=stop_after_a_third
        )
    assert journal.sectors[1] is SectorState.VERIFIED
    assert journal.sectors[0] is SectorState.ERASED
    assert "0 erased, 1 verified, 2 being written, 3 erased" in raised.value.__notes__[0]
    assert not path.exists()
    bench.restarted()
    flash(bench, image, Journal(path))
    assert bench.holds(image)
    assert path.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 2}', b"\xff\xfe"])
def test_a_damaged_journal_vouches_for_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(content)
    assert not Journal(path).vouches_for("00", 0x433)


def test_the_journal_of_another_chip_vouches_for_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.json")
    journal.begin("ab", {0: SectorState.UNTOUCHED})
    journal.finish(0x433)
    assert journal.vouches_for("ab", 0x433)
    assert not journal.vouches_for("ab", 0x450)
    assert not journal.vouches_for("cd", 0x433)


def test_the_devices_checksum_verifies_in_a_fraction_of_the_bytes() -> None:
    image = make_image(100_000)
    read_back, by_checksum = Bench(F401), Bench(F401, checksum=True)
    flash(read_back, image)
    flashing = flash(by_checksum, image, options=Options(checksum=True))
    assert flashing.verified_by == "checksum"
    assert by_checksum.holds(image)
    assert by_checksum.wire.received_bytes < 0.1 * read_back.wire.received_bytes


def test_a_checksum_that_was_not_asked_for_is_not_trusted() -> None:
    bench, image = Bench(F401, checksum=True), make_image(20_000)
    assert flash(bench, image).verified_by == "read-back"


def test_a_checksum_that_is_not_offered_falls_back_to_reading_back() -> None:
    bench, image = Bench(F401), make_image(20_000)
    assert flash(bench, image, options=Options(checksum=True)).verified_by == "read-back"


def test_a_checksum_that_hangs_falls_back_to_reading_back() -> None:
    bench, image = Bench(F401, Faults(hang_at=At("checksum")), checksum=True), make_image(20_000)
    assert flash(bench, image, options=Options(checksum=True)).verified_by == "read-back"
    assert bench.holds(image)


def test_progress_never_goes_back_within_a_phase_and_ends_whole() -> None:
    bench, image = Bench(F401), make_image(50_000)
    seen: list[Progress] = []
    enter(bench.rom, deadline=bench.deadline())
    program(bench.rom, F401, image, deadline=bench.deadline(), progress=seen.append)
    for phase in ("compare", "erase", "write"):
        steps = [p for p in seen if p.phase == phase]
        assert [p.done_bytes for p in steps] == sorted(p.done_bytes for p in steps)
        assert steps[-1].done_bytes == steps[-1].total_bytes > 0


def test_the_whole_job_ends_with_its_deadline() -> None:
    bench = Bench(F401, Faults(slow_line=9600))
    enter(bench.rom, deadline=bench.deadline())
    began_s = bench.time()
    with pytest.raises(DeadlineExceededError, match="20 s"):
        bench.job(budget_s=20).run(make_image(100_000))
    assert bench.time() - began_s < 21


def test_an_empty_image_is_refused() -> None:
    bench = Bench(F401)
    enter(bench.rom, deadline=bench.deadline())
    with pytest.raises(DoesNotFitError, match="empty"):
        bench.job().run(b"")


def test_the_bootloader_is_entered_by_boot0_and_nrst_in_this_order() -> None:
    bench = Bench(F401, boot=Boot.APP)
    assert enter(bench.rom, deadline=bench.deadline()) is Entry.LINES
    assert bench.wire.line_changes == [(True, True), (True, False)]


def test_the_application_is_started_by_a_reset_with_boot0_low() -> None:
    bench = Bench(F401)
    enter(bench.rom, deadline=bench.deadline())
    bench.wire.line_changes.clear()
    leave(bench.rom, 0x08000000, deadline=bench.deadline())
    assert bench.wire.line_changes == [(False, True), (False, False)]


def test_without_lines_the_firmware_is_asked_to_jump() -> None:
    bench = Bench(F401, lines=False, boot=Boot.APP)
    asked = []

    def jump() -> None:
        asked.append(True)
        bench.sim.set_lines(boot0=True, reset=True)
        bench.sim.set_lines(boot0=True, reset=False)

    assert enter(bench.rom, ask_to_jump=jump, deadline=bench.deadline()) is Entry.ASKED
    assert asked == [True]


def test_a_bootloader_that_waits_is_not_asked_to_jump() -> None:
    bench = Bench(F401, lines=False)
    entry = enter(bench.rom, ask_to_jump=lambda: pytest.fail("asked"), deadline=bench.deadline())
    assert entry is Entry.WAITING


def test_a_board_that_never_answers_says_what_to_do() -> None:
    for lines, hint in ((True, "wiring"), (False, "BOOT0 high")):
        bench = Bench(F401, Faults(hang_at=At("sync", 1, onwards=True)), lines=lines)
        with pytest.raises(LinkError) as raised:
            enter(bench.rom, deadline=bench.deadline(60))
        assert hint in raised.value.hint


def test_settling_is_waited_for_before_the_input_is_dropped_and_grows() -> None:
    bench = Bench(F401, Faults(hang_at=At("sync", 1)), timings=Timings())
    slept: list[float] = []
    bench.rom._sleep = slept.append
    enter(bench.rom, deadline=bench.deadline())
    assert slept == [0.1, 0.1, 0.1, 0.2]
    assert SIMULATED.settle_s == 0
