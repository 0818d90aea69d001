"""The formats that an image needs: keys of dropbear, device trees, cpio archives."""

from __future__ import annotations

import base64
import gzip
import struct
from pathlib import Path

import pytest
from device_trees import device_tree

from benchrunner.board import load_board
from benchrunner.deadline import Deadline
from benchrunner.errors import (
    LinuxImageError,
)
from benchrunner.linuxemu import TARGETS
from benchrunner.linuxemu.devicetree import identity, with_root_properties
from benchrunner.linuxemu.initramfs import Entry, build_initramfs, pack
from benchrunner.linuxemu.keys import for_dropbear, make_key

ARM64 = TARGETS["arm64"]


def test_dropbear_gets_the_same_key_in_its_own_format(tmp_path: Path) -> None:
    pair = make_key(tmp_path, "host", Deadline(60))
    found = for_dropbear(pair.private)
    name, point = found[:15], found[15:]
    assert name == b"\0\0\0\x0bssh-ed25519"
    assert len(point) == 4 + 64
    assert pair.public.split()[0] == "ssh-ed25519"
    public = base64.b64decode(pair.public.split()[1])
    assert public.endswith(point[-32:])
    with pytest.raises(ValueError, match="not a private key"):
        for_dropbear(b"-----BEGIN-----\naGVsbG8=\n-----END-----\n")


def test_a_tree_gets_the_boards_names_and_keeps_all_else() -> None:
    cells = ("#size-cells", b"\0\0\0\2")
    names = identity(load_board("stm32mp157f-dk2"))
    assert names == {
        "model": ("STMicroelectronics STM32MP157F-DK2 Discovery Board",),
        "compatible": ("st,stm32mp157f-dk2", "st,stm32mp157", "linux,dummy-virt"),
    }
    found = with_root_properties(device_tree(("compatible", b"linux,dummy-virt\0"), cells), names)
    # A tree with the same content, made from nothing: only the strings are in another order.
    assert struct.unpack_from(">I", found, 4)[0] == len(found)
    reserved_end = found.index(struct.pack(">QQQQ", 0x1000, 0x2000, 0, 0)) + 32
    assert struct.unpack_from(">I", found, 8)[0] == reserved_end
    assert found.count(b"st,stm32mp157f-dk2\0st,stm32mp157\0linux,dummy-virt\0") == 1
    assert found.count(b"STMicroelectronics STM32MP157F-DK2 Discovery Board\0") == 1
    assert b"memory\0\0" + struct.pack(">III", 2, 2, 9) in found
    again = with_root_properties(found, names)
    assert again == found  # set once more, nothing changes


@pytest.mark.parametrize("end", [0, 12, 40, 60, 80])
def test_what_is_no_device_tree_is_refused(end: int) -> None:
    with pytest.raises(ValueError, match=r"tree|reserved"):
        with_root_properties(device_tree(("model", b"x\0"))[:end], {"model": ("y",)})


def test_the_first_file_system_holds_what_the_kernel_needs_in_order(tmp_path: Path) -> None:
    for name in ("virtio_blk", "virtio", "unrelated"):
        path = tmp_path / "lib" / "modules" / "6.1" / f"{name}.ko"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    busybox = tmp_path / "busybox"
    busybox.write_bytes(b"\x7fELF")
    archive = gzip.decompress(build_initramfs(tmp_path, busybox))
    assert b"virtio.ko\nvirtio_blk.ko\n" in archive
    assert b"unrelated" not in archive
    with pytest.raises(LinuxImageError, match="expected modules"):
        build_initramfs(tmp_path / "nothing", busybox)


def test_the_archive_is_cpio_as_the_kernel_reads_it() -> None:
    data = pack({"bin": Entry(0o755), "bin/x": Entry(0o700, b"12345")})
    found, position = [], 0
    while position < len(data):
        assert data[position : position + 6] == b"070701"
        fields = [int(data[position + 6 + 8 * n : position + 14 + 8 * n], 16) for n in range(13)]
        size, length = fields[6], fields[11]
        name = data[position + 110 : position + 109 + length].decode()
        start = position + 110 + length + (-(110 + length) % 4)
        found.append((name, fields[1], fields[2:4], data[start : start + size]))
        position = start + size + (-size % 4)
    assert found == [
        ("bin", 0o040755, [0, 0], b""),
        ("bin/x", 0o100700, [0, 0], b"12345"),
        ("TRAILER!!!", 0, [0, 0], b""),
    ]
