"""Hosts that are down, silent, or out of their minds: an error that says so, in time and in bounds."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest
from openssh_server import OpenSshServer, openssh_server

from benchrunner.deadline import Deadline
from benchrunner.errors import (
    BoardError,
    DeadlineExceededError,
    HostUnreachableError,
    LabError,
    LinkError,
    UsageError,
)
from benchrunner.transport import paramiko_library
from benchrunner.transport.ssh import open_ssh
from benchrunner.transport.ssh_target import SshTarget


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSshServer]:
    with openssh_server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[SshTarget]:
    """A TCP server on loopback that hands each connection to `serve`."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def handle(connection: socket.socket) -> None:
        with connection:
            try:
                serve(connection)
            except OSError:
                pass  # the client has gone

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=handle, args=(connection,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield SshTarget("127.0.0.1", "root", listener.getsockname()[1], known_hosts=(), only_key_files=True)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (acceptor, *threads):
            thread.join(60)


def until_closed(connection: socket.socket) -> None:
    connection.settimeout(60)
    while connection.recv(65536):
        pass


def silent(connection: socket.socket) -> None:
    until_closed(connection)


def hangs_up(connection: socket.socket) -> None:
    pass


def web_server(connection: socket.socket) -> None:
    connection.recv(100)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def endless_line(connection: socket.socket) -> None:
    while True:
        connection.sendall(os.urandom(65536).replace(b"\n", b"x"))


def endless_lines(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"welcome to the board\r\n" * 1000)


def drips(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def only_a_banner(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-board\r\n")
    until_closed(connection)


def garbage_after_the_banner(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-board\r\n" + b"\xff" * 4096)
    until_closed(connection)


def a_packet_of_gigabytes(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-board\r\n" + struct.pack(">IB", 0x7FFFFFFC, 4))
    while True:
        connection.sendall(bytes(1 << 20))


def an_old_protocol(connection: socket.socket) -> None:
    connection.sendall(b"SSH-1.5-board\r\n")
    until_closed(connection)


@pytest.mark.parametrize(
    "serve",
    [
        hangs_up,
        web_server,
        endless_line,
        endless_lines,
        garbage_after_the_banner,
        a_packet_of_gigabytes,
        an_old_protocol,
    ],
)
def test_what_is_no_ssh_server_is_said_to_be_none(serve: Callable[[socket.socket], None]) -> None:
    with listening(serve) as target, pytest.raises(HostUnreachableError, match="no SSH handshake") as caught:
        open_ssh(target, Deadline(60))
    assert len(caught.value.message) < 400
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("serve", [silent, drips, only_a_banner])
def test_a_server_that_keeps_us_waiting_ends_at_the_deadline(serve: Callable[[socket.socket], None]) -> None:
    with listening(serve) as target, pytest.raises(DeadlineExceededError, match="handshake: not done within"):
        open_ssh(target, Deadline(0.5))


def test_a_server_that_keeps_us_waiting_at_the_login_ends_at_the_deadline(server: OpenSshServer) -> None:
    class Slow(paramiko.ServerInterface):
        def check_auth_none(self, username: str) -> int:
            assert release.wait(60)
            return int(paramiko.AUTH_FAILED)

    release = threading.Event()
    with board(server, Slow()) as target:
        budget_s, said = 1.0, "handshake"
        while "handshake" in said:  # a loaded machine may not come to the login within the first one
            with pytest.raises(DeadlineExceededError, match="not done within") as caught:
                open_ssh(target, Deadline(budget_s))
            budget_s, said = 2 * budget_s, caught.value.message
        release.set()
    assert "login: not done within" in said


def test_a_port_where_nobody_listens_is_told_from_a_host_that_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(HostUnreachableError, match="refuses the connection"):
        open_ssh(SshTarget("127.0.0.1", "root", port), Deadline(60))

    # A queue that is full answers nobody, as a host that is down does.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        with pytest.raises(HostUnreachableError, match=r"no answer within 0\.3 s"):
            open_ssh(SshTarget("127.0.0.1", "root", full.getsockname()[1]), Deadline(0.3))
        for one in waiting:
            one.close()


def test_a_host_without_a_way_to_it_and_one_without_an_address_are_named() -> None:
    with pytest.raises(HostUnreachableError, match="no such host"):
        open_ssh(SshTarget("board.invalid", "root"), Deadline(60))
    with pytest.raises(HostUnreachableError, match=r"240\.0\.0\.1: "):
        open_ssh(SshTarget("240.0.0.1", "root"), Deadline(0.3))


class Board(paramiko.ServerInterface):
    """A server that lets everybody in; what it does then is each test's."""

    def check_auth_none(self, username: str) -> int:
        return int(paramiko.AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._execute, args=(channel, command), daemon=True).start()
        return True

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        threading.Thread(target=self._execute, args=(channel, name.encode()), daemon=True).start()
        return True

    def _execute(self, channel: paramiko.Channel, command: bytes) -> None:
        try:
            channel.recv(
                1
            )  # the client speaks, or ends its input, once it knows that its request was granted
            self.execute(channel, command)
        except (OSError, EOFError, paramiko.SSHException):
            pass  # the client has gone

    def execute(self, channel: paramiko.Channel, command: bytes) -> None:
        raise NotImplementedError


@contextmanager
def board(server: OpenSshServer, rules: paramiko.ServerInterface) -> Iterator[SshTarget]:
    def serve(connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(server.folder / "hostkey")))
        try:
            transport.start_server(server=rules)
            transport.join(60)
        except (paramiko.SSHException, EOFError):
            pass
        finally:
            transport.close()
            transport.join(60)

    with listening(serve) as target:
        yield SshTarget("127.0.0.1", "root", target.port, host_key=server.host_key, only_key_files=True)


def mark_of(command: bytes) -> bytes:
    """The word that the board has to print first (docs/decisions/ssh.md)."""
    return command[command.index(b"benchrunner-") :].split()[0]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_board_that_sends_without_being_asked_is_cut_off(server: OpenSshServer, stream: str) -> None:
    class Flood(Board):
        def execute(self, channel: paramiko.Channel, command: bytes) -> None:
            while True:
                channel.out_window_size = 1 << 30  # whatever the client allows
                (channel.send if stream == "stdout" else channel.send_stderr)(bytes(30000))

    with board(server, Flood()) as target:
        shell = open_ssh(target, Deadline(60))
        with pytest.raises(LinkError):
            shell.run(["true"], Deadline(60), max_output_bytes=1000)
        shell.close()


def test_a_board_that_floods_while_nobody_reads_is_cut_off(server: OpenSshServer) -> None:
    """A command is busy elsewhere; what comes meanwhile is kept only up to what was asked for."""
    flooded = threading.Event()

    class Flood(Board):
        def execute(self, channel: paramiko.Channel, command: bytes) -> None:
            channel.sendall(b"x")
            try:
                for _ in range(1 << 12):  # 120 MB
                    channel.out_window_size = 1 << 30
                    channel.send(bytes(30000))
            finally:
                flooded.set()

    with board(server, Flood()) as target:
        shell = open_ssh(target, Deadline(60))
        with pytest.raises(LinkError, match=r"sent more than it was asked for|printed more than"):
            shell.run(["true"], Deadline(60), on_stdout=lambda piece: flooded.wait(60) and None)
        deadline = Deadline(60)
        while shell.alive:
            deadline.check("the connection is cut")
        shell.close()


def test_a_board_that_never_answers_a_request_is_given_up(server: OpenSshServer) -> None:
    class Deaf(Board):
        def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
            assert release.wait(60)
            return False

    release = threading.Event()
    with board(server, Deaf()) as target:
        shell = open_ssh(target, Deadline(60))
        with pytest.raises(DeadlineExceededError):
            shell.run(["true"], Deadline(0.3))
        release.set()
        shell.close()


def test_a_board_that_refuses_commands_says_so(server: OpenSshServer) -> None:
    class Refusing(Board):
        def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
            return False

        def check_channel_request(self, kind: str, chanid: int) -> int:
            return int(paramiko.OPEN_SUCCEEDED if len(seen) < 1 else paramiko.OPEN_FAILED_RESOURCE_SHORTAGE)

    seen: list[int] = []
    with board(server, Refusing()) as target:
        shell = open_ssh(target, Deadline(60))
        with pytest.raises(BoardError, match="refuses to run commands"):
            shell.run(["true"], Deadline(60))
        seen.append(1)
        with pytest.raises(BoardError, match="opens no further channel"):
            shell.run(["true"], Deadline(60))
        shell.close()


def test_a_command_without_an_exit_status_is_no_success(server: OpenSshServer) -> None:
    class NoStatus(Board):
        def execute(self, channel: paramiko.Channel, command: bytes) -> None:
            channel.sendall_stderr(mark_of(command) + b" 1\n")
            channel.sendall(b"all is well\n")
            channel.close()

    with board(server, NoStatus()) as target:
        shell = open_ssh(target, Deadline(60))
        with pytest.raises(LinkError, match="true ended without an exit status"):
            shell.run(["true"], Deadline(60))
        shell.close()


def test_binary_words_of_a_board_reach_no_terminal(server: OpenSshServer) -> None:
    class Rude(Board):
        def execute(self, channel: paramiko.Channel, command: bytes) -> None:
            channel.sendall_stderr(b"\x1b[2J\x00\xff\x07bad" * 500)
            channel.send_exit_status(3)
            channel.close()

    with board(server, Rude()) as target:
        shell = open_ssh(target, Deadline(60))
        with pytest.raises(BoardError, match="did not run true: status 3") as caught:
            shell.run(["true"], Deadline(60))
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 500
        shell.close()


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x00\x00\x00\x05\x02\x00\x00\x00\x03" + b"\xff" * 70000, b"Welcome to the board\n", bytes(4096)],
    ids=["nothing", "garbage after the version", "text", "zeros"],
)
def test_an_sftp_server_that_talks_nonsense_is_an_error(server: OpenSshServer, answer: bytes) -> None:
    class Nonsense(Board):
        def execute(self, channel: paramiko.Channel, command: bytes) -> None:
            channel.sendall(answer)
            channel.recv(1 << 16)
            channel.recv(1 << 16)
            channel.close()

    with board(server, Nonsense()) as target:
        shell = open_ssh(target, Deadline(60))
        with pytest.raises(LabError):
            shell.put(b"x" * 1000, "/tmp/never", Deadline(2))
        with pytest.raises(LabError):
            shell.get("/tmp/never", Deadline(2), max_bytes=10)
        shell.close()


def test_without_paramiko_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paramiko", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        paramiko_library.paramiko_library()
    assert "benchrunner[ssh]" in caught.value.hint


def test_a_lost_connection_prints_nothing_by_itself(server: OpenSshServer, tmp_path: Path) -> None:
    """paramiko logs tracebacks, and Python prints them where nobody has set up logging."""
    script = textwrap.dedent(f"""
        import sys
        sys.path[:0] = {sys.path!r}
        from benchrunner.deadline import Deadline
        from benchrunner.errors import HostUnreachableError
        from benchrunner.transport.ssh import open_ssh
        from benchrunner.transport.ssh_target import SshTarget
        try:
            open_ssh(SshTarget("127.0.0.1", "root", int(sys.argv[1])), Deadline(60))
        except HostUnreachableError:
            print("refused")
    """)
    with listening(garbage_after_the_banner) as target:
        done = subprocess.run(
            [sys.executable, "-c", script, str(target.port)], capture_output=True, text=True, timeout=120
        )
    assert (done.stdout, done.stderr) == ("refused\n", "")
