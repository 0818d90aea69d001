"""The UART that the host is wired to: the register layouts of the STM32, FIFO, overrun, time on the line.

Bytes take their time on the line, which is counted in core clocks at one instruction each. A program that
only polls has nothing to see until the next byte, so the line skips ahead to it; a program that does not poll
in time loses bytes to an overrun, as it would on silicon.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from benchrunner.simulator.uart import LineFormat
from benchrunner.transport import Parity

_ORE, _RXNE, _TC, _TXE = 1 << 3, 1 << 5, 1 << 6, 1 << 7  # SR of F4, ISR of the others
_TEACK, _REACK = 1 << 21, 1 << 22
_TE, _RE = 1 << 3, 1 << 2
_PARITY_ENABLE, _ODD, _OVERSAMPLING_8 = 1 << 10, 1 << 9, 1 << 15
_WORD_9, _FIFO = 1 << 12, 1 << 29
_PRESCALERS = (1, 2, 4, 6, 8, 10, 12, 16, 32, 64, 128, 256)  # RM0433, USART_PRESC
_POLLS_BEFORE_SKIP = 2
# A program that polls as often as this, with nothing on the line, waits for the host. One that computes polls
# more rarely (the core's checksum: every 350 instructions; its waiting loop: every 100).
_POLLS_BEFORE_IDLE, _IDLE_INSTRUCTIONS = 64, 200
_FLUSH_BYTES = 512


class Kind(Enum):
    F4 = auto()  # SR, DR
    NEW = auto()  # ISR, RDR, TDR
    LOW_POWER = auto()  # the same with another divider


@dataclass(frozen=True, slots=True)
class Layout:
    """Offsets of one kind, and where its enable bit is."""

    status: int
    receive: int
    transmit: int
    control: int  # CR1
    baud: int
    enable: int


_LAYOUTS = {
    Kind.F4: Layout(0x00, 0x04, 0x04, 0x0C, 0x08, 1 << 13),
    Kind.NEW: Layout(0x1C, 0x24, 0x28, 0x00, 0x0C, 1 << 0),
    Kind.LOW_POWER: Layout(0x1C, 0x24, 0x28, 0x00, 0x0C, 1 << 0),
}
_CLEAR, _REQUEST, _PRESCALER = 0x20, 0x18, 0x2C  # ICR, RQR, PRESC


@dataclass(frozen=True, slots=True)
class Line:
    """What the USART is wired to and clocked by."""

    kernel_hz: Callable[[], int]
    core_hz: Callable[[], int]
    instructions: Callable[[], int]
    hears: Callable[[], bool]  # RX pin in its alternate function
    speaks: Callable[[], bool]
    emit: Callable[[bytes], None]
    tune: Callable[[LineFormat | None], None]
    idle: Callable[[], None]  # the program waits for the host


class Usart:
    def __init__(self, kind: Kind, fifo_bytes: int, line: Line) -> None:
        self._kind, self._layout, self._line = kind, _LAYOUTS[kind], line
        self._fifo_bytes = fifo_bytes
        self._values: dict[int, int] = {}
        self._arriving: deque[tuple[int, int]] = deque()  # time of the stop bit, byte
        self._received: deque[int] = deque()
        self._sending: deque[int] = deque()  # when each byte has left the shift register
        self._sent = bytearray()
        self._skipped, self._polls, self._overrun, self._status_seen = 0, 0, False, False
        self._quick_polls, self._polled = 0, 0  # in a row; when the last one was
        self._format: LineFormat | None = None
        # what the control register amounts to, worked out when it or a clock changes
        self._transmits = self._receives = False
        self._depth, self._byte_clocks = 1, 1
        self.overruns = 0

    # --- the host's end ----------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes begin to arrive now, behind those that still do."""
        at = max(self._now(), self._arriving[-1][0] if self._arriving else 0)
        for byte in data:
            at += self._byte_clocks
            self._arriving.append((at, byte))
        self._polls = 0

    @property
    def waiting(self) -> bool:
        """Whether something is on the line or unread."""
        return bool(self._arriving or self._received)

    def flush(self) -> None:
        if self._sent:
            data = bytes(self._sent)
            self._sent.clear()
            self._line.emit(data)

    def retune(self) -> None:
        """A clock or a register that the baud rate comes from may have changed."""
        found = self._line_format()
        self._transmits = found is not None and bool(self._control & _TE)
        self._receives = found is not None and bool(self._control & _RE)
        self._depth = self._fifo_bytes if self._control & _FIFO and self._fifo_bytes else 1
        if found is not None:
            self._byte_clocks = max(1, found.bits_per_byte * self._line.core_hz() // found.baud_hz)
        if found != self._format:
            self.flush()
            self._format = found
            self._line.tune(found)

    # --- the registers -----------------------------------------------------------------------------------

    def read(self, offset: int) -> int:
        if offset == self._layout.status:
            return self._poll()
        if offset == self._layout.receive:
            return self._take()
        return self._values.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        layout = self._layout
        if offset == layout.transmit:
            self._put(value & 0xFF)
        elif offset == _CLEAR and self._kind is not Kind.F4:
            if value & _ORE:
                self._overrun = False
        elif offset == _REQUEST and self._kind is not Kind.F4:
            if value & 1 << 3:  # RXFRQ
                self._received.clear()
        elif offset == layout.status:
            pass  # F4: flags that are cleared by writing 0 are not modelled
        else:
            # with the USART on, its baud rate and format cannot be changed (RM0433, USART_BRR); not so on F4
            fixed = self._kind is not Kind.F4 and self._enabled
            if fixed and offset in (layout.baud, _PRESCALER):
                return
            self._values[offset] = value
            self.retune()

    # --- inside ------------------------------------------------------------------------------------------

    @property
    def _control(self) -> int:
        return self._values.get(self._layout.control, 0)

    @property
    def _enabled(self) -> bool:
        return bool(self._control & self._layout.enable)

    def _baud_hz(self) -> int:
        clock, divider = self._line.kernel_hz(), self._values.get(self._layout.baud, 0)
        if self._kind is not Kind.F4:
            prescaler = self._values.get(_PRESCALER, 0) & 0xF
            clock //= _PRESCALERS[prescaler] if prescaler < len(_PRESCALERS) else 256
        if self._kind is Kind.LOW_POWER:
            return 256 * clock // divider if divider >= 0x300 else 0
        if self._control & _OVERSAMPLING_8:
            divider = divider & 0xFFF0 | (divider & 7) << 1
            return 2 * clock // divider if divider >= 16 else 0
        return clock // divider if divider >= 16 else 0

    def _line_format(self) -> LineFormat | None:
        baud_hz = self._baud_hz()
        if not self._enabled or baud_hz <= 0:
            return None
        even = self._control & _PARITY_ENABLE and self._control & _WORD_9 and not self._control & _ODD
        return LineFormat(baud_hz, Parity.EVEN if even else Parity.NONE)

    def _now(self) -> int:
        return self._line.instructions() + self._skipped

    def _advance(self) -> int:
        """Let happen what is due; returns the time."""
        now = self._line.instructions() + self._skipped
        while self._sending and self._sending[0] <= now:
            self._sending.popleft()
        if not self._arriving or self._arriving[0][0] > now:
            return now
        hears = self._receives and self._line.hears()
        while self._arriving and self._arriving[0][0] <= now:
            _, byte = self._arriving.popleft()
            if not hears:
                continue
            if len(self._received) < self._depth:
                self._received.append(byte)
            else:
                self._overrun = True
                self.overruns += 1
        return now

    def _status(self) -> int:
        value = _RXNE if self._received else 0
        if self._overrun:
            value |= _ORE
        if not self._sending:
            value |= _TC
        # one byte in the shift register, and behind it one, or the FIFO
        if len(self._sending) <= self._depth:
            value |= _TXE
        if self._kind is not Kind.F4:
            value |= _TEACK * self._transmits | _REACK * self._receives
        return value

    def _poll(self) -> int:
        now = self._advance()
        self._polls += 1
        if self._polls >= _POLLS_BEFORE_SKIP and not self._received and not self._overrun:
            sending, arriving = self._sending, self._arriving
            if sending or arriving:
                next_sent = sending[0] if sending else arriving[0][0]
                self._skipped += min(next_sent, arriving[0][0] if arriving else next_sent) - now
                self._advance()
            elif now - self._polled > _IDLE_INSTRUCTIONS:
                self._quick_polls = 0
            else:
                self._quick_polls += 1
                if self._quick_polls >= _POLLS_BEFORE_IDLE:
                    self._quick_polls = 0
                    self._line.idle()
        self._polled = now
        status = self._status()
        self._status_seen = True
        return status

    def _take(self) -> int:
        self._advance()
        self._polls = 0
        if self._kind is Kind.F4 and self._status_seen:
            self._overrun = False  # cleared by a read of SR, then DR
        self._status_seen = False
        return self._received.popleft() if self._received else 0

    def _put(self, byte: int) -> None:
        now = self._advance()
        self._polls = 0
        if not self._transmits:
            return
        if len(self._sending) > self._depth:
            self._sending.pop()  # the byte that waited is overwritten
            if self._line.speaks() and self._sent:
                self._sent.pop()
        start = max(now, self._sending[-1] if self._sending else 0)
        self._sending.append(start + self._byte_clocks)
        if self._line.speaks():
            self._sent.append(byte)
            if len(self._sent) >= _FLUSH_BYTES:
                self.flush()
