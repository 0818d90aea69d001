"""What every transport must do, run over each of them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest
from serial_peers import FAR_ENDS, FarEnd

from benchrunner.deadline import Deadline
from benchrunner.errors import PortError
from benchrunner.transport import Lines, Parity, Transport
from benchrunner.transport.serial import open_transport

EVERY_BYTE = bytes(range(256))


@pytest.fixture(params=FAR_ENDS)
def far_end(request: pytest.FixtureRequest) -> Iterator[FarEnd]:
    far_end = FAR_ENDS[request.param]()
    yield far_end
    far_end.hang_up()


@pytest.fixture
def transport(far_end: FarEnd) -> Iterator[Transport]:
    transport = open_transport(far_end.url, lines=Lines())
    yield transport
    transport.close()


def read_exactly(transport: Transport, count: int) -> bytes:
    deadline, data = Deadline(60), b""
    while len(data) < count:
        piece = transport.read(count - len(data), deadline)
        assert piece, f"{count - len(data)} bytes did not arrive"
        data += piece
    return data


def test_bytes_reach_the_device_unchanged(far_end: FarEnd, transport: Transport) -> None:
    transport.write(EVERY_BYTE * 4)
    assert far_end.receive(1024) == EVERY_BYTE * 4


def test_bytes_of_the_device_arrive_unchanged(far_end: FarEnd, transport: Transport) -> None:
    far_end.send(EVERY_BYTE * 4)
    assert read_exactly(transport, 1024) == EVERY_BYTE * 4


def test_erased_flash_arrives_whole(far_end: FarEnd, transport: Transport) -> None:
    far_end.send(b"\xff" * 2049 + b"\x01")
    assert read_exactly(transport, 2050) == b"\xff" * 2049 + b"\x01"


def test_a_read_returns_no_more_than_it_was_asked_for(far_end: FarEnd, transport: Transport) -> None:
    far_end.send(b"abcdef")
    assert read_exactly(transport, 2) == b"ab"
    assert transport.read(1, Deadline(60)) == b"c"
    assert read_exactly(transport, 3) == b"def"


def test_a_read_of_a_silent_device_ends_with_its_deadline(far_end: FarEnd, transport: Transport) -> None:
    began = time.monotonic()
    assert transport.read(16, Deadline(0.05)) == b""
    assert time.monotonic() - began > 0.04


def test_a_read_wakes_when_a_byte_is_there(far_end: FarEnd, transport: Transport) -> None:
    transport.write(b"?")
    answer = threading.Thread(target=lambda: far_end.send(far_end.receive(1)))
    answer.start()
    assert transport.read(16, Deadline(60)) == b"?"
    answer.join()


def test_discarded_input_is_gone_and_counted(far_end: FarEnd, transport: Transport) -> None:
    far_end.send(b"stale boot chatter")
    assert transport.read(1, Deadline(60)) == b"s"
    dropped = transport.discard_input()
    assert dropped == 17
    assert transport.discard_input() == 0
    far_end.send(b"fresh")
    assert read_exactly(transport, 5) == b"fresh"


def test_the_format_changes_without_reopening(far_end: FarEnd, transport: Transport) -> None:
    for baud_hz, parity in ((57600, Parity.EVEN), (115200, Parity.NONE), (57600, Parity.EVEN)):
        transport.set_format(baud_hz, parity)
        transport.write(b"\x7f")
        assert far_end.receive(1) == b"\x7f"


def test_a_device_that_goes_away_is_a_port_error(far_end: FarEnd, transport: Transport) -> None:
    far_end.hang_up()
    with pytest.raises(PortError, match="lost") as raised:
        transport.read(1, Deadline(60))
    assert raised.value.hint
    assert transport.description.split(" ")[0] in raised.value.message


def test_what_arrived_before_the_loss_can_be_read(far_end: FarEnd, transport: Transport) -> None:
    if far_end.url.startswith("/"):
        far_end.send(b"last words")
        assert read_exactly(transport, 10) == b"last words"  # a pty drops them when its master closes
    else:
        far_end.send(b"last words")
        far_end.hang_up()
        assert read_exactly(transport, 10) == b"last words"


def test_a_closed_port_is_a_port_error_and_closes_twice(far_end: FarEnd, transport: Transport) -> None:
    transport.close()
    transport.close()
    with pytest.raises(PortError, match="closed"):
        transport.read(1, Deadline(0.1))
    with pytest.raises(PortError, match="closed"):
        transport.write(b"x")


def test_lines_that_do_not_exist_are_a_port_error(far_end: FarEnd, transport: Transport) -> None:
    assert transport.has_lines == far_end.url.startswith("rfc2217")
    if transport.has_lines:
        transport.set_lines(boot0=True, reset=True)
    else:
        with pytest.raises(PortError, match="no lines"):
            transport.set_lines(boot0=True, reset=True)


def test_bulk_data_arrives_whole(far_end: FarEnd, transport: Transport) -> None:
    data = random.Random(7).randbytes(1 << 20)
    sender = threading.Thread(target=far_end.send, args=(data,))
    sender.start()
    received = read_exactly(transport, len(data))
    sender.join()
    assert received == data
