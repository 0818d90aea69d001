"""A host in conversation with a simulated board whose firmware runs, without a wire between them."""

from __future__ import annotations

from tflite_builder import small_cnn

from benchrunner.board import Board
from benchrunner.deadline import Deadline
from benchrunner.firmware.simulated import simulated_image
from benchrunner.protocol.messages import Manifest, Reply, Request
from benchrunner.runtime import KernelSet
from benchrunner.session import mcu
from benchrunner.session.link import Link
from benchrunner.simulator.board import SimulatedBoard
from benchrunner.simulator.faults import Faults
from benchrunner.transport import Parity

KERNELS = KernelSet.REFERENCE
MODEL = small_cnn()
INPUT = bytes(index % 251 for index in range(8 * 8 * 3))
HZ = 84_000_000


class DirectPort:
    """A transport without a wire, on the board's clock: waiting for what never comes takes no real time."""

    description, has_lines = "simulated board", True

    def __init__(self, sim: SimulatedBoard) -> None:
        self.sim = sim

    def write(self, data: bytes) -> None:
        self.sim.receive(data)

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        data = self.sim.transmit()
        if not data:
            self.sim.clock.sleep_s(deadline.remaining_s())
            data = self.sim.transmit()
        assert len(data) <= max_bytes
        return data

    def discard_input(self) -> int:
        return len(self.sim.transmit())

    def set_format(self, baud_hz: int, parity: Parity) -> None:
        pass

    def set_lines(self, *, boot0: bool, reset: bool) -> None:
        self.sim.set_lines(boot0=boot0, reset=reset)

    def close(self) -> None:
        pass


class Host:
    """A session with a simulated board."""

    def __init__(self, sim: SimulatedBoard) -> None:
        self.sim = sim
        self.link = Link(DirectPort(sim))

    def deadline(self, seconds: float = 10) -> Deadline:
        return Deadline(seconds, clock=self.sim.clock.now_s)

    def ask(self, request: Request) -> Reply:
        return self.link.request(request, self.deadline())

    def manifest(self) -> Manifest:
        return self.link.wait_for_manifest(self.deadline())

    def load(self, data: bytes = INPUT) -> None:
        mcu.load_inputs(self.link, [data], chunk_bytes=100, deadline=self.deadline())

    def batch(self, count: int) -> mcu.Batch:
        return mcu.run_batch(self.link, count, self.deadline())


def built(board: Board, model: bytes = MODEL) -> bytes:
    return simulated_image(board, model, model_name="small", engine="aot", kernels=KERNELS)


def booted(board: Board, faults: Faults | None = None) -> Host:
    """A host that comes after the boot: the announcement went by."""
    host = Host(SimulatedBoard(board, faults, flash=built(board)))
    host.sim.transmit()
    return host
