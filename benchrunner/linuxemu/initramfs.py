"""The first file system of the board: a static busybox and the drivers of its disk and network."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchrunner.errors import LinuxImageError
from benchrunner.linuxemu.target import MODULES

_ONBOARD = Path(__file__).resolve().parent / "onboard"
_FOLDERS = ("bin", "dev", "mnt", "modules", "proc", "sys")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or, without content, a folder."""

    mode: int
    content: bytes | None = None


def build_initramfs(kernel: Path, busybox: Path) -> bytes:
    """The compressed archive for the kernel package that was unpacked into `kernel`."""
    modules = {path.stem: path for path in (kernel / "lib" / "modules").rglob("*.ko")}
    if not modules:
        raise LinuxImageError(f"{kernel}: expected modules (*.ko) in the package of the kernel, found none")
    order = [name for name in MODULES if name in modules]  # what is not a file is built in
    entries = {name: Entry(0o755) for name in _FOLDERS}
    entries["init"] = Entry(0o755, (_ONBOARD / "init").read_bytes())
    entries["bin/busybox"] = Entry(0o755, busybox.read_bytes())
    entries["modules/order"] = Entry(0o644, "".join(f"{name}.ko\n" for name in order).encode())
    for name in order:
        entries[f"modules/{name}.ko"] = Entry(0o644, modules[name].read_bytes())
    # Unpacking costs emulated instructions, and a better compression hardly fewer bytes.
    return gzip.compress(pack(entries), compresslevel=1, mtime=0)


def pack(entries: Mapping[str, Entry]) -> bytes:
    """A cpio archive in the format `newc`, in which all belongs to root (Linux, buffer-format.rst)."""
    records = []
    for number, (name, entry) in enumerate(entries.items(), start=1):
        kind = stat.S_IFDIR if entry.content is None else stat.S_IFREG
        records.append(_record(name, number, kind | entry.mode, entry.content or b""))
    records.append(_record("TRAILER!!!", 0, 0, b""))
    return b"".join(records)


def _record(name: str, number: int, mode: int, content: bytes) -> bytes:
    # Inode, mode, user, group, links, time, size, device and represented device (two numbers each), length of
    # the name, checksum.
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + "".join(f"{field:08X}" for field in fields).encode() + name.encode() + b"\0"
    return _padded(head) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
