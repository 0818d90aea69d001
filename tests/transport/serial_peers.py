"""The far ends of every kind of port, for the contract tests."""

from __future__ import annotations

import os
import select
import socket
import threading
import tty
from typing import Protocol

import serial.rfc2217

WAIT_S = 60.0  # for what comes within a millisecond, unless others keep the machine busy


class FarEnd(Protocol):
    """What the device side of a port can do."""

    url: str

    def send(self, data: bytes) -> None: ...

    def receive(self, count: int) -> bytes: ...

    def hang_up(self) -> None: ...


class PtyFarEnd:
    """The master side of a pty."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.url = os.ttyname(slave)
        self._slave: int | None = slave  # without an open slave the master reads EIO

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.master, view) :]

    def receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            ready, _, _ = select.select([self.master], [], [], WAIT_S)
            assert ready, f"{count - len(data)} bytes did not arrive"
            data += os.read(self.master, count - len(data))
        return data

    def hang_up(self) -> None:
        if self._slave is not None:
            os.close(self._slave)
            self._slave = None
            os.close(self.master)


class SocketFarEnd:
    """A TCP server of one connection."""

    scheme = "socket"

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{self.scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._connection: socket.socket | None = None

    def accepted(self) -> socket.socket:
        if self._connection is None:
            self._listener.settimeout(WAIT_S)
            self._connection, _ = self._listener.accept()
            self._connection.settimeout(WAIT_S)
        return self._connection

    def send(self, data: bytes) -> None:
        self.accepted().sendall(data)

    def receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.accepted().recv(count - len(data))
            assert piece, "the connection closed early"
            data += piece
        return data

    def hang_up(self) -> None:
        self.accepted().close()
        self._listener.close()


class FakeUart:
    """The serial port that pyserial's RFC 2217 server drives; it keeps what the client set."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, object]] = []
        self.baudrate = 9600
        self.bytesize = 8
        self.parity = "N"
        self.stopbits = 1
        self.xonxoff = self.rtscts = self.dsrdtr = False
        self.rts = self.dtr = True
        self.break_condition = False
        self.cts = self.dsr = self.ri = self.cd = False

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        self.changes.append((name, value))

    def reset_input_buffer(self) -> None:
        self.changes.append(("purged", True))

    def reset_output_buffer(self) -> None:
        pass


class Rfc2217FarEnd(SocketFarEnd):
    """pyserial's own server side: an independent peer of the client."""

    scheme = "rfc2217"

    def __init__(self) -> None:
        super().__init__()
        self.uart = FakeUart()
        self._received = bytearray()
        self._arrived = threading.Condition()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Called by the port manager with bytes for the client."""
        with self._lock:
            self.accepted().sendall(data)

    def _serve(self) -> None:
        try:
            connection = self.accepted()
            connection.settimeout(None)
            self._manager = serial.rfc2217.PortManager(self.uart, self)
            while data := connection.recv(65536):
                kept = b"".join(self._manager.filter(data))
                with self._arrived:
                    self._received += kept
                    self._arrived.notify_all()
        except OSError:
            pass  # the test hung up, or never connected

    def send(self, data: bytes) -> None:
        self.write(b"".join(self._manager.escape(data)))

    def receive(self, count: int) -> bytes:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self._received) >= count, timeout=WAIT_S)
            data = bytes(self._received[:count])
            del self._received[:count]
            return data

    def hang_up(self) -> None:
        if self._connection is not None:
            try:
                self._connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self._connection.close()
        else:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for a client
        self._listener.close()
        self._thread.join(WAIT_S)


FAR_ENDS = {"pty": PtyFarEnd, "socket": SocketFarEnd, "rfc2217": Rfc2217FarEnd}
