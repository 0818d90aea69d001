"""Serves a simulated Linux board over SSH on loopback: one thread for each connection."""

from __future__ import annotations

import contextlib
import logging
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchrunner.board import Board
from benchrunner.errors import UsageError
from benchrunner.simulator.clock import BoardClock
from benchrunner.simulator.linux.faults import Interruption, LinuxFaults
from benchrunner.simulator.linux.machine import LinuxMachine
from benchrunner.simulator.linux.ssh.channel import begin
from benchrunner.simulator.linux.ssh.door import USER, Door
from benchrunner.simulator.linux.ssh.keys import KeyPair, new_key_pair, write_private
from benchrunner.simulator.linux.ssh.sftp import subsystem
from benchrunner.simulator.linux.ssh.wire import Wire

HOST = "127.0.0.1"
_MAX_CONNECTIONS = 100
_LOG = "benchrunner.simulated-board"
_CHANNEL_REQUEST = 98  # SSH_MSG_CHANNEL_REQUEST, RFC 4254
_JOIN_S = 10.0


@dataclass(frozen=True, slots=True)
class SshBoard:
    """How a simulated board is reached."""

    host: str
    port: int
    user: str
    private_key: Path  # opens it; deleted with the server
    host_key_line: str  # as a line of known_hosts
    known_hosts: Path  # a file with that line
    machine: LinuxMachine

    @property
    def host_key(self) -> str:
        """`ssh-ed25519 AAAA...`"""
        return self.host_key_line.partition(" ")[2]


@contextlib.contextmanager
def serve_ssh_board(
    board: Board,
    faults: LinuxFaults | None = None,
    *,
    clock: BoardClock | None = None,
    seed: int = 0,
    passwordless: bool = False,
) -> Iterator[SshBoard]:
    """Run `board` for as long as the block lasts.

    `passwordless` lets root in without a key, as OpenSTLinux does. Raises `UsageError` where paramiko is not
    installed, or the board runs no Linux.
    """
    machine = LinuxMachine(board, faults, clock, seed=seed)
    login, host_key = new_keys()
    announced = new_key_pair() if machine.faults.changed_host_key else host_key
    with tempfile.TemporaryDirectory(prefix="benchrunner-sim-") as folder:
        private = Path(folder) / "id_ed25519"
        write_private(private, login)
        server = _Server(machine, login, host_key, passwordless)
        line = f"[{HOST}]:{server.port} {announced.public}"
        known_hosts = private.with_name("known_hosts")
        known_hosts.write_text(line + "\n", encoding="ascii")
        try:
            yield SshBoard(HOST, server.port, USER, private, line, known_hosts, machine)
        finally:
            server.stop()


def new_keys() -> tuple[KeyPair, KeyPair]:
    """Raises `UsageError` where the packages are missing."""
    try:
        import paramiko  # noqa: F401

        return new_key_pair(), new_key_pair()
    except ModuleNotFoundError as error:
        raise UsageError(
            f"a simulated Linux board needs the package {error.name}, which is not installed",
            hint="pip install 'benchrunner[ssh]'",
        ) from error


class _Server:
    def __init__(self, machine: LinuxMachine, login: KeyPair, host_key: KeyPair, passwordless: bool) -> None:
        import io

        import paramiko

        self._machine, self._login, self._passwordless = machine, login, passwordless
        self._host_key = paramiko.Ed25519Key(file_obj=io.StringIO(host_key.private))
        self._door_kind: Any = type("BoardDoor", (Door, paramiko.ServerInterface), {})
        self._subsystem = subsystem()
        self._lock = threading.Lock()
        self._connections: dict[Any, Wire] = {}
        logger = logging.getLogger(_LOG)
        logger.propagate = False  # what clients do wrong is no business of the host's log
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
        machine.on_reboot = self._drop_all
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="simulated board, SSH server", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while not self._machine.stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            try:
                self._welcome(connection)
            except Exception as error:  # whatever one connection does, the next one is served
                logging.getLogger(_LOG).warning("connection refused: %s", error)
                connection.close()

    def _welcome(self, connection: socket.socket) -> None:
        import paramiko

        with self._lock:
            for ended in [each for each in self._connections if not each.is_alive()]:
                del self._connections[ended]
            full = len(self._connections) >= _MAX_CONNECTIONS
        if full or self._machine.stopped.is_set():
            connection.close()
            return
        wire = Wire(connection, self._machine.counters)
        match self._machine.counters.reach("connect"):
            case Interruption.DROP:
                wire.drop()
                wire.close()
                return
            case Interruption.REBOOT:
                wire.close()
                self._machine.reboot()
                return
            case Interruption.HANG:
                wire.stalled.set()
        transport: Any = paramiko.Transport(wire)  # type: ignore[arg-type,unused-ignore]  # a socket to paramiko
        transport.local_version = "SSH-2.0-OpenSSH_9.6-benchrunner-simulated"
        transport.set_log_channel(_LOG)
        transport.daemon = True
        transport.add_server_key(self._host_key)
        handler, interface = self._subsystem
        transport.set_subsystem_handler("sftp", handler, interface)
        door = self._door_kind(
            self._machine, self._login.public, self._passwordless, wire.drop, wire.stalled.set
        )
        _begin_after_the_reply(transport, door)
        self._machine.remember(door.process)
        wire.on_close = lambda: self._machine.forget(door.process)
        with self._lock:
            self._connections[transport] = wire
        transport.start_server(event=threading.Event(), server=door)

    def _drop_all(self) -> None:
        with self._lock:
            wires = list(self._connections.values())
        for wire in wires:
            wire.drop()

    def stop(self) -> None:
        self._machine.stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(_JOIN_S)
        with self._lock:
            transports = list(self._connections.items())
        for transport, wire in transports:
            wire.drop()
            transport.close()
        for transport, _ in transports:
            if transport.is_alive():  # joining one that was never started is an error
                transport.join(_JOIN_S)


def _begin_after_the_reply(transport: Any, door: Door) -> None:
    """Start commands once their request has been answered.

    paramiko asks the door and sends the answer in one go. A command that is faster than the answer would
    close the channel before the client knows that it was accepted.
    """
    table = dict(transport._channel_handler_table)
    handle = table[_CHANNEL_REQUEST]

    def handle_then_begin(channel: Any, message: Any) -> None:
        handle(channel, message)
        wish = door.to_begin(channel)
        if wish is not None:
            begin(door, channel, wish)

    table[_CHANNEL_REQUEST] = handle_then_begin
    transport._channel_handler_table = table
