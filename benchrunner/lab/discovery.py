"""Finds connected boards by the USB ids of their debug probes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchrunner.board import Board, require_mcu
from benchrunner.errors import LabError
from benchrunner.lab.places import Place

if TYPE_CHECKING:
    from serial.tools.list_ports_common import ListPortInfo

Lister = Callable[[], "Iterable[ListPortInfo]"]


@dataclass(frozen=True, slots=True)
class FoundPort:
    """A serial port of this computer."""

    device: str  # path
    usb_id: str | None  # "0483:374b"; None for a port that is not on USB
    probe_serial: str | None

    def __str__(self) -> str:
        usb = f"USB id {self.usb_id}, probe serial {self.probe_serial or 'none'}"
        return f"{self.device} ({usb if self.usb_id else 'not USB'})"


def connected_ports() -> Iterable[ListPortInfo]:
    """Every serial port of this computer."""
    from serial.tools import list_ports

    return list_ports.comports()


def find_ports(board: Board, lister: Lister = connected_ports) -> list[FoundPort]:
    """The ports whose USB id is one that `board` has. Boards share ids: only the chip id tells them apart.

    Raises `UsageError` for a board that has no serial port to look for.
    """
    return [port for port in _ports(lister) if port.usb_id in _usb_ids(board)]


def find_port(
    board: Board, *, probe_serial: str | None = None, lister: Lister = connected_ports
) -> FoundPort:
    """The one port where a board of this kind is connected, with the probe of that serial number if given.

    Raises `LabError` that says what was looked for and what is there, where it is none or more than one.
    """
    ids = " or ".join(_usb_ids(board))
    wanted = f"a serial port with USB id {ids}" + (f", probe serial {probe_serial}" if probe_serial else "")
    found = [
        port
        for port in find_ports(board, lister)
        if probe_serial is None or (port.probe_serial or "").upper() == probe_serial.upper()
    ]
    match found:
        case [port]:
            return port
        case []:
            others = ", ".join(map(str, _ports(lister))) or "no serial port at all"
            raise LabError(
                f"board {board.id}: expected {wanted}, found {others}",
                hint="connect the board, name its port with --port, or try a simulated board with --sim",
            )
        case _:
            raise LabError(
                f"board {board.id}: expected one {wanted.removeprefix('a ')}, found {len(found)}: "
                + ", ".join(map(str, found)),
                hint="name the one you mean with --port, or its probe_serial in lab.toml",
            )


def port_of(place: Place, board: Board, lister: Lister = connected_ports) -> str:
    """The port of a place: as written, else where its probe is now. Raises `LabError` as `find_port`."""
    if place.port is not None:
        return place.port
    return find_port(board, probe_serial=place.probe_serial, lister=lister).device


def _usb_ids(board: Board) -> tuple[str, ...]:
    require_mcu(board)
    assert board.mcu is not None
    return board.mcu.serial.usb_ids


def _ports(lister: Lister) -> list[FoundPort]:
    ports = [
        FoundPort(
            info.device,
            f"{info.vid:04x}:{info.pid:04x}" if info.vid is not None and info.pid is not None else None,
            info.serial_number or None,
        )
        for info in lister()
    ]
    return sorted(ports, key=lambda port: port.device)
