"""The serial line: what a receiver hears when the two ends do not agree on baud rate or parity."""

from __future__ import annotations

from dataclasses import dataclass

from benchrunner.transport import Parity

# A UART samples in the middle of a bit: over the 9.5 bits to the stop bit, 5 % of difference is half a bit.
_BAUD_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class LineFormat:
    """Baud rate and parity of one end; 8 data bits and 1 stop bit everywhere."""

    baud_hz: int
    parity: Parity

    @property
    def bits_per_byte(self) -> int:
        return 11 if self.parity is Parity.EVEN else 10

    def same_baud(self, other: LineFormat) -> bool:
        return abs(self.baud_hz - other.baud_hz) <= _BAUD_TOLERANCE * other.baud_hz


def heard(data: bytes, sent: LineFormat, receiver: LineFormat, *, mark_errors: bool) -> bytes:
    """The bytes a receiver gets out of `data`, the same for the same input.

    At another baud rate the waveform is sampled at the receiver's rate. At another parity every byte is a
    parity or framing error: lost, or 0x00 with `mark_errors` (what a tty delivers). That is stricter than
    silicon, where bytes with an odd number of ones pass: a host that forgets the parity must not come
    through by luck.
    """
    if sent.same_baud(receiver):
        if sent.parity is receiver.parity:
            return data
        return bytes(len(data)) if mark_errors else b""
    return _sampled(_waveform(data, sent), receiver, receiver.baud_hz / sent.baud_hz)


def _waveform(data: bytes, line: LineFormat) -> list[int]:
    """Level in each bit time: start bit, data from bit 0 on, parity, stop bit."""
    levels: list[int] = []
    for byte in data:
        levels.append(0)
        levels.extend(byte >> bit & 1 for bit in range(8))
        if line.parity is Parity.EVEN:
            levels.append(byte.bit_count() & 1)
        levels.append(1)
    return levels


def _sampled(levels: list[int], receiver: LineFormat, receiver_bits_per_level: float) -> bytes:
    """Decode `levels` with bit times that are `1 / receiver_bits_per_level` of a level long."""
    step = 1.0 / receiver_bits_per_level
    found = bytearray()
    end, at = len(levels), 0.0
    while True:
        while at < end and levels[int(at)]:  # idle: the next start bit begins with a level
            at = int(at) + 1.0
        if at >= end:
            break
        value = 0
        for bit in range(8):
            sample = int(at + (bit + 1.5) * step)
            value |= (levels[sample] if sample < end else 1) << bit
        found.append(value)
        at += (receiver.bits_per_byte - 0.5) * step
        while at < end and not levels[int(at)]:  # no stop bit: a start bit needs an edge, so wait for idle
            at = int(at) + 1.0
    return bytes(found)
