"""A Linux board over SSH: connections, directly or through jump hosts, as a `Shell`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from benchrunner.deadline import Deadline
from benchrunner.errors import (
    BenchrunnerError,
    BoardError,
    ConnectionLostError,
    HostKeyError,
    HostUnreachableError,
)
from benchrunner.transport.known_hosts import HostKey, Verdict, accept, judge, own_known_hosts, read_entries
from benchrunner.transport.paramiko_library import paramiko_library
from benchrunner.transport.shell import MAX_OUTPUT_BYTES, Finished
from benchrunner.transport.ssh_command import Command, command_line, ending_words, new_mark
from benchrunner.transport.ssh_dialogue import SshDialogue
from benchrunner.transport.ssh_files import Files, NotWrittenError
from benchrunner.transport.ssh_login import log_in
from benchrunner.transport.ssh_proxy import ProxyProcess
from benchrunner.transport.ssh_target import SshTarget
from benchrunner.transport.ssh_wire import (
    GuardedSocket,
    close_channel,
    close_transport,
    connect_tcp,
    handshake,
    how_to_accept,
    how_to_replace,
    key_files_of,
    looked_up,
    plain,
    server_key,
    with_epitaph,
)

_OVERHEAD_BYTES: Final = 8 << 20  # windows of two channels, headers, key exchange: beyond what was asked for
_JUMP_BYTES: Final = 1 << 40  # what goes through a jump host is counted at its end
_ENDING_S: Final = 15.0
_GRACE_S: Final = 2.0  # a command gets its own deadline's error before the connection is cut
LEAVING_S: Final = 3.0
"""For all that is done on the board after a Ctrl-C: a hung one takes it all, a healthy one a tenth."""


def open_ssh(target: SshTarget, deadline: Deadline, *, leaving_s: float = LEAVING_S) -> SshShell:
    """Log in to a board, through its jump hosts; raises `LabError`s that say what to do.

    `leaving_s`: for everything together that is done after a Ctrl-C. The host's key must be known
    (`accept_host_key`), or be the one that `target` pins.
    """
    with _Chain() as chain:
        for hop in (*target.jumps, target):
            transport, guarded = handshake(hop, chain.way_to(hop, deadline), deadline)
            chain.add(hop, transport, guarded)
            with with_epitaph(chain.nearest):
                log_in(transport, hop, deadline)
            guarded.allow(_JUMP_BYTES)
        return SshShell(target, chain.take(), leaving_s)


def accept_host_key(target: SshTarget, fingerprint: str, deadline: Deadline) -> HostKey:
    """Store the key that the host shows now, if it is the one of that fingerprint (`SHA256:...`).

    Only benchrunner's own file is written. Raises `HostKeyError` when the host shows another key, or while
    another file still holds an older one.
    """
    with _Chain() as chain:
        for hop in target.jumps:
            transport, guarded = handshake(hop, chain.way_to(hop, deadline), deadline)
            chain.add(hop, transport, guarded)
            with with_epitaph(chain.nearest):
                log_in(transport, hop, deadline)
            guarded.allow(_JUMP_BYTES)
        transport, guarded = handshake(target, chain.way_to(target, deadline), deadline, check_key=False)
        chain.add(target, transport, guarded)
        key = server_key(transport)
    if key.fingerprint != fingerprint:
        raise HostKeyError(
            f"{target.address}: the host shows the key {key.fingerprint} ({key.kind}), not {fingerprint}",
            hint="nothing was stored; read the fingerprint on the board's console",
        )
    own = own_known_hosts()
    host, port = looked_up(target)
    others = [entry for entry in read_entries(key_files_of(target)) if entry.path != own]
    judgement = judge(others, host, port, key)
    if judgement.verdict is Verdict.REVOKED:
        raise HostKeyError(f"{target.address}: the key {fingerprint} is marked as revoked")
    if judgement.verdict is Verdict.CHANGED:
        entry = judgement.because[0]
        raise HostKeyError(
            f"{target.address}: {entry.path}:{entry.line_number} still holds an older key of the host",
            hint=how_to_replace(target, entry.path, how_to_accept(target, key)),
        )
    accept(host, port, key, own)
    return key


class _Chain:
    """Connections through one another; closed from the far end when something goes wrong."""

    def __init__(self) -> None:
        self._links: list[tuple[SshTarget, Any, GuardedSocket]] = []

    def __enter__(self) -> _Chain:
        return self

    def __exit__(self, *_: object) -> None:
        close_links(self.take())

    def add(self, hop: SshTarget, transport: Any, guarded: GuardedSocket) -> None:
        self._links.append((hop, transport, guarded))

    @property
    def nearest(self) -> GuardedSocket:
        """What the first connection goes through, and all the others with it."""
        return self._links[0][2]

    def take(self) -> list[tuple[SshTarget, Any, GuardedSocket]]:
        """The connections; whoever takes them closes them."""
        links, self._links = self._links, []
        return links

    def way_to(self, hop: SshTarget, deadline: Deadline) -> Any:
        """A TCP connection, a ProxyCommand, or a channel through the last host."""
        if not self._links and hop.proxy_command is not None:
            return ProxyProcess(hop.proxy_command, hop.address)
        if not self._links:
            return connect_tcp(hop, deadline)
        paramiko = paramiko_library()
        last, transport, _ = self._links[-1]
        try:
            return transport.open_channel(
                "direct-tcpip",
                (hop.host, hop.port),
                ("127.0.0.1", 0),
                timeout=max(0.1, deadline.remaining_s()),
            )
        except (paramiko.SSHException, EOFError, OSError) as error:
            deadline.check(f"{hop.address}: connection through {last.address}")
            raise HostUnreachableError(
                f"{hop.address}: cannot be reached through {last.address}: {plain(error)}",
                hint=f"does `ssh {last.user}@{last.host}` work, and does that host reach the board?",
            ) from error


def close_links(links: list[tuple[SshTarget, Any, GuardedSocket]]) -> None:
    """Close connections from the far end, and wait for their threads."""
    for _, transport, guarded in reversed(links):
        close_transport(transport, guarded)


class SshShell:
    """A `Shell` over an SSH connection."""

    def __init__(
        self, target: SshTarget, links: list[tuple[SshTarget, Any, GuardedSocket]], leaving_s: float
    ) -> None:
        self._target = target
        self._leaving_s = leaving_s
        self._leaving: Deadline | None = None  # since the first Ctrl-C
        self._interrupt: BaseException | None = None
        self._links = links
        self._transport = links[-1][1]
        self._guarded = links[-1][2]
        self._nearest = links[0][2]
        self._files: Files | None = None

    @property
    def description(self) -> str:
        via = "".join(f" through {hop.description}" for hop in self._target.jumps)
        if any(hop.proxy_command is not None for hop in (self._target, *self._target.jumps)):
            via += " through a ProxyCommand"
        return self._target.description + via

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as is known."""
        return bool(self._transport.is_active())

    def leave_soon(self, interrupt: BaseException) -> None:
        if interrupt is not self._interrupt:
            self._leaving = Deadline(self._leaving_s if self._interrupt is None else 0.0)
            self._interrupt = interrupt

    def run(
        self,
        argv: Sequence[str],
        deadline: Deadline,
        *,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
        folder: str | None = None,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
        on_stdout: Callable[[bytes], None] | None = None,
    ) -> Finished:
        deadline = self._at_most(deadline)
        mark = new_mark()
        line = command_line(argv, mark=mark, environment=environment, folder=folder)
        what = plain(argv[0])
        command: Command | None = None
        try:
            with self._guard(what, deadline, 2 * max_output_bytes), self._channel(what, deadline) as channel:
                command = Command(channel, what, self._target.address, deadline, mark=mark)
                try:
                    return command.finish(line, stdin, max_output_bytes, on_stdout)
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        self.leave_soon(error)
                    command.learn_group()
                    raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                self.leave_soon(error)
            if command is not None and command.group is not None and self.alive:
                self._end(command.group)
            raise

    @contextmanager
    def dialogue(
        self, argv: Sequence[str], deadline: Deadline, *, environment: Mapping[str, str] | None = None
    ) -> Iterator[SshDialogue]:
        mark = new_mark()
        line = command_line(argv, mark=mark, environment=environment)
        what = plain(argv[0])
        with self._guard(what, deadline, MAX_OUTPUT_BYTES):
            channel = self._open_channel(what, deadline)
        command = Command(channel, what, self._target.address, deadline, mark=mark)
        talk = SshDialogue(command, lambda limit, expected: self._guard(what, limit, expected, begun=True))
        try:
            try:
                with self._guard(what, deadline, MAX_OUTPUT_BYTES):
                    command.begin(line)
                yield talk
            except KeyboardInterrupt as interrupt:
                self.leave_soon(interrupt)
                raise
            finally:
                if not talk.finished:
                    command.learn_group()
                close_channel(channel)
        finally:
            if not talk.finished and command.group is not None and self.alive:
                self._end(command.group)

    def put(
        self,
        data: bytes,
        path: str,
        deadline: Deadline,
        *,
        mode: int = 0o600,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        deadline = self._at_most(deadline)
        _check_path(path)
        with self._guard(f"writing {path}", deadline, len(data) // 64):
            try:
                self._sftp(deadline).put(data, path, deadline, mode=mode, progress=progress)
            except NotWrittenError as error:
                raise self._not_written(path, len(data), error, deadline) from error

    def get(self, path: str, deadline: Deadline, *, max_bytes: int) -> bytes:
        deadline = self._at_most(deadline)
        _check_path(path)
        with self._guard(f"reading {path}", deadline, 2 * max_bytes):
            try:
                return self._sftp(deadline).get(path, deadline, max_bytes=max_bytes)
            except NotWrittenError as error:
                raise BoardError(f"{self._target.address}: {path}: cannot be read: {error}") from error

    def close(self) -> None:
        close_links(self._links)
        self._links = []

    def _at_most(self, deadline: Deadline) -> Deadline:
        return deadline if self._leaving is None else deadline.at_most(self._leaving.remaining_s())

    @contextmanager
    def _guard(
        self, what: str, deadline: Deadline, expected_bytes: int, *, begun: bool = False
    ) -> Iterator[None]:
        """No wait inside lasts longer than the deadline, and no more comes than was asked for.

        Some of paramiko's waits have no limit (the answer to a request on a channel), so the connection is
        cut when the time is up and its own limits have not helped.
        """
        deadline.check(f"{self._target.address}: {what}")
        self._guarded.allow(expected_bytes + _OVERHEAD_BYTES)
        grace_s = _GRACE_S if self._leaving is None else 0.0
        watch = threading.Timer(deadline.remaining_s() + grace_s, self._cut)
        watch.daemon = True
        watch.start()
        try:
            with with_epitaph(self._nearest):
                if not self.alive:
                    gone = f"the connection is gone; {what} was not started"
                    raise ConnectionLostError(
                        f"{self._target.address}: {f'connection lost while {what} ran' if begun else gone}",
                        hint="connect again",
                    )
                yield
        finally:
            watch.cancel()

    def _cut(self) -> None:
        self._guarded.close()
        self._transport.close()

    @contextmanager
    def _channel(self, what: str, deadline: Deadline) -> Iterator[Any]:
        channel = self._open_channel(what, deadline)
        try:
            yield channel
        finally:
            close_channel(channel)

    def _open_channel(self, what: str, deadline: Deadline) -> Any:
        paramiko = paramiko_library()
        try:
            return self._transport.open_session(timeout=max(0.1, deadline.remaining_s()))
        except (paramiko.SSHException, EOFError, OSError) as error:
            deadline.check(f"{self._target.address}: {what}")
            if isinstance(error, paramiko.ChannelException):
                raise BoardError(
                    f"{self._target.address}: the SSH server opens no further channel: {plain(error)}"
                ) from error
            raise ConnectionLostError(
                f"{self._target.address}: connection lost before {what} was started: {plain(error)}",
                hint="the board was switched off, restarted or crashed, or the network went away",
            ) from error

    def _end(self, group: int) -> None:
        """End what a command has left running on the board, as far as the connection allows."""
        deadline = self._at_most(Deadline(_ENDING_S))
        mark = new_mark()
        line = command_line(ending_words(group), mark=mark)
        try:
            with self._guard("kill", deadline, MAX_OUTPUT_BYTES), self._channel("kill", deadline) as channel:
                command = Command(channel, "kill", self._target.address, deadline, mark=mark)
                command.finish(line, b"", MAX_OUTPUT_BYTES, None)
        except BenchrunnerError:
            pass  # what went wrong before matters more

    def _sftp(self, deadline: Deadline) -> Files:
        if self._files is not None and not self._files.usable:
            self._files.close()
            self._files = None
        if self._files is None:
            channel = self._open_channel("SFTP", deadline)
            try:
                self._files = Files(channel, self._target.address, deadline)
            except BaseException:
                close_channel(channel)
                raise
        return self._files

    def _not_written(self, path: str, size: int, error: Exception, deadline: Deadline) -> BoardError:
        """Say why a file could not be written."""
        address = self._target.address
        folder = path.rpartition("/")[0] or "."
        try:
            free = free_bytes(self.run(["df", "-Pk", folder], deadline).stdout)
        except BenchrunnerError:
            free = None
        if free is not None and free < size:
            return BoardError(
                f"{address}: no space for {path}: {size} bytes needed, {free} free",
                hint="remove what is not needed on the board, or take another folder",
            )
        return BoardError(
            f"{address}: {path}: {size} bytes could not be written: {error}",
            hint=f"`df -h {folder}` and `df -i {folder}` on the board tell whether it is full",
        )


def free_bytes(listing: bytes) -> int | None:
    """What `df -Pk FOLDER` says is free; None where it says something else."""
    words = listing.decode(errors="replace").splitlines()[-1:]
    columns = words[0].split() if words else []
    return int(columns[3]) * 1024 if len(columns) >= 6 and columns[3].isdecimal() else None


def _check_path(path: str) -> None:
    if not path or "\0" in path:
        raise ValueError(f"{path!r} is no path of a file")
