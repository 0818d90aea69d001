"""QEMU as a process: one of its machines behind a port, with an image that is loaded without flash."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchrunner.emulator.machines import QemuMachine
from benchrunner.errors import UsageError

PROGRAM = "qemu-system-arm"


class QemuPort:
    """The UART of a machine that starts when somebody is connected to it and its image is there."""

    def __init__(self, program: str, machine: QemuMachine, url: str, deadline_s: float | None) -> None:
        self.url = url
        self._program, self._machine, self._deadline_s = program, machine, deadline_s
        self._changed = threading.Condition()
        self._stopped = False
        self._image: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._problem = ""

    def load(self, elf: Path) -> None:
        """Give the machine its image, once."""
        with self._changed:
            self._image = elf
            self._changed.notify_all()

    @property
    def problem(self) -> str:
        """What QEMU said when it ended on its own; empty while it runs, and after `stop`."""
        with self._changed:
            return self._problem

    def serve(self, listener: socket.socket) -> None:
        """Wait for one client and for the image, then pass bytes between client and QEMU until one ends."""
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # stopped before anybody came
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, tempfile.TemporaryFile() as said:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._image is not None)
                if self._stopped or self._image is None:
                    return
                number = connection.fileno()
                process = self._process = subprocess.Popen(
                    (
                        *(self._program, *_arguments(self._machine, self._image)),
                        *("-chardev", f"socket,id=uart,fd={number}", "-serial", "chardev:uart"),
                    ),
                    pass_fds=(number,),
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
            try:
                process.wait(self._deadline_s)
            except subprocess.TimeoutExpired:
                self.stop()
            with self._changed:
                if not self._stopped:
                    said.seek(0)
                    text = said.read(1000).decode(errors="replace").strip()
                    self._problem = f"{PROGRAM} ended with status {process.returncode}: {text or 'no word'}"

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def qemu_port(machine: QemuMachine, *, deadline_s: float | None = None) -> Iterator[QemuPort]:
    """A port whose machine runs the image that it is given, for as long as the block lasts.

    Nothing that the machine says is lost, because it starts after the port was opened. It ends with the
    block, or `deadline_s` after its start. Raises `UsageError` where QEMU is not installed.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise UsageError(
            f"{PROGRAM} is not installed",
            hint="Debian: apt-get install qemu-system-arm; or run an STM32 board with --emulate, which needs "
            "Python wheels only",
        )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"socket://127.0.0.1:{listener.getsockname()[1]}"
        port = QemuPort(program, machine, url, deadline_s)
        thread = threading.Thread(target=port.serve, args=(listener,), name="QEMU", daemon=True)
        thread.start()
        try:
            yield port
        finally:
            port.stop()
            try:
                listener.shutdown(socket.SHUT_RDWR)  # wakes an accept that nobody answered
            except OSError:
                pass
            thread.join()


@contextmanager
def serve_qemu(machine: QemuMachine, elf: Path, *, deadline_s: float) -> Iterator[str]:
    """As `qemu_port`, with the image given already; yields the URL."""
    with qemu_port(machine, deadline_s=deadline_s) as port:
        port.load(elf)
        yield port.url


# One instruction takes 2^0 ns of the machine's virtual time: what the ports in firmware/ports count with.
def _arguments(machine: QemuMachine, elf: Path) -> tuple[str, ...]:
    return (
        *("-M", machine.machine, "-display", "none", "-monitor", "none", "-nodefaults", "-net", "none"),
        *("-icount", "shift=0,align=off,sleep=off"),
        *("-kernel", str(elf)),
    )
