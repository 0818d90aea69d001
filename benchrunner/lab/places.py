"""The places of `lab.toml`: which board is plugged in where, and how its BOOT0 and NRST are wired."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from benchrunner import config
from benchrunner.board import board_ids
from benchrunner.config import FILE_CONFIG, Problem, UnusableError, Values, close_matches
from benchrunner.errors import UsageError

LAB_VARIABLE: Final = "BENCHRUNNER_LAB"
"""Environment variable that names the lab file."""

_PORT = re.compile(r"/.+|(rfc2217|socket)://[^/:]+:[0-9]+|(rfc2217|socket)://\[[0-9a-fA-F:]+\]:[0-9]+")
_SMALLEST_BAUD_HZ, _LARGEST_BAUD_HZ = 1_200, 12_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """One board of yours and the way to it."""

    __pydantic_config__ = FILE_CONFIG

    board: str  # id of the board file
    port: str | None = None  # device path, rfc2217://host:port or socket://host:port
    probe_serial: str | None = None  # of the debug probe: finds the port wherever it is plugged in
    boot0: Literal["rts", "dtr"] | None = None  # modem line that drives BOOT0; set with `nrst` or not at all
    nrst: Literal["rts", "dtr"] | None = None
    boot0_inverted: bool = False  # True where setting the line gives a low level at BOOT0
    nrst_inverted: bool = False  # True where setting the line holds the chip in reset
    app_baud_hz: int | None = None  # of the firmware's port, where it differs from the board's
    host: str | None = None  # of a Linux board, as ssh takes it: user@address, or an alias of ~/.ssh/config
    key_file: str | None = None  # private key for it, where ssh would not find one by itself
    jump: str | None = None  # hosts on the way to it, separated by commas
    password_variable: str | None = None  # name of the environment variable that holds its password
    name: str = ""  # the key in `[places]`

    @property
    def has_lines(self) -> bool:
        """True where the host drives BOOT0 and NRST of this board, whatever the board file says."""
        return self.boot0 is not None and self.nrst is not None

    @property
    def lines_swapped(self) -> bool:
        """True where DTR is BOOT0 and RTS is NRST, the other way round from the usual wiring."""
        return self.boot0 == "dtr"


@dataclass(frozen=True, slots=True)
class Lab:
    """All places of a lab file; none where there is no file."""

    __pydantic_config__ = FILE_CONFIG

    places: dict[str, Place] = field(default_factory=dict)

    def place(self, name: str) -> Place:
        """The place of that name; raises `UsageError` with close matches."""
        if name in self.places:
            return self.places[name]
        known = ", ".join(self.places) or "none"
        raise UsageError(
            f"place {name!r}: expected one of the places of the lab file ({known})",
            hint=close_matches(name, self.places) or "the lab file is lab.toml; lab.toml.example explains it",
        )

    def places_of(self, board_id: str) -> list[Place]:
        """The places where a board of that kind is plugged in, in the order of the file."""
        return [place for place in self.places.values() if place.board == board_id]


def find_lab(option: Path | None = None) -> Lab:
    """The lab file that `option`, else BENCHRUNNER_LAB names; else ./lab.toml; else the user's own.

    Without any of them the lab is empty. Raises `ConfigError` for a bad file, and for a named one that is
    not there.
    """
    named = option or (Path(os.environ[LAB_VARIABLE]) if os.environ.get(LAB_VARIABLE) else None)
    if named is not None:
        return load_lab(named)
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for path in (Path("lab.toml"), settings / "benchrunner" / "lab.toml"):
        if path.is_file():
            return load_lab(path)
    return Lab()


def load_lab(path: Path) -> Lab:
    """Read a lab file; raises `ConfigError` naming every problem in it."""
    lab = config.load(path, Lab, [_rules])
    return Lab({name: replace(place, name=name) for name, place in lab.places.items()})


def _rules(values: Values) -> Iterator[Problem]:
    names = values.keys_at("places")
    boards = board_ids() if names else []
    for name in names:
        for rule in (_name_rule, _way_rule, _port_rule, _lines_rule, _baud_rule, _host_rule, _password_rule):
            try:
                yield from rule(values, name)
            except UnusableError:
                continue
        if values.usable("places", name, "board") and values.at("places", name, "board") not in boards:
            board = values.at("places", name, "board")
            hint = close_matches(board, boards)
            found = config.show(board) + (f" ({hint})" if hint else "")
            yield Problem(("places", name, "board"), "the id of a board (`benchrunner boards`)", found)


def _name_rule(values: Values, name: str) -> Iterator[Problem]:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        yield Problem(("places", name), "a name of letters, digits, _ . and -", config.show(name))
    if "name" in values.keys_at("places", name):
        yield Problem(("places", name, "name"), "no such key: the table's own name is the place's", "one")


def _way_rule(values: Values, name: str) -> Iterator[Problem]:
    keys = values.keys_at("places", name)
    if not {"port", "probe_serial", "host"} & set(keys):
        yield Problem(("places", name), "a way to the board: port, probe_serial or host", "none of them")
    if (
        values.usable("places", name, "probe_serial")
        and not values.at("places", name, "probe_serial").strip()
    ):
        yield Problem(("places", name, "probe_serial"), "the serial number of the probe", "an empty text")


def _port_rule(values: Values, name: str) -> Iterator[Problem]:
    port = values.at("places", name, "port")
    if not _PORT.fullmatch(port):
        expected = "a device path, rfc2217://host:port or socket://host:port"
        yield Problem(("places", name, "port"), expected, config.show(port))


def _lines_rule(values: Values, name: str) -> Iterator[Problem]:
    keys = values.keys_at("places", name)
    for key, other in (("boot0", "nrst"), ("nrst", "boot0")):
        if key in keys and other not in keys:
            yield Problem(("places", name, other), f'"rts" or "dtr", because {key} is set', "nothing")
        if f"{key}_inverted" in keys and key not in keys:
            yield Problem(
                ("places", name, f"{key}_inverted"), f"{key} beside it", "no line that it could turn"
            )
    if values.at("places", name, "boot0") == values.at("places", name, "nrst"):
        line = config.show(values.at("places", name, "nrst"))
        yield Problem(("places", name, "nrst"), "another line than boot0", line)


def _baud_rule(values: Values, name: str) -> Iterator[Problem]:
    baud_hz = values.at("places", name, "app_baud_hz")
    if not _SMALLEST_BAUD_HZ <= baud_hz <= _LARGEST_BAUD_HZ:
        expected = f"{_SMALLEST_BAUD_HZ} to {_LARGEST_BAUD_HZ} Bd"
        yield Problem(("places", name, "app_baud_hz"), expected, str(baud_hz))


def _host_rule(values: Values, name: str) -> Iterator[Problem]:
    keys = values.keys_at("places", name)
    for key in ("key_file", "jump", "password_variable"):
        if key in keys and "host" not in keys:
            yield Problem(("places", name, key), "host beside it", "no Linux board that it could be for")
    host = values.at("places", name, "host")
    if not host.strip() or host.startswith("-"):
        yield Problem(("places", name, "host"), "a host, such as root@192.168.7.1", config.show(host))
    elif ":" in host.rpartition("@")[0].removeprefix("ssh://"):
        # The text is not shown: what stands behind the colon may be a password.
        yield Problem(("places", name, "host"), "user@host", "a colon before the @; no password belongs here")


def _password_rule(values: Values, name: str) -> Iterator[Problem]:
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", values.at("places", name, "password_variable")):
        # Nor here: somebody may have taken the key for the place of the password itself.
        yield Problem(
            ("places", name, "password_variable"),
            "the name of an environment variable, in capitals",
            "another text",
        )
