"""A command on a Linux board: how it is written on the wire, and how its streams are read to the end.

The line that the board's shell gets is always of one form, made by `command_line`:

    exec sh -c SCRIPT sh MARK FOLDER WORD...

with every word quoted so that fish and csh take it as sh does: our own words have therefore neither line ends
nor `!` nor backslashes. What stands on standard output before the line `MARK` is the login shell's, such as a
.bashrc that prints. On standard error the first line of ours is `MARK PID`: with the number of the process
group a command can be ended that outlives its channel, which SSH servers leave running. The shell waits for
the command instead of becoming it, so that the death by a signal comes back as a status of 128 + n: paramiko
drops the message that SSH has for it.
"""

from __future__ import annotations

import re
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from benchrunner.deadline import Deadline
from benchrunner.errors import BoardError, ConnectionLostError, DeadlineExceededError, LinkError
from benchrunner.transport.held_back import ctrl_c_held_back
from benchrunner.transport.paramiko_library import paramiko_library
from benchrunner.transport.shell import Finished
from benchrunner.transport.ssh_wire import plain, stands

SCRIPT: Final = 'echo "$1"; echo "$1 $$" >&2; cd "$2" || exit 126; shift 2; "$@"; exit $?'
"""What the shell on the board is given; never anything else, so that a simulated board can know it."""

# `kill -0 -5` and not `kill -s 0 -- -5`: BusyBox's takes only the older form.
_END_SCRIPT: Final = (
    "list() {"
    " for s in /proc/[0-9]*/stat; do"
    ' { read -r l <"$s"; } || continue;'
    " l=${l##*) }; l=${l#* };"
    ' if [ "${l%% *}" = "$1" ]; then'
    ' [ "$2" = xxxxxxxx ] || (s=${s#/proc/}; list "${s%/stat}" "x$2");'
    " fi;"
    " done;"
    ' echo "$1"; };'
    ' alive() { for p; do kill -0 "$p" && return 0; done; return 1; };'
    ' if [ "$1" = $$ ]; then exit 0; fi;'
    ' if kill -0 "-$1"; then set -- "-$1"; else set -- $(list "$1"); fi;'
    ' for p; do kill -TERM "$p"; done;'
    ' for i in 1 2 3 4 5 6 7 8 9 10; do alive "$@" || exit 0; sleep 0.1 || sleep 1; done;'
    ' for p; do kill -KILL "$p"; done;'
)
_PIECE_BYTES: Final = 32768
_KEPT_STDERR_BYTES: Final = 64 << 10  # of a dialogue that may go on for hours
_POLL_S: Final = 0.01  # paramiko tells nobody when the window for sending opens
_GROUP_S: Final = 1.0
_LINGER_S: Final = 2.0  # a daemon that the command left behind may hold its streams open
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def command_line(
    argv: Sequence[str], *, mark: str, environment: Mapping[str, str] | None = None, folder: str | None = None
) -> str:
    """The text that SSH sends for `argv`. Raises `ValueError` for words that no shell can be given."""
    words = list(argv)
    if not words or not words[0]:
        raise ValueError("a command needs a program")
    if environment:
        for name in environment:
            if not _VARIABLE.fullmatch(name):
                raise ValueError(f"{name!r} is no name of an environment variable")
        if "=" in words[0]:
            raise ValueError(f"{words[0]!r}: env would take the program for a variable")
        words = ["env", *(f"{name}={value}" for name, value in environment.items()), *words]
    # A folder named "-" or "-x" is a name, not an option.
    where = folder if folder is None or folder.startswith("/") else f"./{folder}"
    line = shlex.join(["sh", "-c", SCRIPT, "sh", mark, where or ".", *words])
    if "\0" in line:
        raise ValueError("a word of the command holds a NUL")
    return f"exec {line}"


def new_mark() -> str:
    return f"benchrunner-{secrets.token_hex(8)}"


def ending_words(group: int) -> list[str]:
    """The command that ends another one: politely, then for good after about a second.

    OpenSSH gives each command a process group; dropbear does not, and its children are looked up then.
    """
    return ["sh", "-c", f"{{ {_END_SCRIPT} }} 2>/dev/null", "sh", str(group)]


class Command:
    """One command on one channel, from its start to its exit status.

    `mark` is the one of its command line: what the login shell prints may look like another's.
    """

    def __init__(self, channel: Any, what: str, host: str, deadline: Deadline, *, mark: str) -> None:
        self._channel = channel
        self._beginning = f"{mark}\n".encode()
        self._group = re.compile(rb"%s ([0-9]+)\n" % mark.encode())
        self._what = what
        self._host = host
        self._deadline = deadline
        self._stdout = bytearray()
        self._before: bytearray | None = bytearray()  # output of the login shell; None once ours has begun
        self._stderr = bytearray()
        self._wake = _Wake()
        self.group: int | None = None  # number of the process group on the board, once it has been told

    def finish(
        self, line: str, stdin: bytes, max_output_bytes: int, on_stdout: Callable[[bytes], None] | None
    ) -> Finished:
        """Start it, feed it, read both streams to their ends, and wait for its status."""
        self.begin(line)
        return self.end(stdin, max_output_bytes, on_stdout)

    def begin(self, line: str) -> None:
        """Start it."""
        with self._or_lost():
            self._channel.in_buffer.set_event(self._wake)
            self._channel.in_stderr_buffer.set_event(self._wake)
            self._channel.settimeout(0.0)
            self._start(line)

    def exchange(
        self, data: bytes, deadline: Deadline, max_output_bytes: int, take: Callable[[bytes], bool]
    ) -> bool:
        """Feed it and read until `take` has enough; False where its output ended before that."""
        enough = False

        def on_stdout(piece: bytes) -> None:
            nonlocal enough
            enough = take(piece) or enough

        self._deadline = deadline
        if self.group is not None:
            del self._stderr[:-_KEPT_STDERR_BYTES]
        with self._or_lost():
            self._converse(memoryview(data), max_output_bytes, on_stdout, lambda: enough)
        self._stdout.clear()
        return enough

    def end(
        self,
        stdin: bytes,
        max_output_bytes: int,
        on_stdout: Callable[[bytes], None] | None,
        deadline: Deadline | None = None,
    ) -> Finished:
        """Give it the last of its input, read both streams to their ends, and wait for its status."""
        self._deadline = deadline or self._deadline
        with self._or_lost():
            self._converse(memoryview(stdin), max_output_bytes, on_stdout)
            self._await_status()
        status = int(self._channel.exit_status)
        self._note_group()
        if status < 0:
            raise self._without_status()
        if self.group is None:
            said = plain(bytes(self._stderr + (self._before or b"")).decode(errors="replace"))
            raise BoardError(
                f"{self._host}: the login shell did not run {self._what}: status {status}, it says: {said}",
                hint="the account needs a shell that takes commands, such as /bin/sh",
            )
        stderr = self._group.sub(b"", bytes(self._stderr), count=1)
        return Finished(status, bytes(self._stdout), stderr)

    @contextmanager
    def _or_lost(self) -> Iterator[None]:
        try:
            yield
        except (paramiko_library().SSHException, EOFError, OSError) as error:
            raise self.lost(error) from error

    def learn_group(self) -> None:
        """Wait a moment for the number of the process group, which may come after the first output."""
        end_s = time.monotonic() + _GROUP_S
        try:
            while self.group is None and time.monotonic() < end_s:
                if self._channel.recv_stderr_ready():
                    self._stderr += bytes(self._channel.recv_stderr(_PIECE_BYTES))
                    self._note_group()
                elif self._channel.eof_received or self._channel.closed:
                    return
                else:
                    time.sleep(_POLL_S)
        except (OSError, EOFError, paramiko_library().SSHException):
            return  # the connection has gone, and with it the way to the group

    def lost(self, error: BaseException | None) -> LinkError | DeadlineExceededError:
        """What to raise when the connection ended under the command."""
        if self._deadline.expired:
            return self.late()
        if self._channel.transport.sock.overflowed:
            return LinkError(
                f"{self._host}: while {self._what} ran, the board sent more than it was asked for",
                hint="its SSH server does not keep to the protocol; the connection was cut",
            )
        reason = f": {plain(error)}" if error is not None and str(error) else ""
        return ConnectionLostError(
            f"{self._host}: connection lost while {self._what} ran{reason}",
            hint="the board was switched off, restarted or crashed, or the network went away",
        )

    def late(self) -> DeadlineExceededError:
        return DeadlineExceededError(
            f"{self._host}: {self._what}: not done within {self._deadline.budget_s:g} s",
            hint="the board is slower than expected, or the command hangs",
        )

    def _start(self, line: str) -> None:
        try:
            self._channel.exec_command(line)
        except paramiko_library().SSHException as error:
            if stands(self._channel.transport):
                raise BoardError(
                    f"{self._host}: the SSH server refuses to run commands ({plain(error)})",
                    hint="the account may be for file transfer only",
                ) from error
            raise

    def _converse(
        self,
        stdin: memoryview,
        limit: int,
        on_stdout: Callable[[bytes], None] | None,
        enough: Callable[[], bool] | None = None,
    ) -> None:
        """Until both streams have ended; with `enough` until that says so, and its input stays open."""
        quiet_s = 0.0
        stdin_open = True
        while True:
            with ctrl_c_held_back():
                if self._drain(limit, on_stdout):
                    quiet_s = 0.0
                if enough is not None and enough():
                    return
                if self._channel.eof_received or self._channel.closed:
                    self._drain(limit, on_stdout)
                    return
                if stdin_open:
                    stdin = self._feed(stdin)
                    if not stdin:
                        if enough is None:
                            self._channel.shutdown_write()
                        stdin_open = False
                ended = self._channel.exit_status_ready()
            if self._deadline.expired:
                raise self.late()
            pause_s = min(_POLL_S if stdin_open else 1.0, self._deadline.remaining_s())
            if not self._wake.wait(pause_s) and ended:
                quiet_s += pause_s
                if quiet_s >= _LINGER_S:
                    return

    def _feed(self, stdin: memoryview) -> memoryview:
        while stdin and self._channel.send_ready():
            try:
                sent = int(self._channel.send(bytes(stdin[:_PIECE_BYTES])))
            except TimeoutError:
                return stdin
            except OSError:
                if not self._channel.closed:
                    raise
                sent = 0
            if sent == 0:
                return stdin[:0]  # the command has ended, or reads no more
            stdin = stdin[sent:]
        return stdin

    def _drain(self, limit: int, on_stdout: Callable[[bytes], None] | None) -> bool:
        """Take over what has come on both streams."""
        found = False
        while self._channel.recv_stderr_ready():
            found = True
            self._bounded(
                self._stderr, bytes(self._channel.recv_stderr(_PIECE_BYTES)), limit, "standard error"
            )
        if found and self.group is None:
            self._note_group()
        while self._channel.recv_ready():
            piece = self._own(bytes(self._channel.recv(_PIECE_BYTES)), limit)
            found = True
            self._bounded(self._stdout, piece, limit, "standard output")
            if on_stdout is not None and piece:
                on_stdout(piece)
        return found

    def _own(self, piece: bytes, limit: int) -> bytes:
        """The part of standard output that is not the login shell's."""
        if self._before is None:
            return piece
        self._bounded(self._before, piece, limit, "standard output")
        at = self._before.find(self._beginning)
        if at < 0:
            return b""
        rest = bytes(self._before[at + len(self._beginning) :])
        self._before = None
        return rest

    def _bounded(self, stream: bytearray, piece: bytes, limit: int, name: str) -> None:
        stream += piece
        if len(stream) > limit:
            raise LinkError(
                f"{self._host}: {self._what} printed more than {limit} bytes on {name}",
                hint="it starts with: " + plain(bytes(stream[:120]).decode(errors="replace")),
            )

    def _note_group(self) -> None:
        if found := self._group.search(bytes(self._stderr[: 64 << 10])):
            self.group = int(found[1])

    def _await_status(self) -> None:
        if not self._channel.status_event.wait(self._deadline.remaining_s()):
            raise self.late()

    def _without_status(self) -> LinkError | DeadlineExceededError:
        if not stands(self._channel.transport):
            return self.lost(self._channel.transport.get_exception())
        return LinkError(
            f"{self._host}: {self._what} ended without an exit status",
            hint="it was killed on the board: `dmesg` tells whether memory ran out",
        )


class _Wake(threading.Event):
    """Set when something has come on either stream; only the waiting thread clears it."""

    def clear(self) -> None:
        """paramiko clears when one stream is empty, and would hide what is on the other."""

    def wait(self, timeout: float | None = None) -> bool:
        found = super().wait(timeout)
        super().clear()
        return found
