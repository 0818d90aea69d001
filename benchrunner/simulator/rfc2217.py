"""Serves a simulated board over RFC 2217: baud rate, parity, RTS and DTR of the client are real state."""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from benchrunner.image import EMULATED_UID
from benchrunner.protocol import rfc2217 as com
from benchrunner.protocol.rfc2217 import IAC
from benchrunner.simulator.board import SimulatedBoard
from benchrunner.simulator.serving import BACKLOG_BYTES, READ_BYTES, Pump, Waiter, server_thread
from benchrunner.simulator.uart import LineFormat
from benchrunner.transport import Lines, Parity

_SE, _SB, _WILL, _WONT, _DO, _DONT = 0xF0, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE  # RFC 854
_BINARY, _ECHO, _SUPPRESS_GO_AHEAD = 0, 1, 3
_AGREED = frozenset({_BINARY, _ECHO, _SUPPRESS_GO_AHEAD, com.COM_PORT})
# What a client of ours never sends, and others do (RFC 2217).
_LINE_STATE, _MODEM_STATE = 6, 7
_PURGE_BOTH = 3
_BREAK_ON, _BREAK_OFF = 5, 6
_FIRST_INBOUND_FLOW, _NO_INBOUND_FLOW = 13, 14
_PARITIES = {com.PARITY_NONE: Parity.NONE, com.PARITY_EVEN: Parity.EVEN}
_CODES = {parity: code for code, parity in _PARITIES.items()}
_CARRIER_DSR_CTS = 0xB0
_SUBNEGOTIATION_LIMIT_BYTES = 64  # the longest that RFC 2217 has is a signature; more is dropped

# What may follow IAC: a doubled IAC, a negotiation with its option, or any other single command.
_TOKEN = re.compile(rb"\xff(?:[\xfb-\xfe](.)|([^\xfb-\xfe]))", re.DOTALL)


class PortControl(Protocol):
    """The serial port behind a telnet connection."""

    def data(self, data: bytes) -> None: ...
    def lines(self, *, dtr: bool, rts: bool) -> None: ...
    def purge_input(self) -> None: ...


class ComPort:
    """One connection's telnet state, without I/O: raw bytes in, calls of `control` and `unsent` bytes out."""

    def __init__(
        self,
        control: PortControl,
        line: LineFormat,
        *,
        dtr: bool,
        rts: bool,
        signature: bytes = com.SIMULATED_SIGNATURE,
    ) -> None:
        self._control, self._signature = control, signature
        self.line, self.dtr, self.rts = line, dtr, rts
        self.unsent = bytearray()
        self._raw = b""  # the start of a command whose rest has not arrived
        self._subnegotiation: bytearray | None = None
        self._local: set[int] = set()  # options we perform
        self._remote: set[int] = set()  # options the client performs
        self._negotiate(_WILL, _BINARY)
        self._negotiate(_DO, _BINARY)
        self._negotiate(_DO, com.COM_PORT)

    def send(self, data: bytes) -> None:
        self.unsent += com.escape(data)

    def feed(self, raw: bytes) -> None:
        """Take what the client sent. Any bytes are survived: unknown commands are dropped."""
        raw = self._raw + raw
        self._raw = b""
        if self._subnegotiation is None:
            # The common case, at the speed of `replace`: no command, or only doubled IAC, maybe a cut one.
            cut = (len(raw) - len(raw.rstrip(b"\xff"))) % 2
            whole = raw[: len(raw) - cut]
            if IAC not in whole or IAC not in whole.replace(b"\xff\xff", b""):
                self._raw = raw[len(whole) :]
                self._data(whole.replace(b"\xff\xff", b"\xff"))
                return
        at = 0
        while (found := raw.find(IAC, at)) >= 0:
            self._take(raw[at:found])
            token = _TOKEN.match(raw, found)
            if token is None:
                self._raw = raw[found:]
                return
            self._command(raw[found + 1], token[1][0] if token[1] else 0)
            at = token.end()
        self._take(raw[at:])

    def _take(self, data: bytes) -> None:
        if self._subnegotiation is None:
            self._data(data)
        elif len(self._subnegotiation) <= _SUBNEGOTIATION_LIMIT_BYTES:
            self._subnegotiation += data[: _SUBNEGOTIATION_LIMIT_BYTES + 1]

    def _data(self, data: bytes) -> None:
        if data:
            self._control.data(data)

    def _command(self, command: int, option: int) -> None:
        match command:
            case 0xFF:
                self._take(b"\xff")
            case 0xFA:
                self._subnegotiation = bytearray()
            case 0xF0:
                block, self._subnegotiation = self._subnegotiation, None
                if block and len(block) <= _SUBNEGOTIATION_LIMIT_BYTES and block[0] == com.COM_PORT:
                    self._com_port(bytes(block[1:2]), bytes(block[2:]))
            case 0xFB:
                self._answer_option(option, self._remote, agree=_DO, refuse=_DONT)
            case 0xFC if option in self._remote:
                self._remote.remove(option)
                self.unsent += bytes((IAC, _DONT, option))
            case 0xFD:
                self._answer_option(option, self._local, agree=_WILL, refuse=_WONT)
            case 0xFE if option in self._local:
                self._local.remove(option)
                self.unsent += bytes((IAC, _WONT, option))
            case _:
                pass

    def _negotiate(self, verb: int, option: int) -> None:
        """Ask for an option; noted as agreed, so that consent is not answered again (RFC 1143)."""
        (self._local if verb == _WILL else self._remote).add(option)
        self.unsent += bytes((IAC, verb, option))

    def _answer_option(self, option: int, agreed: set[int], *, agree: int, refuse: int) -> None:
        if option in _AGREED:
            if option not in agreed:
                agreed.add(option)
                self.unsent += bytes((IAC, agree, option))
            if option == com.COM_PORT:
                self._answer(_MODEM_STATE, bytes([_CARRIER_DSR_CTS]))
        else:
            self.unsent += bytes((IAC, refuse, option))

    def _answer(self, code: int, value: bytes) -> None:
        head = bytes((IAC, _SB, com.COM_PORT, code + com.ANSWER))
        self.unsent += head + com.escape(value) + bytes((IAC, _SE))

    def _com_port(self, code: bytes, value: bytes) -> None:
        first = value[0] if value else 0
        match code[0] if code else None:
            case com.SIGNATURE:
                self._answer(com.SIGNATURE, self._signature)
            case com.SET_BAUD:
                baud_hz = int.from_bytes(value[:4], "big")
                if baud_hz:
                    self.line = LineFormat(baud_hz, self.line.parity)
                self._answer(com.SET_BAUD, self.line.baud_hz.to_bytes(4, "big"))
            case com.SET_DATASIZE:
                self._answer(com.SET_DATASIZE, b"\x08")
            case com.SET_PARITY:
                self.line = LineFormat(self.line.baud_hz, _PARITIES.get(first, self.line.parity))
                self._answer(com.SET_PARITY, bytes([_CODES[self.line.parity]]))
            case com.SET_STOPSIZE:
                self._answer(com.SET_STOPSIZE, b"\x01")
            case com.SET_CONTROL:
                self._answer(com.SET_CONTROL, bytes([self._set_control(first)]))
            case com.PURGE:
                if first in (com.PURGE_RECEIVED, _PURGE_BOTH):
                    self._control.purge_input()
                self._answer(com.PURGE, value[:1])
            case 6:  # NOTIFY-LINESTATE
                self._answer(_LINE_STATE, b"\x00")
            case 7:  # NOTIFY-MODEMSTATE
                self._answer(_MODEM_STATE, bytes([_CARRIER_DSR_CTS]))
            case 10 | 11 as mask:  # SET-LINESTATE-MASK, SET-MODEMSTATE-MASK
                self._answer(mask, value[:1])
            case _:
                pass

    def _set_control(self, value: int) -> int:
        """Carry out a control; returns the state that holds then."""
        match value:
            case com.DTR_ON | com.DTR_OFF:
                self.dtr = value == com.DTR_ON
                self._control.lines(dtr=self.dtr, rts=self.rts)
                return value
            case com.RTS_ON | com.RTS_OFF:
                self.rts = value == com.RTS_ON
                self._control.lines(dtr=self.dtr, rts=self.rts)
                return value
            case 7:  # which DTR
                return com.DTR_ON if self.dtr else com.DTR_OFF
            case 10:  # which RTS
                return com.RTS_ON if self.rts else com.RTS_OFF
            case 4 | 5 | 6:  # break reaches nothing on these boards
                return _BREAK_ON if value == _BREAK_ON else _BREAK_OFF
            case _:
                return com.NO_FLOW_CONTROL if value < _FIRST_INBOUND_FLOW else _NO_INBOUND_FLOW


class _Client:
    """One connected client: its socket, its telnet state and the board behind it."""

    def __init__(
        self,
        connection: socket.socket,
        board: SimulatedBoard,
        pump: Pump,
        wiring: Lines,
        start: ComPort | None,
    ) -> None:
        self.socket = connection
        self._board, self._pump, self._wiring = board, pump, wiring
        line = start.line if start else LineFormat(115_200, Parity.NONE)
        # lines stay as the last client left them, as on an adapter whose port server keeps it open
        emulated = board.uid == EMULATED_UID
        self.port = ComPort(
            *(self, line),
            dtr=start.dtr if start else True,
            rts=start.rts if start else False,
            signature=com.EMULATED_SIGNATURE if emulated else com.SIMULATED_SIGNATURE,
        )

    def data(self, data: bytes) -> None:
        self.port.send(self._pump.from_host(data, self.port.line))

    def lines(self, *, dtr: bool, rts: bool) -> None:
        wiring = self._wiring
        boot0, released = (dtr, rts) if wiring.swapped else (rts, dtr)
        self._board.set_lines(boot0=boot0 != wiring.boot0_inverted, reset=released == wiring.reset_inverted)

    def purge_input(self) -> None:
        self._pump.drop_output(self.port.line)

    def flush(self) -> None:
        """Send what the socket takes now."""
        self.port.send(self._pump.to_host(self.port.line))
        if self.port.unsent:
            try:
                del self.port.unsent[: self.socket.send(self.port.unsent)]
            except BlockingIOError:
                pass


@contextmanager
def serve_rfc2217(
    board: SimulatedBoard,
    throttle_baud: int | None = None,
    *,
    wiring: Lines | None = None,
    port: int = 0,
) -> Iterator[str]:
    """Serve `board` on loopback for as long as the block lasts; yields its URL for pyserial.

    One client at a time: another is turned away. `wiring` says how RTS and DTR reach BOOT0 and NRST;
    stm32loader without options wants both inverted. `port` 0 lets the system choose.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.setblocking(False)
        pump = Pump(board, throttle_baud)

        def run(waiter: Waiter) -> None:
            _serve(listener, board, pump, wiring or Lines(), waiter)

        with server_thread(board, "simulated board over RFC 2217", run):
            yield f"rfc2217://127.0.0.1:{listener.getsockname()[1]}"


def _serve(listener: socket.socket, board: SimulatedBoard, pump: Pump, wiring: Lines, waiter: Waiter) -> None:
    client: _Client | None = None
    last_port: ComPort | None = None
    try:
        while not waiter.stopping:
            if client is None:
                pump.drop_output(None)  # nobody listens: what the board says is lost
                ready, _ = waiter.wait([listener], [], pump.timeout_s())
            else:
                client = _close_if(client, client.flush)
                if client is None:
                    continue
                unsent = client.port.unsent
                listening = [] if pump.congested or len(unsent) > BACKLOG_BYTES else [client.socket]
                writing = [client.socket] if unsent else []
                ready, _ = waiter.wait([listener, *listening], writing, pump.timeout_s())
                if client.socket in ready:
                    last_port = client.port
                    client = _close_if(client, lambda c=client: _read(c))  # type: ignore[misc]
            if listener in ready:
                if client is not None and _has_hung_up(client):
                    # It left before the next one came, and this thread has not read that far yet.
                    last_port = client.port
                    client = _close_if(client, lambda c=client: _read_to_the_end(c))  # type: ignore[misc]
                client = _accept(listener, client, board, pump, wiring, last_port)
    finally:
        if client is not None:
            client.socket.close()


def _read(client: _Client) -> None:
    data = client.socket.recv(READ_BYTES)
    if not data:
        raise ConnectionResetError
    client.port.feed(data)


def _has_hung_up(client: _Client) -> bool:
    asked = select.poll()
    asked.register(client.socket, select.POLLRDHUP)
    return bool(asked.poll(0))


def _read_to_the_end(client: _Client) -> None:
    while True:
        _read(client)


def _close_if(client: _Client, action: Callable[[], None]) -> _Client | None:
    """Do `action`; a client that is gone is closed."""
    try:
        action()
    except BlockingIOError:
        pass
    except OSError:
        client.socket.close()
        return None
    return client


def _accept(
    listener: socket.socket,
    client: _Client | None,
    board: SimulatedBoard,
    pump: Pump,
    wiring: Lines,
    last_port: ComPort | None,
) -> _Client | None:
    try:
        connection, _ = listener.accept()
    except OSError:
        return client  # gone before it was accepted
    if client is not None:
        connection.close()
        return client
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    pump.drop_output(None)
    return _Client(connection, board, pump, wiring, last_port)
