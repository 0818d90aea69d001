"""What the servers of a simulated board share: a thread that sleeps until needed, and a slow wire."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from benchrunner.simulator.board import SimulatedBoard
from benchrunner.simulator.uart import LineFormat

READ_BYTES = 65536
BACKLOG_BYTES = 1 << 18  # unsent output above which a server reads no more input
_WAKE_EARLY_S = 0.00015  # a sleep ends up to this late; the rest is polled, so that no byte comes late
_SLICE_S = 0.002  # bytes of a slow wire are handed over in slices of at most this long


class Wire:
    """Bytes in flight at an exact rate: byte k of a burst arrives k + 1 byte times after its start."""

    def __init__(self) -> None:
        self._bursts: deque[tuple[float, float, bytes]] = deque()
        self._free_s = float("-inf")
        self.queued_bytes = 0

    def send(self, data: bytes, at_s: float, byte_s: float) -> None:
        """Put `data` on the wire at `at_s`, or behind what is still on it."""
        if data:
            start_s = max(self._free_s, at_s)
            self._free_s = start_s + len(data) * byte_s
            self._bursts.append((start_s, byte_s, data))
            self.queued_bytes += len(data)

    def take(self, now_s: float) -> Iterator[tuple[float, bytes]]:
        """What has arrived by `now_s`, each part with the time its last byte arrived."""
        while self._bursts:
            start_s, byte_s, data = self._bursts[0]
            count = min(len(data), int((now_s - start_s) / byte_s + 1e-6))
            if count <= 0:
                return
            self._bursts.popleft()
            self.queued_bytes -= count
            if count < len(data):
                self._bursts.appendleft((start_s + count * byte_s, byte_s, data[count:]))
            yield start_s + count * byte_s, data[:count]

    def next_s(self) -> float | None:
        """When `take` is worth calling again."""
        if not self._bursts:
            return None
        start_s, byte_s, data = self._bursts[0]
        return start_s + byte_s * min(len(data), max(1, int(_SLICE_S / byte_s)))


class Pump:
    """Moves bytes between a host's end and the board, at full speed or throttled in real time."""

    def __init__(
        self,
        board: SimulatedBoard,
        throttle_baud: int | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board, self._monotonic = board, monotonic
        self._baud_hz = throttle_baud
        self._to_board, self._to_host = Wire(), Wire()

    def from_host(self, data: bytes, line: LineFormat | None) -> bytes:
        """Hand `data` on; returns what is to be sent to the host now."""
        if self._baud_hz is None:
            self._board.receive(data, line)
        else:
            self._to_board.send(data, self._monotonic(), self._byte_s())
        return self.to_host(line)

    def to_host(self, line: LineFormat | None) -> bytes:
        if self._baud_hz is None:
            return self._board.transmit(line)
        now_s = self._monotonic()
        for arrived_s, data in self._to_board.take(now_s):
            self._board.receive(data, line)
            # answers start when the last byte arrived, not when this thread woke up for it
            self._to_host.send(self._board.transmit(line), arrived_s, self._byte_s())
        self._to_host.send(self._board.transmit(line), now_s, self._byte_s())
        return b"".join(data for _, data in self._to_host.take(now_s))

    def drop_output(self, line: LineFormat | None) -> None:
        """Forget what the host has not got yet, as a purge or a closed port does."""
        self.to_host(line)
        self._to_host = Wire()

    @property
    def congested(self) -> bool:
        return self._to_board.queued_bytes + self._to_host.queued_bytes > BACKLOG_BYTES

    def timeout_s(self) -> float | None:
        """How long the server may sleep."""
        waits = [self._board.next_output_in_s()]
        if self._baud_hz is not None:
            now_s = self._monotonic()
            nexts = (self._to_board.next_s(), self._to_host.next_s())
            waits += [max(0.0, at_s - now_s - _WAKE_EARLY_S) for at_s in nexts if at_s is not None]
        return min((wait for wait in waits if wait is not None), default=None)

    def _byte_s(self) -> float:
        return self._board.bits_per_byte / (self._baud_hz or 1)


class Fd(Protocol):
    """Anything `select` takes."""

    def fileno(self) -> int: ...


class Waiter:
    """Sleeps until a file is ready, the time is up, or another thread calls `wake`."""

    def __init__(self) -> None:
        self._sleeping_end, self._waking_end = socket.socketpair()
        self._sleeping_end.setblocking(False)
        self._waking_end.setblocking(False)
        self.stopping = False

    def wake(self) -> None:
        try:
            self._waking_end.send(b"\x00")
        except (BlockingIOError, OSError):
            pass  # it is full of wake-ups, or the server is gone

    def wait(
        self, readable: Iterable[Fd | int], writable: Iterable[Fd | int], timeout_s: float | None
    ) -> tuple[list[Fd | int], list[Fd | int]]:
        ready, writes, _ = select.select([self._sleeping_end, *readable], list(writable), [], timeout_s)
        if self._sleeping_end in ready:
            ready.remove(self._sleeping_end)
            try:
                self._sleeping_end.recv(4096)
            except BlockingIOError:
                pass
        return ready, writes

    def close(self) -> None:
        self._sleeping_end.close()
        self._waking_end.close()


@contextmanager
def server_thread(board: SimulatedBoard, name: str, run: Callable[[Waiter], None]) -> Iterator[None]:
    """Run a server in a thread for as long as the block lasts; its error, if any, is raised at the end."""
    waiter = Waiter()
    errors: list[BaseException] = []

    def body() -> None:
        try:
            run(waiter)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=body, name=name, daemon=True)
    board.on_output(waiter.wake)
    thread.start()
    try:
        yield
    finally:
        waiter.stopping = True
        waiter.wake()
        thread.join()
        board.on_output(lambda: None)
        waiter.close()
    if errors:
        raise errors[0]
