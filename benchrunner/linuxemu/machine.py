"""Boots an emulated Linux board on QEMU, waits until its SSH server answers, and ends it without fail."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchrunner.board import Board
from benchrunner.deadline import Deadline
from benchrunner.errors import DeadlineExceededError, LabError
from benchrunner.linuxemu.devicetree import identity, with_root_properties
from benchrunner.linuxemu.image import LinuxImage, build_image
from benchrunner.linuxemu.programs import find_programs, run
from benchrunner.linuxemu.target import Target, linux_of, target_of

HOST = "127.0.0.1"
RAM_MIB = 512  # of the smaller boards; the host's memory is taken as the guest touches it
BOOT_DEADLINE_S = 180.0  # 10 s on a machine with nothing else to do
_UP = "benchrunner: the network is up"  # onboard/boot
_PORT_TRIES = 5
_LOWEST_KHZ = 400_000
_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class EmulatedLinux:
    """A running board, and what a client needs to log in."""

    board_id: str
    host: str
    port: int  # of OpenSSH
    dropbear_port: int
    user: str
    private_key: Path
    host_key: str  # of both servers: "ssh-ed25519 AAAA..."
    known_hosts: Path  # a file with `host_key` for both ports, for OpenSSH's UserKnownHostsFile
    console_log: Path  # what the kernel and the servers say; gone when the board is
    image_key: str
    qemu: str  # its version
    icount: bool  # True: time is instructions, and repeats

    def known_host_line(self, port: int) -> str:
        """The line of a known_hosts file that pins the board's key."""
        return f"[{self.host}]:{port} {self.host_key}"

    def console_tail(self) -> str:
        """The last lines of the console."""
        return _tail(self.console_log)


@contextmanager
def emulated_linux(
    board: Board,
    *,
    icount: bool = True,
    deadline: Deadline | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[EmulatedLinux]:
    """Run the board for as long as the block lasts; its image is built if it is not in the cache.

    With `icount` one instruction takes one nanosecond of the board's time and there is one processor, so a
    latency repeats; without, the board has its processors and runs as fast as the host lets it. Whatever is
    written on the board is thrown away, and it reaches no network. `deadline` is for the boot.

    Must be entered in the thread that leaves it: QEMU dies with the thread that started it, so that it
    outlives nobody, whatever kills the harness.

    Raises `MissingProgramsError`, `LinuxImageError` and its kinds, `LabError` with the end of the console
    where QEMU ends, `DeadlineExceededError` where the board does not come up.
    """
    target = target_of(board)
    programs = find_programs([target.program, "setpriv"])
    image = build_image(target, progress=progress)
    deadline = deadline or Deadline(BOOT_DEADLINE_S)
    with tempfile.TemporaryDirectory(prefix="benchrunner-linux-") as name:
        machine = _Machine(board, target, image, Path(name), programs, icount, deadline)
        progress(f"boot {board.name} on {target.program} {machine.version}")
        try:
            yield machine.start()
        finally:
            machine.stop()


class _PortTakenError(Exception):
    """Somebody else has taken the port that was free a moment ago."""


class _Machine:
    """One process of QEMU."""

    def __init__(
        self,
        board: Board,
        target: Target,
        image: LinuxImage,
        folder: Path,
        programs: dict[str, str],
        icount: bool,
        deadline: Deadline,
    ) -> None:
        self._board, self._target, self._image = board, target, image
        self._folder, self._programs = folder, programs
        self._icount, self._deadline = icount, deadline
        self._console, self._remarks = folder / "console.log", folder / "qemu.log"
        self._process: subprocess.Popen[bytes] | None = None
        said = run((programs[target.program], "--version"), "version of QEMU", deadline).split()
        self.version = said[said.index("version") + 1]

    def start(self) -> EmulatedLinux:
        tree = self._device_tree()
        # Copied, so that an image which another process throws away is of no concern to this board.
        key = self._folder / "key"
        shutil.copyfile(self._image.private_key, key)
        key.chmod(0o600)
        host_key = self._image.host_key
        for tries_left in reversed(range(_PORT_TRIES)):
            ports = _free_ports(2)
            try:
                self._run(tree, ports)
                break
            except _PortTakenError:
                self.stop()
                if not tries_left:
                    raise LabError(
                        f"QEMU: expected a free port on {HOST}, found it taken {_PORT_TRIES}x"
                    ) from None
        known_hosts = self._folder / "known_hosts"
        running = EmulatedLinux(
            board_id=self._board.id,
            host=HOST,
            port=ports[0],
            dropbear_port=ports[1],
            user="root",
            private_key=key,
            host_key=host_key,
            known_hosts=known_hosts,
            console_log=self._console,
            image_key=self._image.key,
            qemu=self.version,
            icount=self._icount,
        )
        lines = "".join(f"{running.known_host_line(port)}\n" for port in ports)
        known_hosts.write_text(lines, encoding="ascii")
        return running

    def _run(self, tree: Path, ports: tuple[int, ...]) -> None:
        """Start QEMU; come back when the SSH server has said its name."""
        command = (
            # The kernel ends it with us, even when nothing of ours can run any more.
            *(self._programs["setpriv"], "--pdeathsig", "KILL", "--", self._programs[self._target.program]),
            *self._hardware(),
            *("-no-reboot", "-serial", "stdio", "-monitor", "none"),
            *("-dtb", str(tree), "-kernel", str(self._image.kernel), "-initrd", str(self._image.initramfs)),
            *("-append", self._kernel_arguments()),
            # snapshot: what is written goes to a temporary file, so boards share one image.
            *("-drive", f"file={_quoted(self._image.disk)},format=raw,if=none,id=disk,snapshot=on"),
            *("-device", "virtio-blk-device,drive=disk"),
            *("-netdev", "user,id=net,restrict=on" + "".join(map(_forwarded, ports, (22, 2222)))),
            *("-device", "virtio-net-device,netdev=net"),
        )
        with self._console.open("wb") as console, self._remarks.open("wb") as remarks:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=remarks,
                env={**os.environ, "TMPDIR": str(self._folder)},  # of the snapshot
                start_new_session=True,  # Ctrl-C is for the harness, which may have to clean up on the board
            )
        self._wait(lambda: _UP in self._console.read_text(errors="replace"), "its network")
        self._wait(lambda: _greets(ports[0], self._deadline), "its SSH server")

    def _hardware(self) -> tuple[str, ...]:
        """Options that shape the device tree: the same when it is dumped and when it is booted."""
        cpus = 1 if self._icount else linux_of(self._board).cpus
        return (
            *("-M", "virt,gic-version=2", "-cpu", self._target.cpu, "-smp", str(cpus), "-m", str(RAM_MIB)),
            *("-nographic", "-nodefaults"),
            # sleep=on: an idle board's clock keeps to the host's, so that time-outs mean what they say.
            *(("-icount", "shift=0,sleep=on") if self._icount else ("-accel", "tcg,thread=multi")),
        )

    def _kernel_arguments(self) -> str:
        highest = linux_of(self._board).clock_hz // 1000
        frequencies = ",".join(str(khz) for khz in sorted({min(_LOWEST_KHZ, highest), highest}))
        return f"console=ttyAMA0 quiet loglevel=3 mitigations=off benchrunner.khz={frequencies}"

    def _device_tree(self) -> Path:
        """QEMU's own tree of this machine, with the names that the board's has."""
        dumped, path = self._folder / "virt.dtb", self._folder / "board.dtb"
        machine, options, *rest = self._hardware()
        program = self._programs[self._target.program]
        dump = (program, machine, f"{options},dumpdtb={_quoted(dumped)}", *rest)
        run(dump, "device tree of QEMU's machine", self._deadline)
        path.write_bytes(with_root_properties(dumped.read_bytes(), identity(self._board)))
        return path

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        process = self._process
        assert process is not None
        while not done():
            status = process.poll()
            if status is not None:
                remarks = _tail(self._remarks)
                if "Could not set up host forwarding rule" in remarks:
                    raise _PortTakenError
                raise LabError(
                    f"{self._board.id}: QEMU {self.version} ended with status {status} "
                    f"before {what} was up:\n{remarks}\n{_tail(self._console)}".rstrip()
                )
            if self._deadline.expired:
                raise DeadlineExceededError(
                    f"{self._board.id}: {what} was not up within {self._deadline.budget_s:g} s; console:\n"
                    f"{_tail(self._console)}",
                    hint="an emulated board boots in 10 s on a machine with nothing else to do",
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """End QEMU. There is nothing to save: its disk is a copy that nobody needs."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _greets(port: int, deadline: Deadline) -> bool:
    """True if an SSH server answers. QEMU itself accepts at once, whether or not the board listens."""
    try:
        with socket.create_connection((HOST, port), timeout=deadline.at_most(10.0).remaining_s()) as link:
            return link.recv(255).startswith(b"SSH-")
    except OSError:
        return False


def _free_ports(count: int) -> tuple[int, ...]:
    with_ports = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return tuple(server.getsockname()[1] for server in with_ports)
    finally:
        for server in with_ports:
            server.close()


def _forwarded(port: int, inside: int) -> str:
    return f",hostfwd=tcp:{HOST}:{port}-:{inside}"


def _quoted(path: Path) -> str:
    """A file name in a list of options: a comma is written twice."""
    return str(path).replace(",", ",,")


def _tail(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-_TAIL_LINES:])
