"""Files to and from a Linux board by SFTP, with a deadline for every wait."""

from __future__ import annotations

import errno
import posixpath
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from benchrunner.deadline import Deadline
from benchrunner.errors import BenchrunnerError, BoardError, ConnectionLostError, DeadlineExceededError
from benchrunner.transport.paramiko_library import paramiko_library
from benchrunner.transport.ssh_wire import close_channel, plain, stands

_REMOVE_S: Final = 1.0
_PIECE_BYTES: Final = 32768  # what every SFTP server takes in one request


class NotWrittenError(Exception):
    """The server took the file only in part and does not say why, as OpenSSH does when a disk is full."""


class Files:
    """An SFTP conversation over one channel.

    It is `usable` as long as every request had its answer: not after a deadline, not after nonsense.
    """

    def __init__(self, channel: Any, host: str, deadline: Deadline) -> None:
        paramiko = paramiko_library()
        self._host = host
        self._channel = channel
        self.usable = True
        try:
            self._limit(deadline, "SFTP")
            channel.invoke_subsystem("sftp")
            self._sftp: Any = paramiko.SFTPClient(channel)
        except (paramiko.SSHException, EOFError, OSError, paramiko.SFTPError) as error:
            # A server without SFTP says no, or yes and hangs up at once.
            if isinstance(error, TimeoutError) or deadline.expired or not stands(channel.transport):
                raise self._lost("SFTP", error, deadline) from error
            if "Garbage" in str(error):
                raise BoardError(
                    f"{host}: the login shell prints something before SFTP begins",
                    hint="~/.bashrc and the like may print only where there is a terminal: "
                    "`ssh HOST true` must print nothing",
                ) from error
            raise BoardError(
                f"{host}: the board offers no SFTP ({plain(error)})",
                hint="install the package openssh-sftp-server on the board",
            ) from error

    def put(
        self,
        data: bytes,
        path: str,
        deadline: Deadline,
        *,
        mode: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        """Write a file; raises `NotWrittenError` where the server fails without a reason.

        It is written beside its place and moved there when it is whole: what was there before stays until
        then, and neither a link nor a device that has the name is written to.
        """
        what = f"writing {path}"
        partial = f"{path}.{secrets.token_hex(4)}.part"
        self.usable = False
        try:
            self._limit(deadline, what)
            with self._opened(partial, "wbx") as file:
                file.chmod(mode)
                self._write(file, data, deadline, what, progress)
            found_bytes = int(self._sftp.stat(partial).st_size)
            if found_bytes != len(data):
                raise NotWrittenError(f"{found_bytes} of {len(data)} bytes arrived")
            self._sftp.posix_rename(partial, path)
            self.usable = True
        except BaseException as error:
            self._remove(partial)
            if isinstance(error, Exception):
                raise self._failure(what, path, error, deadline) from error
            raise

    def get(self, path: str, deadline: Deadline, *, max_bytes: int) -> bytes:
        """Read a file, whatever size it claims to have: files of /proc say 0."""
        what = f"reading {path}"
        data = bytearray()
        self.usable = False
        try:
            self._limit(deadline, what)
            with self._opened(path, "rb") as file:
                while piece := bytes(file.read(_PIECE_BYTES)):
                    data += piece
                    if len(data) > max_bytes:
                        raise BoardError(f"{self._host}: {path}: larger than the {max_bytes} bytes expected")
                    self._limit(deadline, what)
            self.usable = True
        except Exception as error:
            raise self._failure(what, path, error, deadline) from error
        return bytes(data)

    def close(self) -> None:
        close_channel(self._channel)

    @contextmanager
    def _opened(self, path: str, mode: str) -> Iterator[Any]:
        file = self._sftp.open(path, mode)
        try:
            yield file
            file.close()
        except BaseException:
            # Closing waits for an answer: not until the deadline where Ctrl-C meets a server that hangs.
            self._channel.settimeout(_REMOVE_S)
            self._attempt(file.close)
            raise

    def _remove(self, path: str) -> None:
        """Remove a file, as far as that is possible."""
        self._attempt(lambda: self._channel.settimeout(_REMOVE_S))
        self._attempt(lambda: self._sftp.remove(path))

    def _attempt(self, tidying: Callable[[], None]) -> None:
        """Tidy up as far as that is possible: what went wrong before matters more."""
        paramiko = paramiko_library()
        try:
            tidying()
        except (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError):
            pass  # not there, or the connection is gone

    def _write(
        self,
        file: Any,
        data: bytes,
        deadline: Deadline,
        what: str,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        pieces = range(0, len(data), _PIECE_BYTES)
        for offset in pieces:
            # Requests go out without waiting for answers; the last one waits for all of them, so that
            # no refusal is missed.
            file.set_pipelined(offset != pieces[-1])
            file.write(data[offset : offset + _PIECE_BYTES])
            self._limit(deadline, what)
            if progress is not None:
                progress(min(offset + _PIECE_BYTES, len(data)), len(data))

    def _limit(self, deadline: Deadline, what: str) -> None:
        deadline.check(f"{self._host}: {what}")
        self._channel.settimeout(max(0.001, deadline.remaining_s()))

    def _failure(self, what: str, path: str, error: Exception, deadline: Deadline) -> Exception:
        paramiko = paramiko_library()
        if isinstance(error, BenchrunnerError | NotWrittenError):
            self.usable = not isinstance(error, DeadlineExceededError)
            return error
        channel = self._channel  # its end is told before that of the connection
        if deadline.expired or channel.eof_received or channel.closed or not channel.transport.is_active():
            return self._lost(what, error, deadline)
        match error:
            case OSError(errno=errno.ENOENT):
                self.usable = True
                folder = posixpath.dirname(path)
                return BoardError(
                    f"{self._host}: {path}: not there", hint=f"see `ls -la {folder}` on the board"
                )
            case OSError(errno=errno.EACCES):
                self.usable = True
                return BoardError(
                    f"{self._host}: {path}: no permission", hint="log in as another user, or change its mode"
                )
            case TimeoutError() | EOFError():
                return self._lost(what, error, deadline)
            case OSError():
                self.usable = True
                return NotWrittenError(plain(error))
            case paramiko.SSHException() | paramiko.SFTPError():
                return BoardError(f"{self._host}: {what}: the SFTP server answers nonsense: {plain(error)}")
        return error

    def _lost(self, what: str, error: Exception, deadline: Deadline) -> BenchrunnerError:
        if deadline.expired or isinstance(error, TimeoutError):
            return DeadlineExceededError(
                f"{self._host}: {what}: not done within {deadline.budget_s:g} s",
                hint="the network to the board is slow, or the board hangs",
            )
        reason = f": {plain(error)}" if str(error) else ""
        return ConnectionLostError(
            f"{self._host}: connection lost while {what}{reason}",
            hint="the board was switched off, restarted or crashed, or the network went away",
        )
