"""A run on a machine of QEMU: started for the run, its image loaded instead of flashed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchrunner.board import Mcu
from benchrunner.deadline import Deadline
from benchrunner.emulator.machines import QemuMachine
from benchrunner.emulator.qemu import QemuPort, qemu_port
from benchrunner.errors import UsageError
from benchrunner.record import Fidelity, NotMeasured
from benchrunner.run.request import Observer, RunRequest, Step
from benchrunner.session.clock import HostClock
from benchrunner.transport import Parity, Transport
from benchrunner.transport.serial import open_transport

if TYPE_CHECKING:
    from benchrunner.run.prepare import Image


class MachineDevice:
    """A machine that waits for its image; from `start_application` on, its firmware."""

    shares_clock = False
    simulated = False
    fidelity = Fidelity.EMULATED

    def __init__(
        self,
        machine: QemuMachine,
        mcu: Mcu,
        port: QemuPort,
        transport: Transport,
        clock: HostClock,
        folder: Path,
    ) -> None:
        self.mcu, self.transport, self.clock = mcu, transport, clock
        self.baud_hz = mcu.serial.baud_hz
        self.place, self.port = f"QEMU {machine.machine}", transport.description
        self._port, self._folder = port, folder
        self._image: Image | None = None

    def identify(self, deadline: Deadline) -> None:
        """There is nothing to be found out: the machine is what it was started as."""

    def program(
        self, image: Image, progress: Callable[[int, int], None], deadline: Deadline, *, full: bool = False
    ) -> NotMeasured:
        self._image = image
        return NotMeasured("loaded by QEMU: the machine has no flash to write")

    def start_application(self, deadline: Deadline) -> None:
        if self._image is None or self._image.built is None:
            raise ValueError("a machine starts with an image that was built for it")
        # Not where it was built: another run may be building there by now.
        elf = self._folder / "image.elf"
        elf.write_bytes(self._image.built.firmware.elf.data)
        self._port.load(elf)

    def leave_sane(self, step: Step) -> str:
        return self._port.problem or "the machine has ended with the run"


def refuse_what_a_machine_lacks(request: RunRequest, machine: QemuMachine) -> None:
    """Raise `UsageError` for ways to a board that a machine of QEMU does not have."""
    refused = {
        "--port": request.port is not None,
        "--place": request.place is not None,
        "--sim": request.simulate,
        "--fault": request.faults is not None,
        "--lines": request.boot_lines,
    }
    given = [option for option, is_given in refused.items() if is_given]
    if given:
        raise UsageError(
            f"{machine.id} is a machine of QEMU, which the run starts itself: {', '.join(given)} cannot be "
            "used with it",
            hint=f"leave {' and '.join(given)} away, or take a board of `benchrunner boards`",
        )


@contextmanager
def start_machine(
    request: RunRequest, machine: QemuMachine, mcu: Mcu, clock: HostClock, observer: Observer
) -> Iterator[MachineDevice]:
    """A machine for the length of the block. Raises `UsageError` where QEMU is not installed."""
    refuse_what_a_machine_lacks(request, machine)
    with TemporaryDirectory(prefix="benchrunner-") as folder, qemu_port(machine) as port:
        observer.note(f"QEMU {machine.machine}: {port.url}")
        transport = open_transport(port.url, baud_hz=mcu.serial.baud_hz, parity=Parity.NONE)
        try:
            yield MachineDevice(machine, mcu, port, transport, clock, Path(folder))
        finally:
            transport.close()
