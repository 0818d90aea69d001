"""Boots an emulated Linux board on QEMU, waits until its SSH server answers, and ends it without fail."""

from __future__ import annotations

import os
import secrets
import shlex
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
from benchrunner.linuxemu.hardware import HOST, Hardware, version_of
from benchrunner.linuxemu.image import build_image
from benchrunner.linuxemu.monitor import Monitor
from benchrunner.linuxemu.programs import find_programs
from benchrunner.linuxemu.target import target_of

BOOT_DEADLINE_S = 180.0  # 10 s on a machine with nothing else to do
_UP = "benchrunner: the network is up"  # onboard/ready
_SAVABLE = "benchrunner: ready to be saved"
_PORT_TRIES = 5
_TAIL_LINES = 15
_END_S = 5.0  # until a QEMU that gave up is gone


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
    warm: bool  # True: it did not boot, but went on from a saved state

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
    warm: bool = False,
    deadline: Deadline | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[EmulatedLinux]:
    """Run the board for as long as the block lasts; its image is built if it is not in the cache.

    With `icount` one instruction takes one nanosecond of the board's time and there is one processor, so a
    latency repeats; without, the board has its processors and runs as fast as the host lets it. A `warm`
    board goes on in a second or two from the state that one had at the end of its boot, kept with the image.
    Whatever is written on the board is thrown away, and it reaches no network. `deadline` is for the boot.

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
        folder = Path(name)
        program = programs[target.program]
        version = version_of(program, deadline)
        hardware = Hardware(board, image, program, version, icount, folder / "board.dtb")
        machine = _Machine(hardware, folder, programs["setpriv"], deadline)
        try:
            yield machine.start(warm, progress)
        finally:
            machine.stop()


class _PortTakenError(Exception):
    """Somebody else has taken the port that was free a moment ago."""


class _Machine:
    """One process of QEMU."""

    def __init__(self, hardware: Hardware, folder: Path, setpriv: str, deadline: Deadline) -> None:
        self._hardware, self._board, self._image = hardware, hardware.board, hardware.image
        self._folder, self._setpriv, self._deadline = folder, setpriv, deadline
        self._console, self._remarks = folder / "console.log", folder / "qemu.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, warm: bool, progress: Callable[[str], None]) -> EmulatedLinux:
        emulator = f"{self._image.target.program} {self._hardware.version}"
        self._hardware.write_device_tree(self._deadline)
        state = self._image.folder / self._hardware.state_name() if warm else None
        if state is not None and not state.is_file():
            progress(f"boot {self._board.name} on {emulator}, to save its state")
            self._boot_and_save(state)
        progress(f"{'resume' if warm else 'boot'} {self._board.name} on {emulator}")
        # Copied, so that an image which another process throws away is of no concern to this board.
        key = self._folder / "key"
        shutil.copyfile(self._image.private_key, key)
        key.chmod(0o600)
        host_key = self._image.host_key
        for tries_left in reversed(range(_PORT_TRIES)):
            ports = _free_ports(2)
            try:
                if state is None:
                    self._boot(ports)
                else:
                    self._resume(state, ports)
                break
            except LabError as error:
                if state is not None:
                    state.unlink(missing_ok=True)  # whatever is wrong with it, the next board makes a new one
                    error.hint = error.hint or "the saved state was thrown away: the next run boots anew"
                raise
            except _PortTakenError:
                self.stop()
                if not tries_left:
                    raise LabError(
                        f"QEMU: expected a free port on {HOST}, found it taken {_PORT_TRIES} times"
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
            qemu=self._hardware.version,
            icount=self._hardware.icount,
            warm=warm,
        )
        lines = "".join(f"{running.known_host_line(port)}\n" for port in ports)
        known_hosts.write_text(lines, encoding="ascii")
        return running

    def _boot(self, ports: tuple[int, ...]) -> None:
        """Come back when the SSH server has said its name."""
        self._launch(self._hardware.command(ports))
        self._wait_for_console(_UP)
        self._wait(lambda: _greets(ports[0], self._deadline), "its SSH server")

    def _boot_and_save(self, state: Path) -> None:
        """Leave the state at the end of a boot in the file."""
        with Monitor() as monitor:
            self._launch((*self._hardware.command((), saved=True), *monitor.options), monitor)
            self._wait_for_console(_SAVABLE)
            # Beside the file that it becomes: whoever finds that one finds it whole.
            made = Path(tempfile.mkdtemp(prefix=".", dir=state.parent)) / "state"
            try:
                monitor.open(self._deadline)
                monitor.save(made, self._deadline)
                made.replace(state)
            finally:
                shutil.rmtree(made.parent, ignore_errors=True)
        self.stop()

    def _resume(self, state: Path, ports: tuple[int, ...]) -> None:
        """Go on from there. The board is told the time, which went on without it."""
        with Monitor() as monitor:
            incoming = ("-incoming", f"exec:cat {shlex.quote(str(state))}")
            command = (*self._hardware.command(ports, saved=True), *monitor.options, *incoming)
            process = self._launch(command, monitor)
            try:
                monitor.open(self._deadline)
                monitor.resume(self._deadline)
            except LabError:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_END_S)
                self._look(process, "its saved state")  # why it ended, which may be the port
                raise
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # QEMU has ended: the wait tells
            os.write(process.stdin.fileno(), f"{time.time():.0f} {secrets.token_hex(16)}\n".encode())
        self._wait_for_console(_UP)
        self._wait(lambda: _greets(ports[0], self._deadline), "its SSH server")

    def _launch(self, command: tuple[str, ...], monitor: Monitor | None = None) -> subprocess.Popen[bytes]:
        with self._console.open("wb") as console, self._remarks.open("wb") as remarks:
            self._process = subprocess.Popen(
                # The kernel ends it with us, even when nothing of ours can run any more.
                (self._setpriv, "--pdeathsig", "KILL", "--", *command),
                stdin=subprocess.PIPE if monitor else subprocess.DEVNULL,
                stdout=console,
                stderr=remarks,
                pass_fds=(monitor.theirs.fileno(),) if monitor else (),
                env={**os.environ, "TMPDIR": str(self._folder)},  # of the snapshot
                start_new_session=True,  # Ctrl-C is for the harness, which may have to clean up on the board
            )
        return self._process

    def _wait_for_console(self, text: str) -> None:
        self._wait(lambda: text in self._console.read_text(errors="replace"), "its network")

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        process = self._process
        assert process is not None
        while not done():
            self._look(process, what)
            if self._deadline.expired:
                raise DeadlineExceededError(
                    f"{self._board.id}: {what} was not up within {self._deadline.budget_s:g} s; console:\n"
                    f"{_tail(self._console)}",
                    hint="an emulated board boots in 10 s on a machine with nothing else to do",
                )
            time.sleep(0.02)

    def _look(self, process: subprocess.Popen[bytes], what: str) -> None:
        """Raise if QEMU has ended, which it does not do by itself."""
        status = process.poll()
        if status is not None:
            remarks = _tail(self._remarks)
            if "Could not set up host forwarding rule" in remarks:
                raise _PortTakenError
            raise LabError(
                f"{self._board.id}: QEMU {self._hardware.version} ended with status {status} "
                f"before {what} was up:\n{remarks}\n{_tail(self._console)}".rstrip()
            )

    def stop(self) -> None:
        """End QEMU. There is nothing to save: its disk is a copy that nobody needs."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


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


def _tail(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-_TAIL_LINES:])
