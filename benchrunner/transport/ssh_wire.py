"""The way to an SSH server: TCP or a jump host, the handshake, and the check of the host's key."""

from __future__ import annotations

import errno
import re
import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from benchrunner.deadline import Deadline
from benchrunner.errors import (
    BenchrunnerError,
    ConnectionLostError,
    DeadlineExceededError,
    HostKeyError,
    HostUnreachableError,
    UsageError,
)
from benchrunner.transport.known_hosts import (
    HostKey,
    Verdict,
    judge,
    known_kinds,
    own_known_hosts,
    read_entries,
    usual_known_hosts,
)
from benchrunner.transport.paramiko_library import paramiko_library
from benchrunner.transport.ssh_proxy import ProxyProcess
from benchrunner.transport.ssh_target import SshTarget

HANDSHAKE_BYTES: Final = 1 << 20
"""What a server may send until somebody is logged in; OpenSSH needs 4 KB."""

_LARGEST_PACKET_BYTES: Final = 256 << 10  # OpenSSH's own limit (PACKET_MAX_SIZE)
_UNACKNOWLEDGED_MS: Final = 60_000
_KEEP_ALIVE_S: Final = 30
_JOIN_S: Final = 1.0  # paramiko's thread looks ten times a second whether it is to end
_NEWS_S: Final = 1.0  # between the end of the channels of a lost connection and that of the connection itself
_NEWS_STEP_S: Final = 0.01
_ALGORITHMS: Final = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_UNREACHABLE: Final = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}


class GuardedSocket:
    """A socket, a ProxyCommand, or a channel through a jump host, that takes no more bytes than were allowed.

    paramiko keeps what a server sends until somebody reads it, without a limit; a board that has gone mad
    must not fill the memory of this computer.
    """

    def __init__(self, carrier: Any, allowance_bytes: int) -> None:
        self._carrier = carrier
        self._left_bytes = allowance_bytes
        self._is_tcp = isinstance(carrier, socket.socket)
        self._closed = False  # paramiko asks for it
        self.overflowed = False

    def allow(self, more_bytes: int) -> None:
        """From now on that many bytes may come; what was allowed before is forgotten."""
        self._left_bytes = more_bytes

    def recv(self, size: int) -> bytes:
        data: bytes = self._carrier.recv(size)
        if self._is_tcp:
            # OpenSSH holds small packets back until the last one is acknowledged, and Linux acknowledges
            # 40 ms late: without this a connection's first command takes that long.
            with suppress(OSError):  # closed meanwhile
                self._carrier.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            self.overflowed = True
            raise ConnectionAbortedError(errno.ECONNABORTED, "the server sends more than it was asked for")
        return data

    def send(self, data: bytes) -> int:
        sent: int = self._carrier.send(data)
        return sent

    @property
    def epitaph(self) -> str:
        """What the program said that is the way, with which status it ended; empty where there is none."""
        return self._carrier.epitaph() if isinstance(self._carrier, ProxyProcess) else ""

    def settimeout(self, seconds: float | None) -> None:
        self._carrier.settimeout(seconds)

    def getpeername(self) -> Any:
        return self._carrier.getpeername()

    def fileno(self) -> int:
        number: int = self._carrier.fileno()
        return number

    def close(self) -> None:
        """Close now: a thread that waits in `recv` is woken."""
        self._closed = True
        if self._is_tcp:
            try:
                self._carrier.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # not connected any more
            self._carrier.close()
        else:
            close_channel(self._carrier)


@contextmanager
def with_epitaph(guarded: GuardedSocket) -> Iterator[None]:
    """A connection that is lost because the program on its way has ended: the error has its words."""
    try:
        yield
    except ConnectionLostError as error:
        if not (said := guarded.epitaph):
            raise
        raise ConnectionLostError(f"{error.message}; {said}", hint=error.hint) from error


def connect_tcp(target: SshTarget, deadline: Deadline) -> socket.socket:
    """A connection that sends small packets at once and notices that the other end is gone."""
    where = target.address
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise HostUnreachableError(
            f"{where}: no such host: {error.strerror or error}",
            hint="see the spelling; a board without a name in the network is reached by its address",
        ) from error
    last: OSError | None = None
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(max(0.001, deadline.remaining_s()))
            connection.connect(address)
            # Requests are a few bytes and wait for their answer: Nagle's delay would cost 40 ms each.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
            return connection
        except OSError as error:
            connection.close()
            last = error
        except BaseException:
            connection.close()
            raise
    raise _unreachable(where, last, deadline) from last


def _unreachable(where: str, error: OSError | None, deadline: Deadline) -> BenchrunnerError:
    match error:
        case TimeoutError():
            return HostUnreachableError(
                f"{where}: no answer within {deadline.budget_s:g} s",
                hint="is the board on, booted, and in this network? `ping` tells; a firewall may drop it",
            )
        case ConnectionRefusedError():
            return HostUnreachableError(
                f"{where}: the board is there and refuses the connection",
                hint="no SSH server listens on that port; a board that is still booting needs a moment",
            )
        case OSError(errno=number) if number in _UNREACHABLE:
            return HostUnreachableError(
                f"{where}: no way to the host: {error.strerror}",
                hint="is the board on, and its cable plugged in? STM32MP boards are 192.168.7.1 by USB",
            )
    return HostUnreachableError(f"{where}: cannot connect: {error}")


def handshake(
    target: SshTarget, carrier: Any, deadline: Deadline, *, check_key: bool = True
) -> tuple[Any, GuardedSocket]:
    """Agree on keys with the server and check who it is; nobody is logged in yet.

    Raises `HostKeyError`, `HostUnreachableError`, `DeadlineExceededError`; the carrier is closed then.
    """
    guarded = GuardedSocket(carrier, HANDSHAKE_BYTES)
    try:
        transport = _transport(guarded)
        try:
            transport.banner_timeout = transport.handshake_timeout = max(0.1, deadline.remaining_s())
            entries = [] if target.host_key else read_entries(key_files_of(target))
            _prefer(transport, target, known_kinds(entries, *looked_up(target)))
            _start(transport, guarded, target, deadline)
            transport.set_keepalive(_KEEP_ALIVE_S)
            if check_key:
                _check_key(target, server_key(transport), entries)
        except BaseException:
            close_transport(transport, guarded)
            raise
    except BaseException:
        guarded.close()
        raise
    return transport, guarded


def close_channel(channel: Any) -> None:
    """End a channel, also when its connection has just gone."""
    try:
        channel.close()
    except (paramiko_library().SSHException, OSError, EOFError):
        pass


def stands(transport: Any) -> bool:
    """Whether the connection is there, asked when a channel has ended.

    paramiko ends the channels of a lost connection first and says then that it is lost, so whoever asks at
    once is told that it stands. The wait is over at once where it does not.
    """
    end_s = time.monotonic() + _NEWS_S
    while transport.is_active() and time.monotonic() < end_s:
        transport.join(_NEWS_STEP_S)
    return bool(transport.is_active())


def close_transport(transport: Any, guarded: GuardedSocket) -> None:
    """End a connection and its thread; harmless when done twice."""
    guarded.close()  # first: it wakes the thread
    transport.close()
    if transport.is_alive():
        transport.join(_JOIN_S)


def server_key(transport: Any) -> HostKey:
    """The key that the server has proved to have."""
    key = transport.host_key  # get_remote_server_key() is an error once the server has hung up
    return HostKey(str(key.get_name()), bytes(key.asbytes()))


def _transport(guarded: GuardedSocket) -> Any:
    paramiko = paramiko_library()

    class BoundedPacketizer(paramiko.Packetizer):  # type: ignore[misc, name-defined]
        """paramiko believes a packet that says it is 4 GB long."""

        def read_all(self, n: int, check_rekey: bool = False) -> Any:
            if n > _LARGEST_PACKET_BYTES:
                raise paramiko.SSHException(f"a packet of {n} bytes")
            return super().read_all(n, check_rekey)

    return paramiko.Transport(guarded, packetizer_class=BoundedPacketizer)


def _prefer(transport: Any, target: SshTarget, kinds: list[str]) -> None:
    """Ask the server for a key of a type that we can compare."""
    if target.host_key is not None:
        kinds = [_pinned(target).kind]
    options = transport.get_security_options()
    offered = tuple(options.key_types)
    wanted = [name for kind in kinds for name in _ALGORITHMS.get(kind, (kind,)) if name in offered]
    options.key_types = (*wanted, *(name for name in offered if name not in wanted))


def _start(transport: Any, guarded: GuardedSocket, target: SshTarget, deadline: Deadline) -> None:
    paramiko = paramiko_library()
    hint = "is it an SSH server that listens there?"
    try:
        transport.start_client(timeout=deadline.remaining_s())
    except (paramiko.SSHException, OSError, EOFError) as error:
        # paramiko has limits of its own that end with the deadline: whichever is first, it is the same error.
        deadline.check(f"{target.address}: handshake", hint=guarded.epitaph or hint)
        if said := guarded.epitaph:
            hint = f"`ssh {shlex.quote(target.given[-1] if target.given else target.address)}` runs it, too"
            raise HostUnreachableError(f"{target.address}: no SSH handshake: {said}", hint=hint) from error
        raise HostUnreachableError(
            f"{target.address}: no SSH handshake: {plain(error)}"
            + (f" (more than {HANDSHAKE_BYTES >> 10} KiB before the login)" if guarded.overflowed else ""),
            hint="the board closed the connection: it may still be booting, or refuse this computer"
            if isinstance(error, EOFError)
            else hint,
        ) from error
    if not transport.initial_kex_done:
        raise DeadlineExceededError(
            f"{target.address}: handshake: not done within {deadline.budget_s:g} s",
            hint=guarded.epitaph or hint,
        )


def plain(said: BaseException | str) -> str:
    """What a library or a board says, on one line, without control characters, and not endless."""
    text = str(said) or type(said).__name__
    cleaned = re.sub(r"[^ -~\u00a0-\uffff]+", " ", text).strip()
    return cleaned if len(cleaned) <= 200 else f"{cleaned[:200]}..."


def key_files_of(target: SshTarget) -> tuple[Path, ...]:
    return (own_known_hosts(), *(usual_known_hosts() if target.known_hosts is None else target.known_hosts))


def looked_up(target: SshTarget) -> tuple[str, int]:
    # An alias stands for the key, wherever the host is: ssh leaves the port away then.
    return (target.host_key_alias, 22) if target.host_key_alias else (target.host, target.port)


def _pinned(target: SshTarget) -> HostKey:
    try:
        return HostKey.parse(target.host_key or "")
    except ValueError as error:
        raise UsageError(f"{target.address}: the pinned host key is none: {error}") from error


def _check_key(target: SshTarget, key: HostKey, entries: list[Any]) -> None:
    where, shown = target.address, f"{key.fingerprint} ({key.kind})"
    if target.host_key is not None:
        if key.blob != _pinned(target).blob:
            raise HostKeyError(
                f"{where}: another server than the one that was started: its key is {shown}",
                hint="the port belongs to another program now",
            )
        return
    judgement = judge(entries, *looked_up(target), key)
    lines = ", ".join(f"{entry.path}:{entry.line_number}" for entry in judgement.because)
    accept = how_to_accept(target, key)
    match judgement.verdict:
        case Verdict.KNOWN:
            return
        case Verdict.UNKNOWN:
            others = f"; other keys of it are known ({lines})" if lines else ""
            raise HostKeyError(
                f"{where}: unknown host key {shown}{others}",
                hint="compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the "
                f"board's console, then: {accept}",
            )
        case Verdict.CHANGED:
            old = judgement.because[0]
            raise HostKeyError(
                f"{where}: the host key has changed: it was {old.key.fingerprint} ({lines}), "
                f"now it is {shown}",
                hint="another board answers, or somebody is in between. After a new system on the board: "
                + how_to_replace(target, old.path, accept),
            )
        case Verdict.REVOKED:
            raise HostKeyError(
                f"{where}: the host key {shown} is marked as revoked ({lines})",
                hint="do not log in; give the board a new host key",
            )


def how_to_accept(target: SshTarget, key: HostKey) -> str:
    """The command that stores the key of a host."""
    return f"benchrunner accept-host-key {shlex.join(target.given or (target.address,))} {key.fingerprint}"


def how_to_replace(target: SshTarget, path: Path, accept: str) -> str:
    """The commands that replace the known key of a host by the one just seen."""
    if path == own_known_hosts():
        return accept
    host, port = looked_up(target)
    name = host if port == 22 else f"[{host}]:{port}"
    return f"ssh-keygen -R '{name}' -f '{path}', then: {accept}"
