"""Byte pipes to a device."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from benchrunner.deadline import Deadline


class Parity(StrEnum):
    NONE = "N"
    EVEN = "E"


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
