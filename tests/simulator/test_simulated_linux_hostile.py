"""Clients that do not speak SSH, or speak it badly, harm nobody else on a simulated Linux board."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
from collections.abc import Iterator

import pytest
from linux_boards import DEADLINE_S, connected

from benchrunner.board import load_board
from benchrunner.deadline import Deadline
from benchrunner.simulator.linux import SshBoard, serve_ssh_board

BANNER = b"SSH-2.0-hostile\r\n"
CASES = {
    "nothing": b"",
    "noise": random.Random(1).randbytes(5000),
    "a web browser": b"GET / HTTP/1.1\r\nHost: board\r\n\r\n",
    "an endless banner": b"SSH-2.0-" + b"A" * 200_000,
    "a huge packet": BANNER + struct.pack(">IB", 0xFFFFFFF0, 4) + bytes(1000),
    "a packet of length 0": BANNER + struct.pack(">IB", 0, 0) * 10,
    "noise after the banner": BANNER + random.Random(2).randbytes(50_000),
    "an old protocol": b"SSH-1.5-ancient\r\n",
    "zeros": bytes(100_000),
}


@pytest.fixture(scope="module")
def board() -> Iterator[SshBoard]:
    with serve_ssh_board(load_board("stm32mp157f-dk2")) as served:
        yield served


def works(board: SshBoard) -> bool:
    with connected(board) as shell:
        return shell.run(["echo", "alive"], Deadline(DEADLINE_S)).stdout == b"alive\n"


@pytest.mark.parametrize("case", CASES)
def test_a_client_that_talks_nonsense_harms_nobody(board: SshBoard, case: str) -> None:
    with socket.create_connection((board.host, board.port), DEADLINE_S) as client:
        try:
            client.sendall(CASES[case])
        except OSError:
            pass  # the server has hung up, as it may
        assert works(board)


def test_many_idle_connections_leave_room_once_they_are_gone(board: SshBoard) -> None:
    clients = [socket.create_connection((board.host, board.port), DEADLINE_S) for _ in range(60)]
    try:
        assert works(board)
    finally:
        for client in clients:
            client.close()
    assert works(board)


def _sftp(channel: object, kind: int, body: bytes) -> None:
    channel.sendall(struct.pack(">IB", len(body) + 1, kind) + body)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "packets",
    [
        [(1, struct.pack(">I", 3)), (3, struct.pack(">II", 1, 0xFFFFFFFF))],
        [(1, struct.pack(">I", 3)), (200, struct.pack(">I", 1)), (5, b"")],
        [(1, struct.pack(">I", 3)), (3, struct.pack(">II", 1, 3) + b"\xff\xfe\xfd" + bytes(8))],
        [(99, random.Random(3).randbytes(3000))],
    ],
    ids=["a length beyond the packet", "an unknown request", "a name that is no UTF-8", "noise"],
)
def test_bad_sftp_packets_end_at_most_that_channel(board: SshBoard, packets: list[tuple[int, bytes]]) -> None:
    import paramiko

    transport = paramiko.Transport((board.host, board.port))
    try:
        transport.start_client(timeout=DEADLINE_S)
        transport.auth_publickey("root", paramiko.Ed25519Key.from_private_key_file(str(board.private_key)))
        channel = transport.open_session(timeout=DEADLINE_S)
        channel.invoke_subsystem("sftp")
        with contextlib.suppress(OSError):  # the server may end the channel at any of them
            for kind, body in packets:
                _sftp(channel, kind, body)
            channel.sendall(struct.pack(">I", 0x00FFFFFF) + bytes(10))  # a packet of 16 MB
        assert works(board)
    finally:
        transport.close()


def test_channels_without_end_are_served(board: SshBoard) -> None:
    with connected(board) as shell:
        for number in range(60):
            assert shell.run(["echo", str(number)], Deadline(DEADLINE_S)).status == 0


def test_a_server_that_ends_leaves_no_port_and_no_key_behind() -> None:
    with serve_ssh_board(load_board("stm32mp135f-dk")) as served:
        assert served.private_key.stat().st_mode & 0o777 == 0o600
        assert works(served)
    assert not served.private_key.exists()
    with pytest.raises(OSError):  # noqa: PT011  # refused, or reset, as the kernel likes
        socket.create_connection((served.host, served.port), 5.0)
