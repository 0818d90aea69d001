"""Host keys: which ones are known for a host, how a key is shown, and how one is accepted."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Final

from benchrunner.durable import write_atomic
from benchrunner.errors import HostKeyError

_LARGEST_FILE_BYTES: Final = 16 << 20
_DEFAULT_PORT: Final = 22


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public key: its type as in `known_hosts`, and its bytes as on the wire."""

    kind: str
    blob: bytes

    @classmethod
    def parse(cls, text: str) -> HostKey:
        """`ssh-ed25519 AAAA... [comment]`; raises `ValueError`."""
        kind, encoded = text.split()[:2]
        blob = base64.b64decode(encoded, validate=True)
        length = int.from_bytes(blob[:4], "big")
        if blob[4 : 4 + length] != kind.encode():
            raise ValueError(f"the key is not of type {kind}")
        return cls(kind, blob)

    @property
    def fingerprint(self) -> str:
        """As ssh prints it: `SHA256:` and 43 characters."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")
        return f"SHA256:{digest}"

    @property
    def line(self) -> str:
        """Type and key as in a file."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"


class Verdict(Enum):
    KNOWN = auto()
    UNKNOWN = auto()  # nothing is known of the host, or only keys of other types
    CHANGED = auto()  # another key of this type is known
    REVOKED = auto()


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a `known_hosts` file that holds a key."""

    path: Path
    line_number: int
    hosts: str
    key: HostKey
    revoked: bool

    def names(self, host: str, port: int) -> bool:
        """Whether the line is about that host."""
        # A line without a port also vouches for the host's other ports, as in OpenSSH.
        wanted = {host.lower()} | ({f"[{host.lower()}]:{port}"} if port != _DEFAULT_PORT else set())
        return any(_matches(self.hosts, name) for name in wanted)

    def names_exactly(self, host: str, port: int) -> bool:
        """Whether the line is about that port of the host."""
        return _matches(self.hosts, known_hosts_name(host, port))


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    because: tuple[Entry, ...] = ()  # the lines that say so, or that say something else


def known_hosts_name(host: str, port: int) -> str:
    """The host as `known_hosts` files name it: `host`, or `[host]:port` where the port is not 22."""
    return host.lower() if port == _DEFAULT_PORT else f"[{host.lower()}]:{port}"


def own_known_hosts() -> Path:
    """The file that accepted keys are written to; ssh's own files are only read."""
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return settings / "benchrunner" / "known_hosts"


def usual_known_hosts() -> tuple[Path, ...]:
    """The user's files of ssh and the one of the system."""
    folder = Path.home() / ".ssh"
    return (folder / "known_hosts", folder / "known_hosts2", Path("/etc/ssh/ssh_known_hosts"))


def read_entries(paths: Sequence[Path]) -> list[Entry]:
    """The keys in those files, as far as they are there; lines that mean nothing to us are left out."""
    return [entry for path in paths for entry in _entries(path)]


def judge(entries: Sequence[Entry], host: str, port: int, key: HostKey) -> Judgement:
    """What the files say about `key` as the key of that host."""
    revoked = [entry for entry in entries if entry.revoked and entry.key.blob == key.blob]
    if any(entry.names(host, port) for entry in revoked):
        return Judgement(Verdict.REVOKED, tuple(entry for entry in revoked if entry.names(host, port)))
    exact = [entry for entry in entries if not entry.revoked and entry.names_exactly(host, port)]
    near = [entry for entry in entries if not entry.revoked and entry.names(host, port)]
    same = tuple(entry for entry in near if entry.key.blob == key.blob)
    if same:
        return Judgement(Verdict.KNOWN, same)
    changed = tuple(entry for entry in exact if entry.key.kind == key.kind)
    if changed:
        return Judgement(Verdict.CHANGED, changed)
    return Judgement(Verdict.UNKNOWN, tuple(exact))


def known_kinds(entries: Sequence[Entry], host: str, port: int) -> list[str]:
    """The types of key that are known for the host: those are asked for first."""
    return list(
        dict.fromkeys(entry.key.kind for entry in entries if not entry.revoked and entry.names(host, port))
    )


def accept(host: str, port: int, key: HostKey, path: Path) -> None:
    """Write `key` to `path` in place of other keys of its type for that host.

    Raises `HostKeyError` when the file cannot be written.
    """
    name = known_hosts_name(host, port)
    replaced = {
        entry.line_number
        for entry in _entries(path)
        if entry.names_exactly(host, port) and entry.key.kind == key.kind and not entry.revoked
    }
    try:
        old = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if path.exists() else []
        kept = [line for number, line in enumerate(old, 1) if number not in replaced]
        text = "".join(f"{line}\n" for line in [*kept, f"{name} {key.line}"])
        write_atomic(path, text.encode("utf-8", errors="surrogateescape"))
    except OSError as error:
        raise HostKeyError(f"{path}: the key cannot be stored: {error.strerror}") from error


def _entries(path: Path) -> Iterator[Entry]:
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_FILE_BYTES:
            return
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise HostKeyError(f"{path}: known hosts cannot be read: {error.strerror}") from error
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or marker not in ("", "@revoked"):
            continue  # @cert-authority: certificates of hosts are not asked for
        try:
            key = HostKey.parse(f"{words[1]} {words[2]}")
        except (ValueError, binascii.Error):
            continue
        yield Entry(path, number, words[0], key, revoked=bool(marker))


def _matches(hosts: str, name: str) -> bool:
    if hosts.startswith("|"):
        return _matches_hash(hosts, name)
    found = False
    for pattern in hosts.lower().split(","):
        negated = pattern.startswith("!")
        # Only * and ? are special in these files; fnmatch would take brackets for a set.
        literal = re.sub(r"\[", "[[]", pattern.removeprefix("!"))
        if fnmatch.fnmatchcase(name, literal):
            if negated:
                return False
            found = True
    return found


def _matches_hash(hosts: str, name: str) -> bool:
    """`|1|salt|HMAC-SHA1 of the name|`: how OpenSSH hides which hosts a user knows."""
    try:
        _, version, salt, digest = hosts.split("|")
        expected = base64.b64decode(digest, validate=True)
        found = hmac.new(base64.b64decode(salt, validate=True), name.encode(), hashlib.sha1).digest()
    except ValueError:
        return False
    return version == "1" and hmac.compare_digest(found, expected)
