"""A connection that is lost is said to be lost, however late paramiko's own thread says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from openssh_server import OpenSshServer, openssh_server

from benchrunner.deadline import Deadline
from benchrunner.errors import BoardError, ConnectionLostError
from benchrunner.transport.ssh import SshShell, open_ssh
from benchrunner.transport.ssh_command import Command
from benchrunner.transport.ssh_files import Files


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSshServer]:
    with openssh_server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def shell(server: OpenSshServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshShell]:
    """Its thread stands still between telling the channels that all is over and saying so itself."""
    unlink = paramiko.Channel._unlink

    def unlink_and_stand_still(channel: paramiko.Channel) -> None:
        unlink(channel)
        threading.Event().wait(0.1)

    monkeypatch.setattr(paramiko.Channel, "_unlink", unlink_and_stand_still)
    opened = open_ssh(server.target(), Deadline(60))
    yield opened
    opened.close()


def lose(server: OpenSshServer, channel: Any) -> None:
    """Cut the connection, and wait until its channels know."""
    deadline = Deadline(60)
    while not channel.closed:
        server.drop_connections()
        deadline.check("the connection is cut")


def losing(server: OpenSshServer, method: Callable[..., None], *, before: bool) -> Callable[..., None]:
    def lose_and_go_on(self: Any, *arguments: Any) -> None:
        channel = self if isinstance(self, paramiko.Channel) else self._channel
        if before:
            lose(server, channel)
        method(self, *arguments)
        if not before:
            lose(server, channel)

    return lose_and_go_on


def test_before_a_command_is_asked_for(
    shell: SshShell, server: OpenSshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Command, "_start", losing(server, Command._start, before=True))
    with pytest.raises(ConnectionLostError, match="connection lost while true ran"):
        shell.run(["true"], Deadline(60))


def test_before_a_command_has_ended(
    shell: SshShell, server: OpenSshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Command, "_start", losing(server, Command._start, before=False))
    with pytest.raises(ConnectionLostError, match="connection lost while sleep ran"):
        shell.run(["sleep", "600"], Deadline(60))


@pytest.mark.parametrize("before", [True, False])
def test_while_the_transfer_of_files_is_asked_for(
    shell: SshShell, server: OpenSshServer, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    invoke = losing(server, paramiko.Channel.invoke_subsystem, before=before)
    monkeypatch.setattr(paramiko.Channel, "invoke_subsystem", invoke)
    with pytest.raises(ConnectionLostError, match="connection lost while SFTP"):
        shell.get("/proc/version", Deadline(60), max_bytes=4096)


def test_a_board_without_sftp_that_hangs_up_at_once_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke = paramiko.Channel.invoke_subsystem

    def invoke_and_wait(channel: paramiko.Channel, subsystem: str) -> None:
        invoke(channel, subsystem)
        deadline = Deadline(60)
        while not channel.closed:
            deadline.check("the board has answered")

    monkeypatch.setattr(paramiko.Channel, "invoke_subsystem", invoke_and_wait)
    with openssh_server(tmp_path, sftp="/no/such/program") as bare:
        opened = open_ssh(bare.target(), Deadline(60))
        with pytest.raises(BoardError, match="offers no SFTP"):
            opened.get("/proc/version", Deadline(60), max_bytes=4096)
        opened.close()


def test_while_a_file_is_written(
    shell: SshShell, server: OpenSshServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Files, "_write", losing(server, Files._write, before=False))
    with pytest.raises(ConnectionLostError, match="connection lost while writing"):
        shell.put(b"x", str(tmp_path / "file"), Deadline(60))


def test_ctrl_c_is_not_hidden_by_what_closing_the_file_says(
    shell: SshShell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def answers_nonsense(file: paramiko.SFTPFile) -> None:
        raise paramiko.SSHException("Server connection dropped")

    def interrupt(done_bytes: int, all_bytes: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(paramiko.SFTPFile, "close", answers_nonsense)
    with pytest.raises(KeyboardInterrupt):
        shell.put(b"x", str(tmp_path / "file"), Deadline(60), progress=interrupt)


def test_the_key_of_a_server_that_hangs_up_after_the_handshake_is_known(
    server: OpenSshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = paramiko.Transport.start_client

    def start_and_lose(transport: paramiko.Transport, timeout: float) -> None:
        start(transport, timeout=timeout)
        transport.close()

    monkeypatch.setattr(paramiko.Transport, "start_client", start_and_lose)
    with pytest.raises(ConnectionLostError, match="connection lost during the login"):
        open_ssh(server.target(), Deadline(60))
