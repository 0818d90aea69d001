"""The SSH keys of an image: made with it, known to whoever has it, and of use nowhere else."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from pathlib import Path

from benchrunner.deadline import Deadline
from benchrunner.linuxemu.programs import as_root, find_programs, run

_MAGIC = b"openssh-key-v1\0"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An Ed25519 key as OpenSSH stores it."""

    private: bytes
    public: str  # "ssh-ed25519 AAAA..."


def make_key(folder: Path, name: str, deadline: Deadline) -> KeyPair:
    """A new key without a passphrase, in the file `name` of `folder` (`name.pub` beside it)."""
    path = folder / name
    program = find_programs(["ssh-keygen"])["ssh-keygen"]
    # As root, because it does nothing for a user who has no account, as in a container.
    command = (program, "-q", "-t", "ed25519", "-N", "", "-C", "benchrunner", "-f", str(path))
    run(as_root(command), "an SSH key", deadline)
    public = path.with_name(f"{name}.pub").read_text(encoding="ascii").split()
    return KeyPair(path.read_bytes(), " ".join(public[:2]))


def for_dropbear(private: bytes) -> bytes:
    """The private key of an OpenSSH file in dropbear's format: the name of its type, then seed and point."""
    lines = private.decode("ascii").strip().splitlines()
    data = base64.b64decode("".join(lines[1:-1]))
    if not data.startswith(_MAGIC):
        raise ValueError("not a private key of OpenSSH")
    rest = data[len(_MAGIC) :]
    for _ in range(3):  # cipher, key derivation, its options: "none" for a key without a passphrase
        _, rest = _take(rest)
    _, rest = _take(rest[4:])  # after the number of keys, the public one
    secret, _ = _take(rest)
    kind, secret = _take(secret[8:])  # after two equal check words
    _, secret = _take(secret)
    pair, _ = _take(secret)
    if kind != b"ssh-ed25519" or len(pair) != 64:
        raise ValueError(f"expected an Ed25519 key, found {kind.decode(errors='replace')}")
    return struct.pack(">I", len(kind)) + kind + struct.pack(">I", len(pair)) + pair


def _take(data: bytes) -> tuple[bytes, bytes]:
    """The length-prefixed string that `data` starts with, and what follows."""
    (length,) = struct.unpack_from(">I", data)
    return data[4 : 4 + length], data[4 + length :]
