"""What a simulated board answers to logins and to requests on a channel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchrunner.simulator.linux.faults import Interruption
from benchrunner.simulator.linux.process import Group, Process, decode

if TYPE_CHECKING:
    from benchrunner.simulator.linux.machine import LinuxMachine

USER = "root"
_ENVIRONMENT = ("LANG", "LC_", "TZ")
"""Names of variables that a client may set, as in the `AcceptEnv` of common distributions."""


@dataclass(slots=True)
class Wish:
    """What a client has asked of one channel."""

    environment: dict[str, str] = field(default_factory=dict)
    terminal: str = ""
    size: tuple[int, int] = (80, 24)
    command: str | None = None  # None: a shell
    asked: bool = False
    begun: bool = False


class Door:
    """The part of paramiko's `ServerInterface` that this server has; mixed with it where it is imported."""

    def __init__(
        self,
        machine: LinuxMachine,
        authorized: str,
        passwordless: bool,
        drop: Callable[[], None],
        stall: Callable[[], None],
    ) -> None:
        self.machine = machine
        self._authorized, self._passwordless = authorized, passwordless
        self._drop, self._stall = drop, stall
        self.wishes: dict[int, Wish] = {}
        self.process = Process(machine, Group(), ["sshd"], {}, "/", {})
        self._lock = threading.Lock()

    # logins

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password" if self._passwordless else "publickey"

    def check_auth_none(self, username: str) -> int:
        return self._answer(self._passwordless and username == USER)

    def check_auth_password(self, username: str, password: str) -> int:
        return self._answer(self._passwordless and username == USER and password == "")

    def check_auth_publickey(self, username: str, key: Any) -> int:
        known = f"{key.get_name()} {key.get_base64()}" == self._authorized
        return self._answer(known and username == USER)

    def _answer(self, good: bool) -> int:
        # paramiko.AUTH_SUCCESSFUL and AUTH_FAILED
        return 0 if good and not self.machine.faults.auth_refused else 2

    # channels

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if kind != "session":
            return 1  # administratively prohibited
        with self._lock:
            first = not self.wishes
            self.wishes[chanid] = Wish()
        if first and self.interrupted("login"):
            return 2  # connect failed, and nobody is left to read it
        return 0

    def interrupted(self, step: str) -> bool:
        """Count `step`, and break or stall the connection where a fault says so."""
        match self.machine.counters.reach(step):
            case Interruption.DROP:
                self._drop()
            case Interruption.HANG:
                self._stall()
            case Interruption.REBOOT:
                self.machine.reboot()
            case None:
                return False
        return True

    def drop(self) -> None:
        self._drop()

    def _wish(self, channel: Any) -> Wish:
        with self._lock:
            return self.wishes.setdefault(channel.get_id(), Wish())

    def check_channel_env_request(self, channel: Any, name: bytes, value: bytes) -> bool:
        text = decode(name)
        if not text.startswith(_ENVIRONMENT) or len(value) > 4096:
            return False
        self._wish(channel).environment[text] = decode(value)
        return True

    def check_channel_pty_request(
        self,
        channel: Any,
        term: bytes,
        width: int,
        height: int,
        pixelwidth: int,
        pixelheight: int,
        modes: bytes,
    ) -> bool:
        wish = self._wish(channel)
        wish.terminal = decode(term) or "dumb"
        wish.size = (min(width, 1000) or 80, min(height, 1000) or 24)
        return True

    def check_channel_window_change_request(
        self, channel: Any, width: int, height: int, pixelwidth: int, pixelheight: int
    ) -> bool:
        self._wish(channel).size = (width, height)
        return True

    def check_channel_shell_request(self, channel: Any) -> bool:
        return self._ask(channel, None)

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        return self._ask(channel, decode(command))

    def _ask(self, channel: Any, command: str | None) -> bool:
        wish = self._wish(channel)
        if wish.asked:
            return False  # a channel runs one command
        wish.asked, wish.command = True, command
        return True

    def to_begin(self, channel: Any) -> Wish | None:
        """The wish of `channel` where it is complete and nobody has begun with it."""
        wish = self._wish(channel)
        if not wish.asked or wish.begun:
            return None
        wish.begun = True
        return wish
