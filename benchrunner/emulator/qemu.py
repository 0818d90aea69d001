"""QEMU's Cortex-M machines as boards: independent of ours, and the witness that both count the same.

They are described here and not in board files, because they have nothing of what a board file is about: no
flash to erase, no boot loader, no port of a debug probe. `board` makes what the build needs of a description.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchrunner.board import (
    Board,
    BoardKind,
    Bootloader,
    Chip,
    Flash,
    Mcu,
    Memory,
    SectorRun,
    SerialPort,
)
from benchrunner.errors import UsageError

PROGRAM = "qemu-system-arm"
_MIB = 1 << 20
_UNMAPPED = 0x1FFF0000  # nothing is there on any of them: who jumps to the ROM gets a fault


@dataclass(frozen=True, slots=True)
class QemuMachine:
    """A machine of QEMU 7.2 or later."""

    id: str  # of the board, and of its header in firmware/ports
    machine: str  # as QEMU names it
    core: str
    fpu: str
    code_base: int
    code_bytes: int
    ram_base: int
    ram_bytes: int
    series: str = "MPS2"
    usart: str = "UART0"
    clock_hz: int = 25_000_000  # nominal: nothing takes a time there
    flash_wait_states: int = 0

    def board(self) -> Board:
        """A board that images can be built for; what it cannot have is 0."""
        mcu = Mcu(
            chip=Chip(
                part=self.machine,
                chip_id=0,
                core=self.core,
                clock_hz=self.clock_hz,
                fpu=self.fpu,
                icache_bytes=0,
                dcache_bytes=0,
                flash_wait_states=self.flash_wait_states,
            ),
            flash=Flash(
                base=self.code_base,
                size_bytes=self.code_bytes,
                write_bytes=4,
                rewritable=True,
                sectors=(SectorRun(1, self.code_bytes),),
                size_register=0,
                uid_register=0,
                erase_sector_s=0.0,
                erase_mass_s=0.0,
            ),
            memories=(Memory("RAM", self.ram_base, self.ram_bytes),),
            bootloader=Bootloader(base=_UNMAPPED, version=0, usart="", ram_used_to=0),
            serial=SerialPort(self.usart, 115_200, (), boot_lines=False),
        )
        name = f"QEMU {self.machine}"
        return Board(self.id, name, self.series, BoardKind.MCU, ("aot",), mcu)


_PLAIN = (0x00000000, 4 * _MIB, 0x20000000, 4 * _MIB)
MACHINES = {
    machine.id: machine
    for machine in (
        QemuMachine("mps2-an386", "mps2-an386", "Cortex-M4", "single", *_PLAIN),
        QemuMachine("mps2-an500", "mps2-an500", "Cortex-M7", "double", *_PLAIN),
        QemuMachine(
            "mps2-an505", "mps2-an505", "Cortex-M33", "single", 0x10000000, 4 * _MIB, 0x38000000, 4 * _MIB
        ),
        QemuMachine(
            *("mps3-an547", "mps3-an547", "Cortex-M55", "double"),
            *(0x10000000, _MIB // 2, 0x30000000, _MIB // 2),
        ),
        QemuMachine(
            *("netduinoplus2", "netduinoplus2", "Cortex-M4", "single"),
            *(0x08000000, _MIB, 0x20000000, 131_072),
            series="STM32F4",
            usart="USART1",
            clock_hz=168_000_000,
            flash_wait_states=5,
        ),
    )
}


def machine(board_id: str) -> QemuMachine:
    """The machine of that id. Raises `UsageError` for others."""
    found = MACHINES.get(board_id)
    if found is None:
        raise UsageError(f"{board_id!r} is no machine of QEMU", hint="known: " + ", ".join(MACHINES))
    return found


@contextmanager
def serve_qemu(machine: QemuMachine, elf: Path, *, deadline_s: float) -> Iterator[str]:
    """Run `elf` on `machine` for as long as the block lasts; yields the URL of its UART.

    The machine starts when the port is opened, so nothing that it says is lost, and ends with the block, when
    the port is closed, or `deadline_s` after it started. Raises `UsageError` where QEMU is not installed.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise UsageError(
            f"{PROGRAM} is not installed",
            hint="Debian: apt-get install qemu-system-arm; or run --emulate, which needs Python wheels only",
        )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        run = _Run((program, *_arguments(machine, elf)), deadline_s)
        thread = threading.Thread(target=run.serve, args=(listener,), name="QEMU", daemon=True)
        thread.start()
        try:
            yield f"socket://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            run.stop()
            listener.shutdown(socket.SHUT_RDWR)  # wakes an accept that nobody answered
            thread.join()


# One instruction takes 2^0 ns of the machine's virtual time: what the ports in firmware/ports count with.
def _arguments(machine: QemuMachine, elf: Path) -> tuple[str, ...]:
    return (
        *("-M", machine.machine, "-display", "none", "-monitor", "none", "-nodefaults", "-net", "none"),
        *("-icount", "shift=0,align=off,sleep=off"),
        *("-kernel", str(elf)),
    )


class _Run:
    """One process of QEMU, in a process group of its own, on a socket that was accepted for it."""

    def __init__(self, command: tuple[str, ...], deadline_s: float) -> None:
        self._command, self._deadline_s = command, deadline_s
        self._lock = threading.Lock()
        self._stopped = False
        self._process: subprocess.Popen[bytes] | None = None

    def serve(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # stopped before anybody came
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, self._lock:
            if self._stopped:
                return
            number = connection.fileno()
            self._process = subprocess.Popen(
                (*self._command, "-chardev", f"socket,id=uart,fd={number}", "-serial", "chardev:uart"),
                pass_fds=(number,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            self._process.wait(self._deadline_s)
        except subprocess.TimeoutExpired:
            self.stop()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
