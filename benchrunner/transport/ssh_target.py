"""Which Linux board is meant: what a person types as its host, and what `~/.ssh/config` says about it."""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from benchrunner.errors import UsageError
from benchrunner.transport.ssh_config import SshConfig
from benchrunner.transport.ssh_proxy import expand_tokens

DEFAULT_PORT: Final = 22
_MOST_JUMPS: Final = 8  # more than that is a circle in ssh's configuration
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*\$?")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9_.-]+)?")


@dataclass(frozen=True, slots=True)
class SshTarget:
    """A host to log in to, and by what means. It holds no password, so it can be shown and stored."""

    host: str
    user: str
    port: int = DEFAULT_PORT
    key_files: tuple[Path, ...] = ()  # tried first, in this order
    only_key_files: bool = False  # neither other keys of the agent nor the usual files of ~/.ssh
    jumps: tuple[SshTarget, ...] = ()  # hosts on the way, the nearest first
    proxy_command: str | None = field(default=None, repr=False)  # a program that is the way; no jumps then
    known_hosts: tuple[Path, ...] | None = None  # None: the usual files
    host_key_alias: str | None = None  # the name to look up in them, where it is not the host
    host_key: str | None = None  # `ssh-ed25519 AAAA...`: the only key to accept; no file is read then
    password_variable: str | None = None  # name of the environment variable that holds the password
    given: tuple[str, ...] = ()  # the words a person typed for it, for the commands in hints
    ask: Callable[[str], str | None] | None = field(default=None, repr=False, compare=False)
    """Asks the person for a password or a passphrase; None where there is nobody to ask."""

    @property
    def description(self) -> str:
        """`user@host`, with the port where it is not 22."""
        return f"{self.user}@{self.address}"

    @property
    def address(self) -> str:
        """`host`, or `host:port` where the port is not 22; IPv6 addresses in brackets then."""
        if self.port == DEFAULT_PORT:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Typed:
    user: str | None
    host: str
    port: int | None


def ssh_target(
    text: str,
    *,
    config_file: Path | None = None,
    key_file: Path | None = None,
    jump: str | None = None,
    password_variable: str | None = None,
    ask: Callable[[str], str | None] | None = None,
) -> SshTarget:
    """The target of `host`, `user@host:port`, `[::1]:2222`, `ssh://user@host:port`, or an alias.

    What the text leaves open comes from `config_file` (~/.ssh/config unless given), then from ssh's own
    defaults. `jump` replaces the configuration's ProxyJump and ProxyCommand: hosts separated by commas, the
    nearest first.
    Raises `UsageError`.
    """
    config = SshConfig.read(config_file if config_file is not None else Path.home() / ".ssh" / "config")
    target = _resolve(text, config, jump=jump, depth=0)
    if key_file is not None:
        key_file = key_file.expanduser()
        if not key_file.is_file():
            raise UsageError(f"{key_file}: no such key file", hint="give the private key, not its .pub")
        target = replace(target, key_files=(key_file, *target.key_files))
    return replace(
        target,
        password_variable=password_variable,
        ask=ask,
        jumps=tuple(replace(hop, ask=ask) for hop in target.jumps),
    )


def _resolve(text: str, config: SshConfig, *, jump: str | None, depth: int) -> SshTarget:
    typed = _parse(text)
    settings = config.of(typed.host)
    host = settings.host or typed.host
    user = typed.user or settings.user or getpass.getuser()
    port = typed.port or settings.port or DEFAULT_PORT
    tokens = {
        "h": host,
        "k": settings.host_key_alias or typed.host,
        "n": typed.host,
        "p": str(port),
        "r": user,
    }
    via, command = jump, None
    if jump is None:
        via, command = (
            None if way is None else expand_tokens(way, tokens, f"{name} of {text}")
            for name, way in (("ProxyJump", settings.jump), ("ProxyCommand", settings.proxy_command))
        )
    jumps: list[SshTarget] = []
    if via is not None and via.lower() != "none":
        if depth >= _MOST_JUMPS:
            raise UsageError(
                f"{text}: more than {_MOST_JUMPS} jump hosts, one behind the other",
                hint="the ProxyJump lines of ~/.ssh/config lead in a circle",
            )
        hops = [hop.strip() for hop in via.split(",")]
        for position, hop in enumerate(hops):
            hop_target = _resolve(hop, config, jump=None, depth=depth + 1)
            # Only the first hop is reached directly; each later one through those before it.
            before = ("--jump", ",".join(hops[:position])) if position else ()
            if jumps:
                hop_target = replace(hop_target, jumps=(), proxy_command=None)
            jumps += [
                *hop_target.jumps,
                replace(hop_target, jumps=(), given=(*before, *hop_target.given)),
            ]
    return SshTarget(
        host=host,
        user=user,
        port=port,
        key_files=settings.key_files,
        only_key_files=settings.only_key_files,
        jumps=tuple(jumps),
        proxy_command=command,
        known_hosts=settings.known_hosts,
        host_key_alias=settings.host_key_alias,
        given=(text,) if jump is None else ("--jump", jump, text),
    )


def _parse(text: str) -> _Typed:
    rest = text.removeprefix("ssh://").removesuffix("/") if text.startswith("ssh://") else text
    user, at, address = rest.rpartition("@")
    if ":" in user:
        # The text is not shown: what stands behind the colon may be a password.
        raise UsageError(
            "the host holds a colon before the @: a password on the command line is seen by everyone",
            hint="write user@host; use a key, or let the password be asked for",
        )
    if at and not _USER.fullmatch(user):
        raise _not_a_host(text, "a user name before the @")
    bracketed = re.fullmatch(r"\[([^\[\]]+)\](?::(\d+))?", address)
    plain = re.fullmatch(r"([^:\[\]]+)(?::(\d+))?", address)
    if bracketed:
        host, port = bracketed.groups()
    elif plain:
        host, port = plain.groups()
    else:
        host, port = address, None  # an IPv6 address without brackets has no port
    if not _HOST.fullmatch(host):
        raise _not_a_host(text, "a host name or an address")
    if port is not None and not 1 <= int(port) <= 65535:
        raise _not_a_host(text, "a port from 1 to 65535")
    return _Typed(user if at else None, host, int(port) if port is not None else None)


def _not_a_host(text: str, expected: str) -> UsageError:
    return UsageError(
        f"host {text!r}: expected {expected}",
        hint="examples: root@192.168.7.1, user@host:2222, [::1]:2222, or an alias of ~/.ssh/config",
    )
