"""The socket under an SSH connection of a simulated board: it can be slow, stall, and break at a byte."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable

from benchrunner.simulator.linux.faults import LinuxFaultCounters

_SLICE_S = 0.02  # a slow link sends what fits into this long at once
_STALLED_WAIT_S = 0.1


class Wire:
    """As much of a socket as paramiko uses, with the link's faults."""

    def __init__(self, connection: socket.socket, counters: LinuxFaultCounters) -> None:
        self._connection, self._counters = connection, counters
        self._rate = counters.faults.slow_link
        self.stalled = threading.Event()
        self._broken = False
        self.on_close: Callable[[], None] = lambda: None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def _closed(self) -> bool:  # paramiko asks under this name
        return self._connection.fileno() < 0

    def settimeout(self, seconds: float | None) -> None:
        self._connection.settimeout(seconds)

    def getpeername(self) -> object:
        return self._connection.getpeername()

    def fileno(self) -> int:
        return self._connection.fileno()

    def recv(self, size: int) -> bytes:
        self._wait_while_stalled()
        if self._broken:
            return b""
        if self._rate is not None:
            size = min(size, self._slice_bytes())
        data = self._connection.recv(size)
        return data[: self._passed(len(data))]

    def send(self, data: bytes) -> int:
        self._wait_while_stalled()
        if self._broken:
            raise BrokenPipeError
        if self._rate is not None:
            data = data[: self._slice_bytes()]
        allowed = self._passed(len(data))
        if allowed < len(data):
            raise BrokenPipeError
        return self._connection.send(data)

    def _slice_bytes(self) -> int:
        return max(1, int((self._rate or 1) * _SLICE_S))

    def _passed(self, count: int) -> int:
        """Let `count` bytes pass; fewer where the connection breaks among them."""
        if self._rate is not None:
            time.sleep(count / self._rate)
        allowed = self._counters.passing(count)
        if allowed < count:
            self.drop()
        return allowed

    def _wait_while_stalled(self) -> None:
        if self.stalled.is_set():
            time.sleep(_STALLED_WAIT_S)
            raise TimeoutError

    def drop(self) -> None:
        """Break the connection at once, as a pulled cable and a watchdog do: a reset, no goodbye."""
        self._broken = True
        try:
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster

    def close(self) -> None:
        self.on_close()
        self._connection.close()
