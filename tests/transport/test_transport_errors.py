"""Ports that cannot be opened, each with the reason and the fix; how lines and formats reach the server."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from serial_peers import PtyFarEnd, Rfc2217FarEnd

from benchrunner.deadline import Deadline
from benchrunner.errors import PortError
from benchrunner.transport import Lines, Parity, tty
from benchrunner.transport.serial import open_transport


@pytest.fixture
def pty() -> Iterator[PtyFarEnd]:
    far_end = PtyFarEnd()
    yield far_end
    far_end.hang_up()


@pytest.fixture
def server() -> Iterator[Rfc2217FarEnd]:
    far_end = Rfc2217FarEnd()
    yield far_end
    far_end.hang_up()


def test_a_missing_port_says_how_to_list_ports(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="no such port") as raised:
        open_transport(str(tmp_path / "ttyACM9"))
    assert "by-id" in raised.value.hint


def test_a_port_that_is_in_use_says_so(pty: PtyFarEnd) -> None:
    first = open_transport(pty.url)
    with pytest.raises(PortError, match="in use") as raised:
        open_transport(pty.url)
    assert "fuser" in raised.value.hint
    first.close()
    open_transport(pty.url).close()


def test_a_forbidden_port_names_the_dialout_group(monkeypatch: pytest.MonkeyPatch, pty: PtyFarEnd) -> None:
    # The tests may run as root, whom no permission stops: pyserial's own error is raised instead.
    def refuse(port: serial.Serial) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port: Permission denied")

    monkeypatch.setattr(serial.Serial, "open", refuse)
    with pytest.raises(PortError, match="no permission") as raised:
        open_transport(pty.url)
    assert "dialout" in raised.value.hint


def test_a_file_is_no_port(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("x")
    with pytest.raises(PortError, match="cannot be opened as a serial port"):
        open_transport(str(path))


def test_a_closed_tcp_port_is_a_port_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PortError, match="cannot connect") as raised:
        open_transport(f"socket://127.0.0.1:{port}")
    assert raised.value.hint


@pytest.mark.parametrize(
    "url", ["rfc2217://localhost", "socket://:99999", "socket://127.0.0.1:x", "http://h:1"]
)
def test_a_wrong_url_is_a_port_error(url: str) -> None:
    with pytest.raises(PortError) as raised:
        open_transport(url)
    assert url in raised.value.message


def test_a_server_that_refuses_rfc2217_is_told_from_one_that_speaks_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            connection.sendall(bytes((255, 254, 44)))  # IAC DONT COM-PORT
            connection.recv(1024)
            connection.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(PortError, match="does not speak RFC 2217") as raised:
            open_transport(f"rfc2217://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert "socket://" in raised.value.hint


def test_a_pty_runs_without_parity_and_says_so(pty: PtyFarEnd) -> None:
    transport = open_transport(pty.url, baud_hz=115200, parity=Parity.EVEN, lines=Lines())
    assert "8N1" in transport.description
    transport.set_format(57600, Parity.EVEN)
    transport.set_format(115200, Parity.EVEN)
    transport.close()


def test_a_write_that_nobody_takes_is_a_port_error_whatever_came_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A read may sleep in the kernel, a write after it must not: nothing would end that."""
    monkeypatch.setattr(tty, "_WRITE_STALL_S", 0.05)
    master, slave = os.openpty()
    try:
        transport = open_transport(os.ttyname(slave))
        os.write(master, b"y")
        assert transport.read(1, Deadline(30)) == b"y"
        with pytest.raises(PortError, match="took no byte"):
            transport.write(bytes(1 << 20))
        os.write(master, b"z")
        assert transport.read(1, Deadline(30)) == b"z", "the port can still be read"
        transport.close()
    finally:
        os.close(master)
        os.close(slave)


def test_a_read_sleeps_through_several_slices_until_a_byte_comes(pty: PtyFarEnd) -> None:
    transport = open_transport(pty.url)
    threading.Timer(3.5 * tty._SLICE_S, lambda: pty.send(b"late")).start()
    assert transport.read(64, Deadline(60)) == b"late"
    transport.close()


def test_opening_sets_the_format_and_rests_the_lines_without_a_reset(server: Rfc2217FarEnd) -> None:
    transport = open_transport(server.url, baud_hz=57600, parity=Parity.EVEN, lines=Lines())
    assert (server.uart.baudrate, server.uart.parity) == (57600, "E")
    assert (server.uart.rts, server.uart.dtr) == (False, True)
    assert ("dtr", False) not in server.uart.changes
    transport.close()


def test_without_wiring_the_lines_are_left_alone(server: Rfc2217FarEnd) -> None:
    server.uart.changes.clear()
    transport = open_transport(server.url)
    assert not transport.has_lines
    assert not [name for name, _ in server.uart.changes if name in ("rts", "dtr")]
    transport.close()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (Lines(), [("rts", True), ("dtr", False)]),
        (Lines(swapped=True), [("dtr", True), ("rts", False)]),
        (Lines(boot0_inverted=True), [("rts", False), ("dtr", False)]),
        (Lines(reset_inverted=True), [("rts", True), ("dtr", True)]),
    ],
)
def test_boot0_moves_before_reset_as_wired(
    server: Rfc2217FarEnd, lines: Lines, expected: list[tuple[str, bool]]
) -> None:
    transport = open_transport(server.url, lines=lines)
    server.uart.changes.clear()
    transport.set_lines(boot0=True, reset=True)
    assert [change for change in server.uart.changes if change[0] in ("rts", "dtr")] == expected
    transport.close()
