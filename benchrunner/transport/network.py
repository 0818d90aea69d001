"""Serial ports behind a TCP connection: a raw byte stream, or RFC 2217 with baud, parity and lines."""

from __future__ import annotations

import select
import socket
import struct

from benchrunner.deadline import Deadline
from benchrunner.errors import DeadlineExceededError, PortError
from benchrunner.protocol import rfc2217
from benchrunner.transport import Lines, Parity

_CONNECT_S = 5.0
_SEND_STALL_S = 10.0
_ANSWER_S = 3.0  # a serial port server answers a setting within one round trip
_PURGE_S = 0.5  # some servers never answer a purge (labgrid issue 1779)
_SIGNATURE_S = 1.0  # the question may go unanswered, by RFC 2217
_RECEIVE_BYTES = 65536


class _Stream:
    """A TCP connection with `PortError` instead of `OSError`."""

    def __init__(self, url: str, host: str, port: int) -> None:
        self.url = url
        try:
            self._socket = socket.create_connection((host, port), timeout=_CONNECT_S)
        except OSError as error:
            raise PortError(
                f"{url}: cannot connect: {error.strerror or error}",
                hint="does the serial port server (ser2net, simulator, emulator) run on that host and port?",
            ) from error
        # Requests are a few bytes and wait for their answer: Nagle's delay would cost 40 ms each.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket.settimeout(_SEND_STALL_S)
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._lost(str(error)) from error

    def receive(self, max_bytes: int, deadline: Deadline) -> bytes:
        """At least one byte, or nothing when the time is up."""
        try:
            if not self._readable.poll(deadline.remaining_s() * 1000):
                return b""
            data = self._socket.recv(max_bytes)
        except OSError as error:
            raise self._lost(str(error)) from error
        if not data:
            raise self._lost("the other end closed the connection")
        return data

    def close(self) -> None:
        self._socket.close()

    def _lost(self, reason: str) -> PortError:
        if self._socket.fileno() < 0:
            return PortError(f"{self.url}: used after it was closed")
        return PortError(
            f"{self.url}: connection lost: {reason}", hint="see whether the serial port server still runs"
        )


class SocketTransport:
    """A raw TCP byte stream (`socket://host:port`); baud, parity and lines do not exist on it."""

    def __init__(self, url: str, host: str, port: int) -> None:
        self._stream = _Stream(url, host, port)

    @property
    def description(self) -> str:
        return f"{self._stream.url} (raw TCP: no baud, parity or modem lines)"

    @property
    def has_lines(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self._stream.send(data)

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        return self._stream.receive(max_bytes, deadline)

    def discard_input(self) -> int:
        dropped, now = 0, Deadline(0)
        while data := self._stream.receive(_RECEIVE_BYTES, now):
            dropped += len(data)
        return dropped

    def set_format(self, baud_hz: int, parity: Parity) -> None:
        """Nothing to change: bytes travel as they are."""

    def set_lines(self, *, boot0: bool, reset: bool) -> None:
        raise PortError(
            f"{self.description}: has no lines to BOOT0 and NRST",
            hint="use rfc2217:// where the server speaks it",
        )

    def close(self) -> None:
        self._stream.close()


class Rfc2217Transport:
    """A port of a serial port server (`rfc2217://host:port`).

    One thread, one buffer: settings wait for the server's answer while data that arrives meanwhile is kept,
    and a lost connection is seen by the call that meets it.
    """

    def __init__(
        self, url: str, host: str, port: int, *, baud_hz: int, parity: Parity, lines: Lines | None
    ) -> None:
        self._lines = lines
        self._stream = _Stream(url, host, port)
        self._decoder = rfc2217.Decoder()
        self._data = b""  # received and not yet read
        self._answers_purge = True
        try:
            self._stream.send(rfc2217.hello())
            self._await_com_port()
            self.set_format(baud_hz, parity)
            self._stream.send(rfc2217.command(rfc2217.SET_CONTROL, bytes((rfc2217.NO_FLOW_CONTROL,))))
            if lines is not None:
                self.set_lines(boot0=False, reset=False)
        except BaseException:
            self.close()
            raise

    @property
    def description(self) -> str:
        return self._stream.url

    @property
    def has_lines(self) -> bool:
        return self._lines is not None

    def write(self, data: bytes) -> None:
        self._stream.send(rfc2217.escape(data))

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        while not self._data:
            if not self._receive(deadline):
                return b""
        data, self._data = self._data[:max_bytes], self._data[max_bytes:]
        return data

    def discard_input(self) -> int:
        if self._answers_purge:
            purge = bytes((rfc2217.PURGE_RECEIVED,))
            try:
                self._request({rfc2217.PURGE: purge}, Deadline(_PURGE_S))
            except DeadlineExceededError:
                self._answers_purge = False
        now = Deadline(0)
        while self._receive(now):
            pass
        dropped, self._data = len(self._data), b""
        return dropped

    def set_format(self, baud_hz: int, parity: Parity) -> None:
        code = rfc2217.PARITY_EVEN if parity is Parity.EVEN else rfc2217.PARITY_NONE
        self._set(
            {
                rfc2217.SET_BAUD: struct.pack(">I", baud_hz),
                rfc2217.SET_DATASIZE: b"\x08",
                rfc2217.SET_PARITY: bytes((code,)),
                rfc2217.SET_STOPSIZE: b"\x01",
            },
            f"{baud_hz} baud, 8{parity}1",
        )

    def set_lines(self, *, boot0: bool, reset: bool) -> None:
        if self._lines is None:
            raise PortError(
                f"{self.description}: has no lines to BOOT0 and NRST",
                hint="set BOOT0 and press reset by hand, or wire RTS and DTR",
            )
        rts, dtr = self._lines.levels(boot0=boot0, reset=reset)
        rts_code = rfc2217.RTS_ON if rts else rfc2217.RTS_OFF
        dtr_code = rfc2217.DTR_ON if dtr else rfc2217.DTR_OFF
        # BOOT0 is sampled when NRST is released, so it moves first.
        for code in (dtr_code, rts_code) if self._lines.swapped else (rts_code, dtr_code):
            self._set({rfc2217.SET_CONTROL: bytes((code,))}, "RTS and DTR")

    def signature(self) -> str:
        """What the server says it is; empty where it does not say."""
        try:
            answer = self._request({rfc2217.SIGNATURE: b""}, Deadline(_SIGNATURE_S))[rfc2217.SIGNATURE]
        except DeadlineExceededError:
            return ""
        return answer.decode("ascii", "replace")

    def close(self) -> None:
        self._stream.close()

    def _set(self, wanted: dict[int, bytes], what: str) -> None:
        try:
            answers = self._request(wanted, Deadline(_ANSWER_S))
        except DeadlineExceededError as error:
            raise PortError(
                f"{self.description}: no answer to the setting of {what} within {_ANSWER_S:g} s"
            ) from error
        if answers != wanted:
            raise PortError(
                f"{self.description}: the server did not accept {what}", hint="see the server's own settings"
            )

    def _request(self, wanted: dict[int, bytes], deadline: Deadline) -> dict[int, bytes]:
        """Send commands together and wait for all answers."""
        self._decoder.notices.clear()
        self._stream.send(b"".join(rfc2217.command(number, value) for number, value in wanted.items()))
        answers: dict[int, bytes] = {}
        while len(answers) < len(wanted):
            if not self._receive(deadline):
                raise DeadlineExceededError(f"{self.description}: no answer")
            for notice in self._decoder.notices:
                number = notice.command - rfc2217.ANSWER
                if number in wanted and (number != rfc2217.SET_CONTROL or notice.value == wanted[number]):
                    answers[number] = notice.value  # other control answers belong to earlier requests
            self._decoder.notices.clear()
        return answers

    def _await_com_port(self) -> None:
        deadline = Deadline(_ANSWER_S)
        while rfc2217.COM_PORT not in self._decoder.agreed:
            if rfc2217.COM_PORT in self._decoder.refused or not self._receive(deadline):
                raise PortError(
                    f"{self.description}: the server does not speak RFC 2217",
                    hint=f"for a raw TCP port use {self.description.replace('rfc2217', 'socket', 1)}",
                )

    def _receive(self, deadline: Deadline) -> bool:
        """Take in one piece of the stream; False when the time is up."""
        received = self._stream.receive(_RECEIVE_BYTES, deadline)
        if not received:
            return False
        data = self._decoder.feed(received)
        if data:
            self._data = self._data + data if self._data else data
        if self._decoder.to_send:
            self._stream.send(bytes(self._decoder.to_send))
            self._decoder.to_send.clear()
        return True
