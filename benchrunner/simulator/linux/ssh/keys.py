"""Ed25519 keys in the forms that OpenSSH and paramiko read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KeyPair:
    private: str  # OpenSSH's own format
    public: str  # "ssh-ed25519 AAAA..."


def new_key_pair() -> KeyPair:
    """A fresh key; it belongs to nobody but the caller."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return KeyPair(private.decode(), public.decode())


def write_private(path: Path, pair: KeyPair) -> None:
    """Readable for its owner alone: `ssh` refuses it otherwise."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(pair.private)
    path.with_suffix(".pub").write_text(pair.public + "\n", encoding="ascii")
