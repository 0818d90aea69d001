"""What is emulated of a Linux board: the processor, and the Debian port and wheels that run on it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchrunner.board import Board, LinuxSystem
from benchrunner.errors import UsageError

SUITE = "bookworm"  # its Python 3.11 is the last that tflite-runtime was built for
PYTHON = "3.11"

# Unpacked, not configured: no maintainer script runs, so nothing foreign is executed on the host.
PACKAGES = (
    *("base-files", "base-passwd", "bash", "dash", "coreutils", "grep", "sed", "libc-bin", "procps"),
    *("iproute2", "busybox-static", "openssh-server", "openssh-sftp-server", "dropbear-bin"),
    *("python3-minimal", "libpython3-stdlib", "python3-numpy", "libstdc++6"),
)
# Come with the packages above only for their maintainer scripts.
NOT_NEEDED = re.compile(
    r"(lib)?perl.*|lib.*-perl|debconf|libdebconfclient0|dpkg|tar|init-system-helpers|install-info|adduser|ucf"
    r"|usrmerge|runit-helper|sensible-utils|debianutils|media-types|gcc-\d+-base|python3-pkg-resources"
)

# In the order in which they are loaded, as far as the kernel has them as files.
MODULES = (
    *("virtio", "virtio_ring", "virtio_mmio", "virtio_blk", "failover", "net_failover", "virtio_net"),
    *("crc32c_generic", "crc16", "mbcache", "jbd2", "ext4"),
)

TFLITE_FOLDER = "usr/lib/python3/dist-packages"  # imported without further ado, as on the boards
LITERT_FOLDER = "opt/litert"  # only for those who put it in PYTHONPATH: the boards do not have it


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A wheel by name; older platform tags than these find no ARM file."""

    name: str
    version: str
    platform: str
    folder: str  # in the board's file system


@dataclass(frozen=True, slots=True)
class Target:
    """One processor architecture."""

    name: str  # of the Debian port
    core: str  # as board files name it
    cpu: str  # as QEMU names it
    program: str
    triplet: str
    kernel: str  # the package that depends on the newest kernel's
    wheels: tuple[WheelSource, ...]


ARM64 = Target(
    name="arm64",
    core="Cortex-A35",
    cpu="cortex-a35",
    program="qemu-system-aarch64",
    triplet="aarch64-linux-gnu",
    kernel="linux-image-cloud-arm64",  # a third of the size of the full one, and has all that is emulated
    wheels=(
        WheelSource("tflite-runtime", "2.14.0", "manylinux_2_34_aarch64", TFLITE_FOLDER),
        WheelSource("ai-edge-litert", "2.3.0", "manylinux_2_27_aarch64", LITERT_FOLDER),
    ),
)
ARMHF = Target(
    name="armhf",
    core="Cortex-A7",
    cpu="cortex-a7",
    program="qemu-system-arm",
    triplet="arm-linux-gnueabihf",
    kernel="linux-image-armmp-lpae",
    # There is no ai-edge-litert for 32 bits.
    wheels=(WheelSource("tflite-runtime", "2.14.0", "manylinux_2_34_armv7l", TFLITE_FOLDER),),
)
TARGETS = {target.name: target for target in (ARM64, ARMHF)}


def linux_of(board: Board) -> LinuxSystem:
    """What the board file says of its Linux; raises `UsageError` for a microcontroller."""
    if board.linux is None:
        raise UsageError(
            f"board {board.id!r}: expected a board that runs Linux, found kind {str(board.kind)!r}",
            hint="`benchrunner boards` shows the kind of each board",
        )
    return board.linux


def target_of(board: Board) -> Target:
    """What emulates the board. Raises `UsageError` where nothing does."""
    core = linux_of(board).core
    for target in TARGETS.values():
        if target.core == core:
            return target
    known = ", ".join(f"{target.core} ({target.name})" for target in TARGETS.values())
    raise UsageError(f"board {board.id!r}: no emulation of core {core!r}", hint=f"there is one of {known}")
