"""The machine that QEMU makes of a board: its options, its device tree, its disk and its network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchrunner.board import Board
from benchrunner.deadline import Deadline
from benchrunner.linuxemu.devicetree import identity, with_root_properties
from benchrunner.linuxemu.image import LinuxImage
from benchrunner.linuxemu.programs import run
from benchrunner.linuxemu.target import linux_of

HOST = "127.0.0.1"
RAM_MIB = 512  # of the smaller boards; the host's memory is taken as the guest touches it
SERVERS = (22, 2222)  # ports on the board: of OpenSSH, of dropbear (onboard/inittab)
_LOWEST_KHZ = 400_000


@dataclass(frozen=True, slots=True)
class Hardware:
    """One board with one image, on one QEMU."""

    board: Board
    image: LinuxImage
    program: str
    version: str  # of QEMU
    icount: bool
    tree: Path  # the device tree, once it was written

    def options(self) -> tuple[str, ...]:
        """What shapes the device tree: the same when it is dumped and when it is booted."""
        cpus = 1 if self.icount else linux_of(self.board).cpus
        machine = ("-M", "virt,gic-version=2", "-cpu", self.image.target.cpu, "-smp", str(cpus))
        # sleep=on: an idle board's clock keeps to the host's, so that time-outs mean what they say.
        time = ("-icount", "shift=0,sleep=on") if self.icount else ("-accel", "tcg,thread=multi")
        return (*machine, "-m", str(RAM_MIB), "-nographic", "-nodefaults", *time)

    def command(self, ports: Sequence[int], *, saved: bool = False) -> tuple[str, ...]:
        """The command line, with ports of the host that lead to `SERVERS`."""
        # snapshot: what is written goes to a temporary file, so boards share one image.
        disk = f"file={_quoted(self.image.disk)},format=raw,if=none,id=disk,snapshot=on"
        # restrict: the board reaches nothing, neither the host nor what lies behind it.
        network = "user,id=net,restrict=on" + "".join(map(_forwarded, ports, SERVERS))
        return (
            self.program,
            *self.options(),
            *("-no-reboot", "-serial", "stdio", "-monitor", "none", "-dtb", str(self.tree)),
            *("-kernel", str(self.image.kernel), "-initrd", str(self.image.initramfs)),
            *("-append", self._kernel_arguments() + (" benchrunner.save" if saved else "")),
            *("-drive", disk, "-device", "virtio-blk-device,drive=disk"),
            *("-netdev", network, "-device", "virtio-net-device,netdev=net"),
        )

    def state_name(self) -> str:
        """Names a state saved at the end of a boot: it is of use to the same QEMU and machine only."""
        # Not the tree itself: QEMU puts random seeds into it.
        shape = (self.version, *self.options(), self._kernel_arguments(), str(identity(self.board)))
        return f"state-{hashlib.sha256(repr(shape).encode()).hexdigest()[:16]}"

    def write_device_tree(self, deadline: Deadline) -> None:
        """QEMU's own tree of this machine, with the names that the board's has."""
        dumped = self.tree.with_suffix(".dumped")
        machine, options, *rest = self.options()
        dump = (self.program, machine, f"{options},dumpdtb={_quoted(dumped)}", *rest)
        run(dump, "device tree of QEMU's machine", deadline)
        self.tree.write_bytes(with_root_properties(dumped.read_bytes(), identity(self.board)))

    def _kernel_arguments(self) -> str:
        highest = linux_of(self.board).clock_hz // 1000
        frequencies = ",".join(str(khz) for khz in sorted({min(_LOWEST_KHZ, highest), highest}))
        return f"console=ttyAMA0 quiet loglevel=3 mitigations=off benchrunner.khz={frequencies}"


def version_of(program: str, deadline: Deadline) -> str:
    """QEMU's version, "7.2.22"."""
    said = run((program, "--version"), "version of QEMU", deadline).split()
    return said[said.index("version") + 1]


def _forwarded(port: int, inside: int) -> str:
    return f",hostfwd=tcp:{HOST}:{port}-:{inside}"


def _quoted(path: Path) -> str:
    """A file name in a list of options: a comma is written twice."""
    return str(path).replace(",", ",,")
