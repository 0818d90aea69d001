"""A device on a wire that damages what it is told to, on a clock that only moves by waiting."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from benchrunner.deadline import Deadline
from benchrunner.protocol.device import encode
from benchrunner.protocol.endpoint import DeviceEndpoint, Incoming
from benchrunner.protocol.exchange import samples_per_message
from benchrunner.protocol.messages import (
    Accepted,
    DeviceError,
    Echo,
    Echoed,
    ErrorCode,
    FidelityCode,
    GetInputCrc,
    GetLayers,
    GetManifest,
    GetMemory,
    GetSamples,
    GetTime,
    InputCrc,
    JumpToBootloader,
    Layers,
    LoadInput,
    Manifest,
    Memory,
    Output,
    ProfileDone,
    ReadOutput,
    Reply,
    Request,
    Reset,
    Run,
    RunDone,
    RunProfile,
    Sample,
    Samples,
    Time,
)
from benchrunner.transport import Parity

INPUT_BYTES = 4000
MANIFEST = Manifest(
    protocol_version=1,
    fidelity=FidelityCode.SIMULATED,
    chip_id=0x450,
    core_clock_hz=1_000_000,
    time_scale_permille=1000,
    image_sha256=bytes(32),
    model_sha256=bytes(32),
    icache=True,
    dcache=True,
    prefetch=False,
    counter_running=True,
    flash_wait_states=4,
    max_payload_bytes=256,
    window_frames=4,
    max_samples=1000,
    layer_count=3,
    loop_overhead_cycles=0,
    reset_cause=1,
    input_bytes=(INPUT_BYTES,),
    output_bytes=(1000,),
    text={"board": "scripted"},
)

# What becomes of one frame on the wire; the number counts the frames of that direction from 0.
Wire = Callable[[int, bytes], list[bytes]]


def whole(_number: int, frame: bytes) -> list[bytes]:
    return [frame]


@dataclass
class ScriptedDevice:
    """A `Transport` with the device behind it. Time passes only in `read`, when there is nothing to read."""

    to_device: Wire = whole
    to_host: Wire = whole
    hangs_after: int | None = None  # answers
    resets_after: int | None = None  # answers
    manifest: Manifest = MANIFEST

    now_s: float = 0.0
    executed: list[Request] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)  # frames, as the host sent them
    written_at_s: list[float] = field(default_factory=list)
    most_unanswered: int = 0
    answers: int = 0
    input: bytearray = field(default_factory=lambda: bytearray(INPUT_BYTES))

    def __post_init__(self) -> None:
        self._pending = bytearray()
        self._frames_to_host = 0
        self._frames_read = 0
        self._endpoint = DeviceEndpoint(max_payload_bytes=self.manifest.max_payload_bytes)

    def clock(self) -> float:
        return self.now_s

    def deadline(self, budget_s: float) -> Deadline:
        return Deadline(budget_s, clock=self.clock)

    # --- the wire -----------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Put bytes on the way to the host, frame by frame."""
        for piece in data.split(b"\0")[:-1]:
            if piece:
                for arriving in self.to_host(self._frames_to_host, piece + b"\0"):
                    self._pending += arriving
                self._frames_to_host += 1

    def noise(self, data: bytes) -> None:
        self._pending += data

    def write(self, data: bytes) -> None:
        for piece in data.split(b"\0")[:-1]:
            if not piece:
                continue
            number = len(self.written)
            self.written.append(piece + b"\0")
            self.written_at_s.append(self.now_s)
            self.most_unanswered = max(self.most_unanswered, number + 1 - self._frames_read)
            for arriving in self.to_device(number, piece + b"\0"):
                for incoming in self._endpoint.feed(arriving):
                    self._serve(incoming)

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        if not self._pending:
            self.now_s += deadline.remaining_s()
            return b""
        data = bytes(self._pending[:max_bytes])
        del self._pending[:max_bytes]
        self._frames_read += data.count(0)
        return data

    # --- the device ---------------------------------------------------------------------------------------

    def boot(self) -> None:
        self._endpoint = DeviceEndpoint(max_payload_bytes=self.manifest.max_payload_bytes)
        self.send(self._endpoint.announce(self.manifest))

    def _serve(self, incoming: Incoming) -> None:
        if self.hangs_after is not None and self.answers >= self.hangs_after:
            return
        if self.resets_after == self.answers:
            self.resets_after = None
            self.boot()
            return
        self.answers += 1
        self.send(self._endpoint.answer(incoming, self._execute))
        if isinstance(incoming.request, Reset):
            self.boot()

    def _execute(self, request: Request) -> Reply:
        self.executed.append(request)
        match request:
            case GetManifest():
                return self.manifest
            case Echo(data):
                return Echoed(data)
            case GetTime():
                return Time(round(self.now_s * 1e6))
            case LoadInput(index, offset, data):
                if index or offset + len(data) > INPUT_BYTES:
                    return DeviceError(ErrorCode.BAD_ARGUMENT, f"input {index} at {offset}")
                self.input[offset : offset + len(data)] = data
                return Accepted()
            case GetInputCrc():
                return InputCrc(0)
            case Run(count):
                return RunDone(count, False, 0, 100 * count)
            case GetSamples(first, count):
                fitting = min(count, samples_per_message(self.manifest.max_payload_bytes))
                return Samples(first, tuple(Sample(100 + first + at, 7) for at in range(fitting)))
            case RunProfile():
                return ProfileDone(3, 100)
            case GetLayers(first, count):
                return Layers(first, tuple(range(10, 10 + count)))
            case ReadOutput(index, offset, length):
                return Output(index, offset, bytes((offset + at) % 251 for at in range(length)))
            case GetMemory():
                return Memory(1, 2, 3, 4, None, None, 7)
            case JumpToBootloader() | Reset():
                return Accepted()
            case _:
                assert_never(request)

    # --- the rest of a transport --------------------------------------------------------------------------

    @property
    def description(self) -> str:
        return "scripted"

    @property
    def has_lines(self) -> bool:
        return False

    def discard_input(self) -> int:
        dropped = len(self._pending)
        self._pending.clear()
        return dropped

    def set_format(self, baud_hz: int, parity: Parity) -> None: ...

    def set_lines(self, *, boot0: bool, reset: bool) -> None: ...

    def close(self) -> None: ...


def only(numbers: set[int], damage: Callable[[bytes], list[bytes]]) -> Wire:
    """A wire that treats the frames of these numbers badly."""
    return lambda number, frame: damage(frame) if number in numbers else [frame]


def lost(_frame: bytes) -> list[bytes]:
    return []


def twice(frame: bytes) -> list[bytes]:
    return [frame, frame]


def flipped(frame: bytes) -> list[bytes]:
    return [bytes([frame[0] ^ 0x10]) + frame[1:]]


def without_delimiter(frame: bytes) -> list[bytes]:
    return [frame[:-1]]


def foreign(sequence: int, reply: Reply) -> bytes:
    """A frame that answers something else."""
    return encode(reply, sequence)
