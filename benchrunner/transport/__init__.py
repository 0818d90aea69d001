"""Byte pipes to a device."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from benchrunner.deadline import Deadline


class Parity(StrEnum):
    NONE = "N"
    EVEN = "E"


@dataclass(frozen=True, slots=True)
class Lines:
    """How the modem lines of a port are wired to BOOT0 and NRST.

    By default RTS set is BOOT0 high and DTR set is NRST released. `swapped` exchanges the two lines; the
    inversions are for adapters or transistors that turn the level round.
    """

    swapped: bool = False
    boot0_inverted: bool = False
    reset_inverted: bool = False

    def levels(self, *, boot0: bool, reset: bool) -> tuple[bool, bool]:
        """`(rts, dtr)` for BOOT0 high or low and NRST held or released."""
        boot0_line = boot0 != self.boot0_inverted
        reset_line = (not reset) != self.reset_inverted
        return (reset_line, boot0_line) if self.swapped else (boot0_line, reset_line)


class Transport(Protocol):
    """A byte pipe to one device. Every method raises `PortError` when the port is lost."""

    @property
    def description(self) -> str:
        """The port as a person would name it, for messages and records."""

    @property
    def has_lines(self) -> bool:
        """True where `set_lines` reaches BOOT0 and NRST."""

    def write(self, data: bytes) -> None:
        """Hand all of `data` to the wire."""

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        """At least one byte as soon as there is one, at most `max_bytes`; empty when the time is up."""

    def discard_input(self) -> int:
        """Drop what has arrived; returns how many bytes that was."""

    def set_format(self, baud_hz: int, parity: Parity) -> None:
        """Change baud rate and parity without closing (8 data bits, 1 stop bit)."""

    def set_lines(self, *, boot0: bool, reset: bool) -> None:
        """Drive BOOT0 high or low and hold (`reset=True`) or release NRST."""

    def close(self) -> None:
        """Release the port; harmless when done twice."""
