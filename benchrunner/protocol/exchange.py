"""Which reply answers which request, and how much one message carries."""

from __future__ import annotations

from typing import assert_never

from benchrunner.protocol.messages import (
    Accepted,
    Echo,
    Echoed,
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
    Samples,
    Time,
)

# Fields in front of, and in, the variable parts (docs/protocol.md).
_AT_BYTES = 6
_FIRST_BYTES = 4
_SAMPLE_BYTES = 12
_CYCLES_BYTES = 8


def data_bytes_per_message(max_payload_bytes: int) -> int:
    """Most tensor bytes that one LoadInput or one Output carries."""
    return max_payload_bytes - _AT_BYTES


def samples_per_message(max_payload_bytes: int) -> int:
    return (max_payload_bytes - _FIRST_BYTES) // _SAMPLE_BYTES


def layers_per_message(max_payload_bytes: int) -> int:
    return (max_payload_bytes - _FIRST_BYTES) // _CYCLES_BYTES


def is_answer(request: Request, reply: Reply) -> bool:
    """Whether `reply` is of the type that `request` asks for, and about the same part of the data."""
    match request:
        case GetManifest():
            return isinstance(reply, Manifest)
        case Echo(data):
            return reply == Echoed(data)
        case GetTime():
            return isinstance(reply, Time)
        case LoadInput() | JumpToBootloader() | Reset():
            return isinstance(reply, Accepted)
        case GetInputCrc():
            return isinstance(reply, InputCrc)
        case Run(count):
            return isinstance(reply, RunDone) and reply.count == count
        case GetSamples(first, count):
            return isinstance(reply, Samples) and reply.first == first and 0 < len(reply.samples) <= count
        case RunProfile():
            return isinstance(reply, ProfileDone)
        case GetLayers(first, count):
            return isinstance(reply, Layers) and reply.first == first and 0 < len(reply.cycles) <= count
        case ReadOutput(index, offset, length):
            found = isinstance(reply, Output) and (reply.index, reply.offset) == (index, offset)
            return found and isinstance(reply, Output) and len(reply.data) == length
        case GetMemory():
            return isinstance(reply, Memory)
        case _:
            assert_never(request)
