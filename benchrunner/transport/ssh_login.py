"""Logging in: without a password where the board wants none, then keys, then a password nobody else sees."""

from __future__ import annotations

import base64
import io
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from benchrunner.deadline import Deadline
from benchrunner.errors import AuthenticationError, ConnectionLostError, UsageError
from benchrunner.transport.known_hosts import HostKey
from benchrunner.transport.paramiko_library import paramiko_library
from benchrunner.transport.ssh_target import SshTarget
from benchrunner.transport.ssh_wire import plain

_USUAL_KEYS: Final = ("id_ed25519", "id_ecdsa", "id_rsa")
_AGENT_ANSWER_S: Final = 10.0


def log_in(transport: Any, target: SshTarget, deadline: Deadline) -> None:
    """Log in or raise `AuthenticationError`, naming what was tried and never a password."""
    _Login(transport, target, deadline).run()


class _Login:
    def __init__(self, transport: Any, target: SshTarget, deadline: Deadline) -> None:
        self._transport = transport
        self._target = target
        self._deadline = deadline
        self._tried: list[str] = []
        self._left_out: list[str] = []  # keys that could not be tried, with the reason
        self._allowed: list[str] = []  # what the server would take next

    def run(self) -> None:
        # Asked first, as ssh does: the answer names the methods, and OpenSTLinux's root has no password.
        if self._attempt(lambda: self._transport.auth_none(self._target.user)):
            return
        if "publickey" in self._allowed and self._with_keys():
            return
        if {"password", "keyboard-interactive"} & set(self._allowed) and self._with_password():
            return
        raise self._refused()

    def _attempt(self, ask: Callable[[], list[str]]) -> bool:
        """True when logged in; remembers what the server would take instead."""
        paramiko = paramiko_library()
        what = f"{self._target.description}: login"
        self._deadline.check(what)
        self._transport.auth_timeout = max(0.1, self._deadline.remaining_s())
        try:
            left = ask()
        except paramiko.BadAuthenticationType as error:
            self._allowed = [str(name) for name in error.allowed_types]
            return False
        except (paramiko.SSHException, OSError, EOFError) as error:
            self._deadline.check(what, hint="the board is slow, or stopped in the middle of the login")
            if not self._transport.is_active():
                raise self._disconnected(error) from None
            if not isinstance(error, paramiko.AuthenticationException):
                self._left_out.append(plain(error))
            return False
        if not left:
            return True
        self._allowed = [str(name) for name in left]  # accepted, and the server wants a second proof
        return False

    def _with_keys(self) -> bool:
        with _Agent(self._deadline) as agent:
            for name, key in self._keys(agent.keys):
                self._tried.append(name)
                if self._attempt(lambda key=key: self._transport.auth_publickey(self._target.user, key)):  # type: ignore[misc]
                    return True
                if "publickey" not in self._allowed:
                    return False  # this key was right, and something else is wanted as well
        return False

    def _keys(self, agent_keys: list[Any]) -> Iterator[tuple[str, Any]]:
        seen: set[bytes] = set()
        files = list(self._target.key_files)
        if not files and not self._target.only_key_files:
            usual = [Path.home() / ".ssh" / name for name in _USUAL_KEYS]
            files = [path for path in usual if path.is_file()]
        named = {blob for path in files if (blob := _public_blob(path)) is not None}
        # As ssh does: agent keys first that a file names, since they need no passphrase.
        ordered = sorted(agent_keys, key=lambda key: bytes(key.asbytes()) not in named)
        for key in ordered:
            blob = bytes(key.asbytes())
            if blob in named:
                seen.add(blob)
                yield f"key {HostKey(key.get_name(), blob).fingerprint} of the agent", key
        for path in files:
            if _public_blob(path) not in seen and (loaded := self._load(path)) is not None:
                seen.add(bytes(loaded.asbytes()))
                yield f"key {path}", loaded
        if self._target.only_key_files:
            return
        for key in ordered:
            blob = bytes(key.asbytes())
            if blob not in seen:
                yield f"key {HostKey(key.get_name(), blob).fingerprint} of the agent", key

    def _load(self, path: Path) -> Any:
        paramiko = paramiko_library()
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            self._left_out.append(f"{path}: {getattr(error, 'strerror', None) or 'not a key file'}")
            return None
        passphrase: str | None = None
        for _ in range(2):
            try:
                key = _private_key(text, passphrase)
            except paramiko.PasswordRequiredException:
                passphrase = self._target.ask(f"Passphrase of {path}: ") if self._target.ask else None
                if not passphrase:
                    self._left_out.append(
                        f"{path}: needs a passphrase; `ssh-add {path}` gives it to the agent"
                    )
                    return None
            except (paramiko.SSHException, ValueError):
                self._left_out.append(f"{path}: not a usable private key, or the passphrase is wrong")
                return None
            else:
                certificate = path.with_name(f"{path.name}-cert.pub")
                if certificate.is_file():
                    key.load_certificate(str(certificate))
                return key
        return None

    def _with_password(self) -> bool:
        password = self._password()
        if password is None:
            return False
        self._tried.append("a password")
        return self._attempt(lambda: self._transport.auth_password(self._target.user, password))

    def _password(self) -> str | None:
        variable = self._target.password_variable
        if variable is not None:
            password = os.environ.get(variable)
            if password is None:
                raise UsageError(
                    f"{self._target.description}: the environment variable {variable}, which should hold the "
                    "password, is not set"
                )
            return password
        return self._target.ask(f"Password of {self._target.description}: ") if self._target.ask else None

    def _refused(self) -> AuthenticationError:
        tried = ", ".join(self._tried) or "no key and no password at hand"
        notes = "".join(f"; {note}" for note in self._left_out)
        takes = ", ".join(self._allowed) or "nothing"
        return AuthenticationError(
            f"{self._target.description}: login refused (tried: {tried}{notes}; the board takes: {takes})",
            hint="is the user name right? This stores your key on the board: "
            f"ssh-copy-id {_option_port(self._target)}{self._target.user}@{self._target.host}",
        )

    def _disconnected(self, error: BaseException) -> AuthenticationError | ConnectionLostError:
        if self._tried:
            return AuthenticationError(
                f"{self._target.description}: the board ended the connection during the login (tried: "
                f"{', '.join(self._tried)}): {plain(error)}",
                hint="too many keys, perhaps: name one with IdentityFile and IdentitiesOnly in ~/.ssh/config",
            )
        return ConnectionLostError(
            f"{self._target.description}: connection lost during the login: {plain(error)}",
            hint="the board was switched off, or its SSH server ended",
        )


class _Agent:
    """The keys of the running SSH agent; none where there is no agent, or where it does not answer."""

    def __init__(self, deadline: Deadline) -> None:
        self.keys: list[Any] = []
        self._socket: socket.socket | None = None
        self._budget_s = max(0.1, min(_AGENT_ANSWER_S, deadline.remaining_s()))

    def __enter__(self) -> _Agent:
        path = os.environ.get("SSH_AUTH_SOCK")
        if not path:
            return self
        paramiko = paramiko_library()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # paramiko's own Agent would wait for ever for an agent that hangs.
        self._socket.settimeout(self._budget_s)
        try:
            self._socket.connect(path)
            agent = paramiko.agent.AgentSSH()
            agent._connect(self._socket)
            self.keys = [key for key in agent.get_keys() if key.inner_key is not None]
        except (OSError, paramiko.SSHException):
            self.keys = []
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()


def _private_key(text: str, passphrase: str | None) -> Any:
    paramiko = paramiko_library()
    kind = _kind_of(text)
    classes = {"ssh-ed25519": paramiko.Ed25519Key, "ssh-rsa": paramiko.RSAKey}
    wanted = paramiko.ECDSAKey if kind.startswith("ecdsa-") else classes.get(kind)
    if wanted is None:
        raise ValueError(f"a key of type {kind}")
    try:
        return wanted.from_private_key(io.StringIO(text), passphrase)
    except (IndexError, TypeError) as error:  # what a damaged file leads to
        raise ValueError(str(error)) from error


def _kind_of(text: str) -> str:
    """The type of a private key: the head of its file is not encrypted (OpenSSH's PROTOCOL.key)."""
    if "BEGIN RSA PRIVATE KEY" in text:
        return "ssh-rsa"
    if "BEGIN EC PRIVATE KEY" in text:
        return "ecdsa-"
    if "BEGIN OPENSSH PRIVATE KEY" not in text:
        return "unknown"
    data = base64.b64decode(
        "".join(line for line in text.splitlines() if not line.startswith("-")), validate=False
    )
    offset = len(b"openssh-key-v1\0")
    for _ in range(3):  # cipher, key derivation, its options
        offset += 4 + int.from_bytes(data[offset : offset + 4], "big")
    offset += 8  # number of keys; length of the public one
    length = int.from_bytes(data[offset : offset + 4], "big")
    return data[offset + 4 : offset + 4 + min(length, 64)].decode("ascii", errors="replace")


def _public_blob(path: Path) -> bytes | None:
    public = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
    try:
        return HostKey.parse(public.read_text(encoding="utf-8")).blob
    except (OSError, ValueError):
        return None


def _option_port(target: SshTarget) -> str:
    return f"-p {target.port} " if target.port != 22 else ""
