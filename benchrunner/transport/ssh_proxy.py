"""The program of a `ProxyCommand`: its standard streams are the way to an SSH server."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from typing import Any, Final

from benchrunner.errors import HostUnreachableError, UsageError

_KEPT_BYTES: Final = 4096  # of what it says: the end of it tells why it ended
_PIECE_BYTES: Final = 4096
_POLITE_S: Final = 0.5  # to end by itself when its streams end, and then between SIGTERM and SIGKILL
_EPITAPH_S: Final = 2.0  # its end comes a moment after the end of its output
_POLL_S: Final = 0.01
_TOKEN: Final = re.compile(r"%(.?)", re.DOTALL)


def expand_tokens(text: str, values: dict[str, str], where: str) -> str:
    """`%h` and the like, as ssh_config(5) has them for ProxyCommand and ProxyJump; `%%` is a percent sign.

    Raises `UsageError` for a token that ssh does not know there either.
    """

    def one(found: re.Match[str]) -> str:
        token = found[1]
        if token == "%":
            return "%"
        if token not in values:
            known = ", ".join(f"%{name}" for name in values)
            raise UsageError(f"{where}: unknown token {found[0]!r}", hint=f"known are {known} and %%")
        return values[token]

    return _TOKEN.sub(one, text)


class ProxyProcess:
    """A running ProxyCommand, as the socket that paramiko and `GuardedSocket` take it for.

    It is run as ssh does: by the user's shell, which it replaces. Unlike ssh's it has a session of its own:
    a Ctrl-C of the terminal would end it before the board is put back, and what it asked for on the terminal
    nobody could answer. It is ended with all its children.
    """

    def __init__(self, command: str, address: str) -> None:
        shell = os.environ.get("SHELL") or "/bin/sh"
        ours, theirs = socket.socketpair()
        said, says = os.pipe()
        try:
            self._process = subprocess.Popen(
                [shell, "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=says,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            ours.close()
            os.close(said)
            raise HostUnreachableError(
                f"{address}: ProxyCommand: {shell} cannot be started: {error}",
                hint="the environment variable SHELL names it",
            ) from error
        finally:
            theirs.close()
            os.close(says)
        self._socket = ours
        self._stderr = bytearray()
        self._status: int | None = None  # below 0: the signal that ended it
        self._silent = False  # its output has ended
        self._ended_here = False
        self._ending = threading.Lock()
        self._stop_reading, self._stop = os.pipe()
        self._reader = threading.Thread(target=self._read_stderr, args=(said,), daemon=True)
        self._reader.start()

    def recv(self, size: int) -> bytes:
        data = self._socket.recv(size)
        self._silent |= not data
        return data

    def send(self, data: bytes) -> int:
        return self._socket.send(data)

    def settimeout(self, seconds: float | None) -> None:
        self._socket.settimeout(seconds)

    def getpeername(self) -> Any:
        return self._socket.getpeername()

    def fileno(self) -> int:
        return self._socket.fileno()

    def epitaph(self) -> str:
        """How it ended, and the end of what it said; what it said so far where it still runs."""
        if self._silent and self._ends_within(_EPITAPH_S):
            self._reader.join(_EPITAPH_S)
        words = re.sub(r"[^ -~\u00a0-\uffff]+", " ", self._stderr.decode(errors="replace")).strip()
        said = f": {words[-400:]}" if words else ", and said nothing"
        match self._status:
            case None:
                return f"the ProxyCommand did not end{said}"
            case _ if self._ended_here:
                return f"the ProxyCommand ran until it was ended{said}"
            case status if status < 0:
                return f"the ProxyCommand was ended by signal {-status}{said}"
            case status:
                return f"the ProxyCommand ended with status {status}{said}"

    def close(self) -> None:
        """End it and its children: politely, then for good. Harmless when done twice, in any thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits in `recv`
        with self._ending:
            if self._stop < 0:
                return
            if not self._ends_within(_EPITAPH_S if self._silent else _POLITE_S):
                self._ended_here = True
                self._signal(signal.SIGTERM)
                self._ends_within(_POLITE_S)
            # Until it is waited for, nobody else can have the number of its group.
            self._signal(signal.SIGKILL)
            self._process.wait()
            if self._status is None:
                self._status = self._process.returncode
            os.close(self._stop)
            self._stop = -1
            self._reader.join()
            os.close(self._stop_reading)
            self._socket.close()

    def _ends_within(self, budget_s: float) -> bool:
        end_s = time.monotonic() + budget_s
        while not self._gone() and time.monotonic() < end_s:
            time.sleep(_POLL_S)
        return self._gone()

    def _gone(self) -> bool:
        """Whether it has ended; it stays a zombie, whose number is nobody else's, until `close`."""
        if self._status is None:
            with suppress(ChildProcessError):  # waited for already
                found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if found is not None:
                    exited = found.si_code == os.CLD_EXITED
                    self._status = found.si_status if exited else -found.si_status
        return self._status is not None

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # ended; a zombie, on some systems
            os.killpg(self._process.pid, number)

    def _read_stderr(self, said: int) -> None:
        """Take what it says, however much: it would stand still otherwise."""
        try:
            while True:
                ready, _, _ = select.select([said, self._stop_reading], [], [])
                if said not in ready:
                    return  # closed; what a child that got away still says is nobody's business
                piece = os.read(said, _PIECE_BYTES)
                if not piece:
                    return
                self._stderr += piece
                del self._stderr[:-_KEPT_BYTES]
        finally:
            os.close(said)
