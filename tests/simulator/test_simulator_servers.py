"""The simulated board over RFC 2217 and on a pty, as a host meets them."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from open_files import open_files
from rom_host import RomHost, with_xor

from benchrunner.board import Board
from benchrunner.deadline import Deadline
from benchrunner.simulator.board import Mode, SimulatedBoard
from benchrunner.simulator.pty import serve_pty
from benchrunner.simulator.rfc2217 import ComPort, serve_rfc2217
from benchrunner.simulator.serving import Pump, Wire
from benchrunner.simulator.uart import LineFormat
from benchrunner.transport import Lines, Parity
from benchrunner.transport.network import Rfc2217Transport

BASE = 0x08000000
ACK = b"\x79"


def client(url: str, *, parity: Parity = Parity.EVEN, baud_hz: int = 115200) -> Rfc2217Transport:
    host, port = url.removeprefix("rfc2217://").split(":")
    return Rfc2217Transport(url, host, int(port), baud_hz=baud_hz, parity=parity, lines=Lines())


def read_exactly(port: Rfc2217Transport, count: int) -> bytes:
    deadline, data = Deadline(60), b""
    while len(data) < count:
        part = port.read(count - len(data), deadline)
        assert part, f"got {data.hex()}, {count - len(data)} bytes did not come"
        data += part
    return data


def read_nothing(port: Rfc2217Transport) -> bool:
    """The server answers in order, so what it sends before an acknowledged setting is all there is."""
    port.set_format(115200, Parity.EVEN)
    return port.read(1, Deadline(0)) == b""


def test_bytes_pass_unchanged_both_ways_with_every_value(board: Board) -> None:
    sim = SimulatedBoard(board)
    noise = random.Random(7).randbytes(252) + b"\xff\xff\xff\xff"
    with serve_rfc2217(sim) as url:
        port = client(url)
        port.write(b"\x7f")
        assert read_exactly(port, 1) == ACK
        port.write(b"\x31\xce" + with_xor(BASE.to_bytes(4, "big")) + with_xor(b"\xff" + noise))
        assert read_exactly(port, 3) == ACK * 3
        port.write(b"\x11\xee" + with_xor(BASE.to_bytes(4, "big")) + b"\xff\x00")
        assert read_exactly(port, 259) == ACK * 3 + noise
        port.close()


@pytest.mark.parametrize(("parity", "baud_hz"), [(Parity.NONE, 115200), (Parity.EVEN, 2_000_000)])
def test_a_sync_with_the_wrong_format_is_not_answered(board: Board, parity: Parity, baud_hz: int) -> None:
    with serve_rfc2217(SimulatedBoard(board)) as url:
        port = client(url, parity=parity, baud_hz=baud_hz)
        port.write(b"\x7f")
        assert read_nothing(port)
        port.write(b"\x7f")
        assert read_exactly(port, 1) == ACK, "the right format works afterwards"
        port.close()


def test_a_host_that_changes_its_baud_rate_after_the_sync_gets_garbage(board: Board) -> None:
    with serve_rfc2217(SimulatedBoard(board)) as url:
        port = client(url)
        port.write(b"\x7f")
        assert read_exactly(port, 1) == ACK
        port.set_format(57600, Parity.EVEN)
        port.write(b"\x02\xfd")
        port.set_format(115200, Parity.EVEN)  # answered behind whatever the board said
        heard = port.read(100, Deadline(0))
        assert b"\x04\x33" not in heard, "the chip id does not come through"
        port.close()


def test_the_lines_reset_the_board_and_choose_where_it_starts(board: Board) -> None:
    sim = SimulatedBoard(board)
    with serve_rfc2217(sim) as url:
        port = client(url)
        port.write(b"\x7f")
        assert read_exactly(port, 1) == ACK
        port.set_lines(boot0=True, reset=True)
        assert sim.mode is Mode.HELD
        port.set_lines(boot0=True, reset=False)
        assert sim.mode is Mode.ROM
        port.write(b"\x7f")
        assert read_exactly(port, 1) == ACK, "a first sync again"
        port.set_lines(boot0=False, reset=True)
        port.set_lines(boot0=False, reset=False)
        assert sim.mode is Mode.DEAD, "BOOT0 low and nothing in flash"
        port.close()


def test_the_next_client_finds_the_board_as_the_last_one_left_it(board: Board) -> None:
    with serve_rfc2217(SimulatedBoard(board)) as url:
        first = client(url)
        first.write(b"\x7f")
        assert read_exactly(first, 1) == ACK
        first.close()
        second = client(url)
        second.write(b"\x02\xfd")
        assert read_exactly(second, 5) == bytes.fromhex("7901043379")
        second.close()


def test_the_next_client_is_served_however_late_the_server_reads_what_the_last_one_left(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim = SimulatedBoard(board)
    reading, release = threading.Event(), threading.Event()
    receive = sim.receive

    def receive_late(data: bytes, line: LineFormat | None = None) -> None:
        reading.set()
        assert release.wait(60)
        receive(data, line)

    with serve_rfc2217(sim) as url:
        first = client(url)
        monkeypatch.setattr(sim, "receive", receive_late)
        first.write(b"\x7f")
        assert reading.wait(60)
        first.write(b"\x02\xfd")
        first.close()
        address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        with socket.create_connection(address, timeout=60) as second:
            release.set()
            assert second.recv(1), "it is greeted, and not turned away"


def test_a_second_client_is_turned_away(board: Board) -> None:
    with serve_rfc2217(SimulatedBoard(board)) as url:
        port = client(url)
        address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        with socket.create_connection(address, timeout=60) as second:
            second.settimeout(60)
            assert second.recv(1) == b""
        port.write(b"\x7f")
        assert read_exactly(port, 1) == ACK
        port.close()


def test_hostile_telnet_bytes_do_not_stop_the_server(board: Board) -> None:
    noise = random.Random(11)
    with serve_rfc2217(SimulatedBoard(board)) as url:
        address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        for _ in range(5):
            with socket.create_connection(address, timeout=60) as hostile:
                hostile.sendall(b"\xff\xfa" + bytes(5000))
                hostile.sendall(
                    bytes(noise.choice(b"\xff\xfa\xf0\xfb\xfd\x2c\x01\x05\x00\x7f") for _ in range(5000))
                )
                hostile.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionError):
                    while hostile.recv(65536):
                        pass
        port = client(url)
        port.set_lines(boot0=True, reset=True)
        port.set_lines(boot0=True, reset=False)
        port.write(b"\x7f")
        assert read_exactly(port, 1) == ACK
        port.close()


def test_closing_a_server_leaves_no_thread_and_no_file(board: Board) -> None:
    with serve_rfc2217(SimulatedBoard(board)), serve_pty(SimulatedBoard(board)):
        pass
    # What was there before may go at any time: threads of an earlier test, files that are collected.
    files, threads = open_files(), set(threading.enumerate())
    for _ in range(3):
        with serve_rfc2217(SimulatedBoard(board)) as url, serve_pty(SimulatedBoard(board)):
            port = client(url)
            assert len(set(threading.enumerate()) - threads) == 2
            port.close()
    assert set(threading.enumerate()) <= threads
    assert open_files() <= files


def test_a_server_closes_while_its_client_is_connected(board: Board) -> None:
    with serve_rfc2217(SimulatedBoard(board)) as url:
        address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        connected = socket.create_connection(address, timeout=60)
        connected.recv(1)
    connected.settimeout(60)
    with connected, contextlib.suppress(ConnectionError):
        while connected.recv(4096):
            pass


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def exchange(descriptor: int, data: bytes, count: int) -> bytes:
    os.write(descriptor, data)
    answer = b""
    while len(answer) < count:
        ready, _, _ = select.select([descriptor], [], [], 60)
        assert ready, f"got {answer.hex()}"
        answer += os.read(descriptor, count - len(answer))
    return answer


def test_a_pty_carries_every_byte_and_outlives_its_client(board: Board) -> None:
    data = bytes(range(256))
    sim = SimulatedBoard(board)
    with serve_pty(sim) as path:
        with opened(path) as tty:
            assert exchange(tty, b"\x7f", 1) == ACK
            write = b"\x31\xce" + with_xor(BASE.to_bytes(4, "big")) + with_xor(b"\xff" + data)
            assert exchange(tty, write, 3) == ACK * 3
        with opened(path) as tty:
            read = b"\x11\xee" + with_xor(BASE.to_bytes(4, "big")) + b"\xff\x00"
            assert exchange(tty, read, 259) == ACK * 3 + data


def test_a_throttled_pty_takes_the_time_of_the_wire(board: Board) -> None:
    sim = SimulatedBoard(board)
    with serve_pty(sim, throttle_baud=115200) as path, opened(path) as tty:
        assert exchange(tty, b"\x7f", 1) == ACK
        began = time.monotonic()
        for _ in range(4):
            exchange(tty, b"\x11\xee" + with_xor(BASE.to_bytes(4, "big")) + b"\xff\x00", 259)
        spent = time.monotonic() - began
    # The server's clock started with the first byte, a little before ours: a millisecond of 102.
    assert spent >= 4 * 268 * 11 / 115200 - 0.001, "never faster than the line"


def test_the_wire_delivers_each_byte_when_its_bits_have_passed() -> None:
    wire = Wire()
    wire.send(b"abcd", 10.0, 0.5)
    wire.send(b"ef", 10.25, 0.5)
    assert list(wire.take(10.25)) == []
    assert list(wire.take(11.0)) == [(11.0, b"ab")]
    assert wire.next_s() == 11.5
    assert list(wire.take(13.0)) == [(12.0, b"cd"), (13.0, b"ef")]
    assert wire.next_s() is None
    wire.send(b"g", 20.0, 0.5)
    assert list(wire.take(20.5)) == [(20.5, b"g")]


def test_a_client_that_leaves_bytes_on_a_slow_line_leaves_no_busy_loop(board: Board) -> None:
    now = [100.0]
    pump = Pump(SimulatedBoard(board), 300, monotonic=lambda: now[0])
    assert pump.from_host(b"\x7f\x00\xff", None) == b""
    assert pump.timeout_s() == pytest.approx(11 / 300, abs=0.001)
    now[0] += 10.0
    pump.drop_output(None)
    assert pump.timeout_s() is None


@given(st.binary(max_size=40), st.lists(st.integers(0, 80), max_size=6))
def test_telnet_escapes_survive_every_way_to_cut_them(data: bytes, cuts: list[int]) -> None:
    seen = bytearray()

    class Control:
        def data(self, data: bytes) -> None:
            seen.extend(data)

        def lines(self, *, dtr: bool, rts: bool) -> None:
            seen.extend(b"lines")

        def purge_input(self) -> None:
            seen.extend(b"purge")

    port = ComPort(Control(), LineFormat(115200, Parity.NONE), dtr=True, rts=False)
    command = b"\xff\xfa\x2c\x05\x09\xff\xf0"  # DTR off
    stream = data.replace(b"\xff", b"\xff\xff") + command + data.replace(b"\xff", b"\xff\xff")
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    for first, last in pairwise(edges):
        port.feed(stream[first:last])
    assert bytes(seen) == data + b"lines" + data
    assert not port.dtr


def test_an_idle_server_uses_no_processor_time(board: Board) -> None:
    with serve_rfc2217(SimulatedBoard(board)) as url, serve_pty(SimulatedBoard(board)) as path:
        port = client(url)
        with opened(path):
            sleeper = threading.Event()
            before = time.process_time()
            sleeper.wait(0.2)
            assert time.process_time() - before < 0.05
        port.close()


def test_rom_host_and_server_agree(board: Board) -> None:
    """The sans-IO board answers the same bytes that a server sends."""
    direct = RomHost(SimulatedBoard(board)).command(0x00)
    with serve_pty(SimulatedBoard(board)) as path, opened(path) as tty:
        exchange(tty, b"\x7f", 1)
        assert exchange(tty, b"\x00\xff", len(direct)) == direct
