"""Bytes of RFC 2217 (serial port over Telnet) and back, without I/O."""

from __future__ import annotations

from dataclasses import dataclass

IAC = 0xFF
_DONT, _DO, _WONT, _WILL, _SB, _SE = 0xFE, 0xFD, 0xFC, 0xFB, 0xFA, 0xF0
_BINARY, _ECHO, _SUPPRESS_GO_AHEAD, COM_PORT = 0, 1, 3, 44
_WE_DO = frozenset({_BINARY, _SUPPRESS_GO_AHEAD, COM_PORT})
_THEY_DO = frozenset({_BINARY, _ECHO, _SUPPRESS_GO_AHEAD, COM_PORT})
_SUBNEGOTIATION_LIMIT_BYTES = 4096

# Commands of the COM-PORT option, client to server; the server answers with the number + 100 (RFC 2217).
SIGNATURE = 0
SET_BAUD, SET_DATASIZE, SET_PARITY, SET_STOPSIZE, SET_CONTROL, PURGE = 1, 2, 3, 4, 5, 12
ANSWER = 100
PARITY_NONE, PARITY_EVEN = 1, 3
NO_FLOW_CONTROL = 1
DTR_ON, DTR_OFF, RTS_ON, RTS_OFF = 8, 9, 11, 12
PURGE_RECEIVED = 1

# What our own servers answer to SIGNATURE: behind them is no board, whatever its firmware says.
SIMULATED_SIGNATURE = b"benchrunner simulated board"
EMULATED_SIGNATURE = b"benchrunner emulated board"


@dataclass(frozen=True, slots=True)
class Notice:
    """A COM-PORT message of the server."""

    command: int
    value: bytes


def hello() -> bytes:
    """What a client sends first: binary, no go-ahead, and the COM-PORT option."""
    wishes = ((_WILL, _BINARY), (_DO, _BINARY), (_WILL, _SUPPRESS_GO_AHEAD), (_DO, _SUPPRESS_GO_AHEAD))
    return b"".join(bytes((IAC, *wish)) for wish in (*wishes, (_WILL, COM_PORT)))


def command(number: int, value: bytes) -> bytes:
    """One COM-PORT command as a subnegotiation."""
    return bytes((IAC, _SB, COM_PORT, number)) + escape(value) + bytes((IAC, _SE))


def escape(data: bytes) -> bytes:
    """`data` as it travels: every 0xFF is doubled."""
    return data.replace(b"\xff", b"\xff\xff")


class Decoder:
    """Splits the server's stream into data, COM-PORT notices and answers that must be sent back."""

    def __init__(self) -> None:
        self._pending = b""  # an unfinished Telnet sequence
        self._ours = {_BINARY, _SUPPRESS_GO_AHEAD, COM_PORT}  # asked for in hello(): acknowledged silently
        self._theirs = {_BINARY, _SUPPRESS_GO_AHEAD}
        self.agreed: set[int] = set()  # options that the server accepted for us or offered itself
        self.refused: set[int] = set()
        self.notices: list[Notice] = []
        self.to_send = bytearray()

    def feed(self, received: bytes) -> bytes:
        """The data bytes in `received`; notices and answers are collected in the attributes."""
        if not self._pending and IAC not in received:
            return received
        stream = self._pending + received
        self._pending = b""
        parts = stream.split(b"\xff\xff")
        if not any(IAC in part for part in parts):
            return b"\xff".join(parts)  # only data, however many 0xFF: erased flash reads like that
        return self._walk(stream)

    def _walk(self, stream: bytes) -> bytes:
        data = bytearray()
        at = 0
        while (mark := stream.find(IAC, at)) >= 0:
            data += stream[at:mark]
            length = self._sequence(stream, mark, data)
            if length == 0:
                self._pending = stream[mark:]
                return bytes(data)
            at = mark + length
        data += stream[at:]
        return bytes(data)

    def _sequence(self, stream: bytes, mark: int, data: bytearray) -> int:
        """Handle the Telnet sequence at `mark`; its length, 0 while it is not complete."""
        if len(stream) < mark + 2:
            return 0
        verb = stream[mark + 1]
        if verb == IAC:
            data.append(IAC)
            return 2
        if verb in (_DO, _DONT, _WILL, _WONT):
            if len(stream) < mark + 3:
                return 0
            self._negotiate(verb, stream[mark + 2])
            return 3
        if verb != _SB:
            return 2  # NOP, AYT ...: nothing to a serial port
        end = mark + 2
        while (end := stream.find(IAC, end)) >= 0 and end + 1 < len(stream):
            if stream[end + 1] == _SE:
                body = stream[mark + 2 : end].replace(b"\xff\xff", b"\xff")
                if len(body) >= 2 and body[0] == COM_PORT:
                    self.notices.append(Notice(body[1], body[2:]))
                return end + 2 - mark
            end += 2
        if len(stream) - mark > _SUBNEGOTIATION_LIMIT_BYTES:
            return 2  # no server sends such a thing: drop the mark and go on
        return 0

    def _negotiate(self, verb: int, option: int) -> None:
        match verb:
            case 0xFD:  # DO: the server wants it from us
                self.agreed.add(option)
                self._answer(option, self._ours, _WE_DO, _WILL, _WONT)
            case 0xFB:  # WILL: the server offers it
                self.agreed.add(option)
                self._answer(option, self._theirs, _THEY_DO, _DO, _DONT)
            case 0xFE:  # DONT
                self.refused.add(option)
                self._ours.discard(option)
            case _:  # WONT
                self._theirs.discard(option)

    def _answer(self, option: int, on: set[int], wanted: frozenset[int], yes: int, no: int) -> None:
        if option in on:
            return  # already so: an answer would be answered for ever
        if option in wanted:
            on.add(option)
        self.to_send += bytes((IAC, yes if option in wanted else no, option))
