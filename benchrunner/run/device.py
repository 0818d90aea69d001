"""What a run asks of whatever it measures: a board behind a port, or a machine of QEMU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from benchrunner.board import Mcu
from benchrunner.deadline import Deadline
from benchrunner.record import Fidelity, Flashing, NotMeasured
from benchrunner.run.request import Step
from benchrunner.session.clock import HostClock
from benchrunner.transport import Transport

if TYPE_CHECKING:
    from benchrunner.run.prepare import Image


class Device(Protocol):
    """A device that was found, and that takes an image next."""

    mcu: Mcu
    transport: Transport
    baud_hz: int  # of the firmware
    clock: HostClock
    shares_clock: bool  # the device lives in this process, on the same clock
    place: str
    port: str

    @property
    def simulated(self) -> bool:
        """True where no code runs on the chip: it plays the model file that its image carries."""

    @property
    def fidelity(self) -> Fidelity:
        """What the device is, whatever its firmware will say."""

    def identify(self, deadline: Deadline) -> None:
        """Make it ready to take an image, and find out which chip it is, before anything changes."""

    def program(
        self, image: Image, progress: Callable[[int, int], None], deadline: Deadline, *, full: bool = False
    ) -> Flashing | NotMeasured:
        """Bring the image to the device. `full` compares every byte of what is there already."""

    def start_application(self, deadline: Deadline) -> None:
        """Start it; the port speaks the firmware's format from the first byte on."""

    def leave_sane(self, step: Step) -> str:
        """After an early end: reset what may hang; say what is on the device. Never raises."""
