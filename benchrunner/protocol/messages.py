"""The messages of the device protocol (docs/protocol.md): frozen values, no bytes here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

PROTOCOL_VERSION = 1


class FidelityCode(IntEnum):
    """What is speaking; `record.Fidelity` in one byte."""

    MEASURED = 0
    EMULATED = 1
    SIMULATED = 2


class ErrorCode(IntEnum):
    UNKNOWN_REQUEST = 1
    BAD_ARGUMENT = 2  # offset, index or count out of range
    NO_INPUT = 3  # run before every input byte was loaded
    WRONG_CHIP = 4  # the image in flash is for another chip
    BAD_IMAGE = 5
    FAULT = 6  # hard fault; the text carries the registers
    BUSY = 7
    COUNTER_DEAD = 8  # the cycle counter does not run


class LogLevel(IntEnum):
    DEBUG = 0
    INFO = 1
    WARNING = 2
    ERROR = 3


# --- host to device -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GetManifest:
    """Ask for the same manifest that every boot announces."""


@dataclass(frozen=True, slots=True)
class Echo:
    """Ask for `data` back: link check and throughput."""

    data: bytes


@dataclass(frozen=True, slots=True)
class GetTime:
    """Ask for the cycle counter now."""


@dataclass(frozen=True, slots=True)
class LoadInput:
    """Bytes of input tensor `index` from `offset` on; idempotent, any order."""

    index: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class GetInputCrc:
    """Ask for the CRC-32 of input tensor `index` as it lies in the device."""

    index: int


@dataclass(frozen=True, slots=True)
class Run:
    """Run `count` inferences back to back; nothing is sent until all are done.

    Executed once per sequence number: a repeated frame gets the same answer without a second run.
    """

    count: int


@dataclass(frozen=True, slots=True)
class GetSamples:
    """Ask for samples `first` .. `first + count - 1` of the last `Run`; answered with as many as fit."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class RunProfile:
    """Run one inference with a counter read around every layer. Executed once, like `Run`."""


@dataclass(frozen=True, slots=True)
class GetLayers:
    """Ask for layers `first` .. `first + count - 1` of the last `RunProfile`, as many as fit."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class ReadOutput:
    """Ask for `length` bytes of output tensor `index` from `offset` on."""

    index: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class GetMemory:
    """Ask for the memory report."""


@dataclass(frozen=True, slots=True)
class JumpToBootloader:
    """Answer, then reset into the ROM bootloader."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Answer, then reset into the application."""


# --- device to host -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Manifest:
    """Who is speaking and under which conditions it runs. Sent unasked (sequence 0) after every boot."""

    protocol_version: int
    fidelity: FidelityCode
    chip_id: int
    core_clock_hz: int  # frequency of the cycle counter
    time_scale_permille: int  # 1000: device time is wall time; 0: it is not, the clock cannot be checked
    image_sha256: bytes
    model_sha256: bytes
    icache: bool
    dcache: bool
    prefetch: bool
    counter_running: bool
    flash_wait_states: int
    max_payload_bytes: int  # longest payload the device receives
    window_frames: int  # requests that may be unanswered at once
    max_samples: int  # largest `Run.count`
    layer_count: int
    loop_overhead_cycles: int  # of an empty timed region; already subtracted from samples
    reset_cause: int  # bit mask as in the part's RCC reset status, 0 unknown
    input_bytes: tuple[int, ...]
    output_bytes: tuple[int, ...]
    text: dict[str, str]  # board, engine, kernels, compiler, flags, versions ...


@dataclass(frozen=True, slots=True)
class Echoed:
    data: bytes


@dataclass(frozen=True, slots=True)
class Time:
    cycles: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The request was carried out and has no other answer."""


@dataclass(frozen=True, slots=True)
class InputCrc:
    crc32: int


@dataclass(frozen=True, slots=True)
class RunDone:
    """`count` inferences are done; `first_is_cold` when none ran since the boot."""

    count: int
    first_is_cold: bool
    began_cycles: int  # counter before the first and after the last inference: brackets the samples
    ended_cycles: int


@dataclass(frozen=True, slots=True)
class Sample:
    cycles: int
    output_crc32: int  # over all outputs in order


@dataclass(frozen=True, slots=True)
class Samples:
    first: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class ProfileDone:
    layer_count: int
    total_cycles: int  # of the profiled inference, counter reads included


@dataclass(frozen=True, slots=True)
class Layers:
    first: int
    cycles: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Output:
    index: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; a value the device cannot know is None."""

    arena_bytes: int | None
    arena_used_bytes: int | None
    stack_bytes: int | None
    stack_used_bytes: int | None  # high-water mark of the painted stack
    heap_bytes: int | None
    heap_used_bytes: int | None
    static_bytes: int | None


@dataclass(frozen=True, slots=True)
class DeviceError:
    """The request failed, or (sequence 0) something went wrong unasked."""

    code: ErrorCode
    text: str


@dataclass(frozen=True, slots=True)
class Log:
    """A line for people, unasked."""

    level: LogLevel
    text: str


Request = (
    GetManifest
    | Echo
    | GetTime
    | LoadInput
    | GetInputCrc
    | Run
    | GetSamples
    | RunProfile
    | GetLayers
    | ReadOutput
    | GetMemory
    | JumpToBootloader
    | Reset
)
Reply = (
    Manifest
    | Echoed
    | Time
    | Accepted
    | InputCrc
    | RunDone
    | Samples
    | ProfileDone
    | Layers
    | Output
    | Memory
    | DeviceError
    | Log
)
Message = Request | Reply
