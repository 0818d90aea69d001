"""A microcontroller board, flashed once, that answers many inputs over one connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchrunner.accuracy.device import DeviceFacts
from benchrunner.deadline import Deadline
from benchrunner.errors import UsageError
from benchrunner.protocol.exchange import data_bytes_per_message
from benchrunner.protocol.messages import Manifest
from benchrunner.run.access import connect
from benchrunner.run.device import Device
from benchrunner.run.draft import Draft
from benchrunner.run.prepare import Prepared, make_image, prepare
from benchrunner.run.request import Observer, RunRequest, Step, StepTimer
from benchrunner.run.start_up import bring_up, check_identity
from benchrunner.session import mcu
from benchrunner.session.link import Link

ENGINE = "aot"  # other firmware does not take inputs and give outputs through this protocol
_BITS_PER_BYTE = 10  # start, 8 data, stop
_SLOWER = 10  # than the slowest inference so far: a host that is busy, not a board that hangs
_LEAST_S = 10.0


class McuAnswers:
    """A board that runs the model. Inputs and outputs are raw tensors, one of each."""

    def __init__(
        self, request: RunRequest, link: Link, manifest: Manifest, facts: DeviceFacts, baud_hz: int
    ) -> None:
        self.facts = facts
        self._bytes_per_s = baud_hz / _BITS_PER_BYTE
        self._limits, self._link, self._manifest = request.limits, link, manifest
        self._chunk_bytes = data_bytes_per_message(manifest.max_payload_bytes)
        self._slowest_s = 0.0

    def answer(self, tensor: bytes) -> bytes:
        """The output for one input. Raises `LabError` and `CaseFailedError` as a run does."""
        request_s, wire_s = self._limits.request_s, len(tensor) / self._bytes_per_s
        mcu.load_inputs(
            self._link, (tensor,), chunk_bytes=self._chunk_bytes, deadline=Deadline(request_s + 4 * wire_s)
        )
        began_s = time.monotonic()
        limit_s = max(_LEAST_S, request_s + _SLOWER * self._slowest_s)
        mcu.run_batch(self._link, 1, Deadline(limit_s if self._slowest_s else self._limits.first_inference_s))
        self._slowest_s = max(self._slowest_s, time.monotonic() - began_s)
        (output,) = mcu.read_outputs(
            self._link, self._manifest, chunk_bytes=self._chunk_bytes, deadline=Deadline(request_s)
        )
        return output


def prepare_mcu(request: RunRequest) -> Prepared:
    """What the host decides before it touches the board. Raises `UsageError`, `ModelError`."""
    if request.engine != ENGINE:
        raise UsageError(
            f"engine {request.engine!r}: accuracy on a microcontroller is for engine {ENGINE}",
            hint="leave --engine away",
        )
    return prepare(request)


@contextmanager
def mcu_answers(request: RunRequest, prepared: Prepared, observer: Observer) -> Iterator[McuAnswers]:
    """The board with the model's image running, for the length of the block.

    Whatever ends the block early leaves the board reset. Raises as `run_case` does.
    """
    timer = StepTimer(observer)
    timer.current = Step.CONNECT
    observer.step(Step.CONNECT, "")
    with connect(request, observer) as connection:
        try:
            yield _started(request, prepared, connection, timer, observer)
        except BaseException:
            observer.note(connection.leave_sane(timer.current))
            raise


def _started(
    request: RunRequest, prepared: Prepared, connection: Device, timer: StepTimer, observer: Observer
) -> McuAnswers:
    draft = Draft(connection.fidelity, place=connection.place, port=connection.port)
    with timer(Step.IMAGE):
        image = make_image(request, prepared, connection)
    link = Link(connection.transport, baud_hz=connection.baud_hz)
    manifest = bring_up(image, connection, link, request.limits, draft, timer, observer)
    with timer(Step.MANIFEST):
        check_identity(manifest, request, prepared, image, connection, draft)
    facts = DeviceFacts(
        fidelity=draft.fidelity,
        board_name=prepared.case.board_name,
        engine_version=prepared.case.engine_version,
        place=draft.place,
        port=draft.port,
        image_sha256=image.info.image_sha256.hex(),
        conditions=draft.conditions,
        warnings=tuple(draft.warnings),
        exact=prepared.reference_name,
    )
    return McuAnswers(request, link, manifest, facts, connection.baud_hz)
