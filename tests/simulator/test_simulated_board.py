"""Lines, power, formats and time of a simulated board."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rom_host import RomHost, make_board
from tflite_builder import small_cnn

from benchrunner.board import Board
from benchrunner.firmware.simulated import simulated_image
from benchrunner.simulator.board import Boot, Mode, SimulatedBoard
from benchrunner.simulator.clock import INSTANT, REAL, BoardClock, CycleCounter
from benchrunner.simulator.faults import Faults
from benchrunner.simulator.uart import LineFormat, heard
from benchrunner.transport import Parity

ACK = b"\x79"
ROM_LINE = LineFormat(115200, Parity.EVEN)
APP_LINE = LineFormat(115200, Parity.NONE)


@pytest.fixture
def image(board: Board) -> bytes:
    return simulated_image(board, small_cnn(), model_name="small", engine="aot", kernels="builtin-ref")


# --- where it starts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("boot0", "flashed", "mode"),
    [
        (True, False, Mode.ROM),
        (True, True, Mode.ROM),
        (False, False, Mode.DEAD),
        (False, True, Mode.APPLICATION),
    ],
)
def test_boot0_decides_when_reset_is_released(
    board: Board, image: bytes, boot0: bool, flashed: bool, mode: Mode
) -> None:
    sim = SimulatedBoard(board, flash=image if flashed else b"")
    sim.set_lines(boot0=not boot0, reset=True)
    assert sim.mode is Mode.HELD
    sim.set_lines(boot0=boot0, reset=True)
    sim.set_lines(boot0=boot0, reset=False)
    assert sim.mode is mode
    sim.set_lines(boot0=not boot0, reset=False)
    assert sim.mode is mode, "BOOT0 is sampled only when reset is released"


@pytest.mark.parametrize(
    ("boot", "flashed", "mode"),
    [
        (Boot.AUTO, False, Mode.ROM),
        (Boot.AUTO, True, Mode.APPLICATION),
        (Boot.ROM, True, Mode.ROM),
        (Boot.APP, True, Mode.APPLICATION),
        (Boot.APP, False, Mode.DEAD),
    ],
)
def test_without_lines_the_board_starts_where_it_is_told(
    board: Board, image: bytes, boot: Boot, flashed: bool, mode: Mode
) -> None:
    sim = SimulatedBoard(board, flash=image if flashed else b"", boot=boot)
    assert sim.mode is mode
    sim.power_cycle()
    assert sim.mode is mode


def test_opening_a_port_raises_both_lines_and_resets_nothing(board: Board) -> None:
    sim = SimulatedBoard(board)
    host = RomHost(sim)
    sim.set_lines(boot0=False, reset=False)
    sim.set_lines(boot0=True, reset=False)
    assert host.command(0x02)[:1] == ACK


def test_a_board_in_reset_hears_and_says_nothing(board: Board, image: bytes) -> None:
    sim = SimulatedBoard(board, flash=image)
    sim.set_lines(boot0=True, reset=True)
    sim.transmit()
    sim.receive(b"\x7f", ROM_LINE)
    sim.power_cycle()
    assert (sim.mode, sim.transmit()) == (Mode.HELD, b"")


def test_a_power_cycle_loses_ram_and_keeps_flash(board: Board) -> None:
    sim = SimulatedBoard(board)
    host = RomHost(sim)
    host.write(0x20003000, b"abcd")
    host.write(0x08000000, b"efgh")
    sim.power_cycle()
    host = RomHost(sim)
    assert host.read(0x20003000, 4)[3:] == bytes(4)
    assert host.read(0x08000000, 4)[3:] == b"efgh"


def test_a_reset_alone_keeps_ram(board: Board) -> None:
    sim = SimulatedBoard(board)
    RomHost(sim).write(0x20003000, b"abcd")
    sim.set_lines(boot0=True, reset=True)
    sim.set_lines(boot0=True, reset=False)
    assert RomHost(sim).read(0x20003000, 4)[3:] == b"abcd"


# --- the line ------------------------------------------------------------------------------------------


def test_the_rom_takes_the_baud_rate_of_the_first_sync_and_wants_even_parity(board: Board) -> None:
    sim = SimulatedBoard(board)
    sim.receive(b"\x7f", APP_LINE)
    assert sim.transmit(APP_LINE) == b"", "8N1"
    slow = LineFormat(9600, Parity.EVEN)
    sim.receive(b"\x7f", slow)
    assert sim.transmit(slow) == ACK
    sim.receive(b"\x02\xfd", ROM_LINE)
    assert bytes.fromhex("0433") not in sim.transmit(ROM_LINE), "fixed until the next reset"


def test_a_host_at_another_format_hears_garbage(board: Board) -> None:
    sim = SimulatedBoard(board)
    for line in (APP_LINE, LineFormat(38400, Parity.EVEN)):
        sim.set_lines(boot0=True, reset=True)
        sim.set_lines(boot0=True, reset=False)
        sim.receive(b"\x7f\x02\xfd", ROM_LINE)
        first = sim.transmit(line)
        assert ACK not in first
        sim.set_lines(boot0=True, reset=True)
        sim.set_lines(boot0=True, reset=False)
        sim.receive(b"\x7f\x02\xfd", ROM_LINE)
        assert sim.transmit(line) == first, "the same garbage every time"


def test_the_application_speaks_at_the_rate_of_the_virtual_com_port(board: Board, image: bytes) -> None:
    sim = SimulatedBoard(board, flash=image)
    announced = sim.transmit(APP_LINE)
    assert b"builtin-ref" in announced
    sim.power_cycle()
    assert b"builtin-ref" not in sim.transmit(ROM_LINE)


@pytest.mark.parametrize("baud_hz", [115200, 117000, 112000])
def test_clocks_that_differ_a_little_understand_each_other(baud_hz: int) -> None:
    assert heard(b"abc", APP_LINE, LineFormat(baud_hz, Parity.NONE), mark_errors=True) == b"abc"


def test_another_rate_samples_other_bits() -> None:
    slow, fast = LineFormat(9600, Parity.NONE), LineFormat(19200, Parity.NONE)
    # start bit and 0x00 are nine low bits: at twice the rate 18, of which the first ten make a byte without
    # a stop bit
    assert heard(b"\x00", slow, fast, mark_errors=True) == b"\x00"
    # 0x55 alternates, 0 1 0 1 .. 1: at half the rate the middle of a bit is the edge after every other one
    assert heard(b"\x55", fast, slow, mark_errors=True) == b"\xff"


@given(
    st.binary(max_size=50),
    st.integers(1, 1 << 32),
    st.integers(1, 1 << 32),
    st.sampled_from(list(Parity)),
    st.sampled_from(list(Parity)),
)
def test_every_pair_of_formats_has_one_result(
    data: bytes, sent_hz: int, heard_hz: int, sent_parity: Parity, heard_parity: Parity
) -> None:
    sent, receiver = LineFormat(sent_hz, sent_parity), LineFormat(heard_hz, heard_parity)
    found = heard(data, sent, receiver, mark_errors=True)
    assert found == heard(data, sent, receiver, mark_errors=True)
    assert len(found) <= 5 * len(data), "a byte has at most five falling edges"
    if sent == receiver:
        assert found == data


# --- time ----------------------------------------------------------------------------------------------


class Hand:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_instant_time_skips_what_is_modelled_and_shows_it_on_the_clock() -> None:
    hand = Hand()
    clock = BoardClock(INSTANT, monotonic=hand, sleep=hand.sleep)
    clock.advance(16.0)
    assert clock.now_s() == clock.free_s() == 116.0
    clock.sleep_s(2.0)
    assert (clock.now_s(), hand.now) == (118.0, 100.0)


def test_real_time_is_waited_for() -> None:
    hand = Hand()
    clock = BoardClock(REAL, monotonic=hand, sleep=hand.sleep)
    clock.advance(16.0)
    clock.advance(1.0)
    assert (clock.now_s(), clock.free_s()) == (100.0, 117.0)
    clock.sleep_s(20.0)
    assert (hand.now, clock.free_s()) == (120.0, 120.0)


def test_scaled_time_waits_for_its_part() -> None:
    hand = Hand()
    clock = BoardClock(0.25, monotonic=hand, sleep=hand.sleep)
    clock.advance(16.0)
    assert (clock.now_s(), clock.free_s()) == (112.0, 116.0), "4 of 16 seconds are left to wait"
    hand.now += 4.0
    assert clock.now_s() == clock.free_s() == 116.0


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="negative"):
        BoardClock(-1.0)


def test_in_real_time_the_ack_of_an_erase_comes_after_it(board: Board) -> None:
    hand = Hand()
    sim = SimulatedBoard(board, clock=BoardClock(REAL, monotonic=hand, sleep=hand.sleep))
    host = RomHost(sim)
    assert host.erase(5) == ACK, "the command is acknowledged at once"
    assert sim.next_output_in_s() == pytest.approx(2.0)
    hand.now += 1.9
    assert sim.transmit() == b""
    hand.now += 0.11
    assert sim.transmit() == ACK
    assert sim.next_output_in_s() is None


def test_a_reset_in_an_erase_takes_its_answer_away(board: Board) -> None:
    hand = Hand()
    sim = SimulatedBoard(board, clock=BoardClock(REAL, monotonic=hand, sleep=hand.sleep))
    assert RomHost(sim).erase(5) == ACK
    sim.set_lines(boot0=True, reset=True)
    sim.set_lines(boot0=True, reset=False)
    assert RomHost(sim).command(0x02)[:1] == ACK, "it answers at once"
    hand.now += 10
    assert sim.transmit() == b""


def test_bytes_sent_while_the_chip_unprotects_itself_are_lost(board: Board) -> None:
    hand = Hand()
    clock = BoardClock(REAL, monotonic=hand, sleep=hand.sleep)
    sim = SimulatedBoard(board, Faults(readout_protected=True), clock)
    host = RomHost(sim)
    assert host.command(0x92) == ACK * 2
    assert host.say(b"\x7f") == b""
    hand.now += 6.1
    assert sim.transmit() == b"", "the sync byte came while it erased"
    assert host.say(b"\x7f") == ACK


def test_the_cycle_counter_follows_the_clock_and_wraps_at_its_width() -> None:
    hand = Hand()
    clock = BoardClock(REAL, monotonic=hand)
    counter = CycleCounter(clock, 1000.0)
    short = CycleCounter(clock, 1000.0, bits=8, first=250)
    frozen = CycleCounter(clock, 1000.0, first=7, frozen=True)
    hand.now += 0.5
    assert (counter.read(), short.read(), frozen.read()) == (500, 750 % 256, 7)


@pytest.mark.parametrize("chip_id", [0x413, 0x434, 0x449, 0x451, 0x450, 0x480, 0x415, 0x470, 0x482])
def test_every_chip_answers_with_its_id(chip_id: int) -> None:
    reply = RomHost(SimulatedBoard(make_board(chip_id=chip_id))).command(0x02)
    assert reply == b"\x79\x01" + chip_id.to_bytes(2, "big") + b"\x79"
