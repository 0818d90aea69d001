"""Payloads of the device protocol: messages to bytes and back (docs/protocol.md has the layouts)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import assert_never

from benchrunner.errors import MalformedMessageError
from benchrunner.protocol import manifest
from benchrunner.protocol.frames import Frame, encode_frame
from benchrunner.protocol.messages import (
    PROTOCOL_VERSION,
    Accepted,
    DeviceError,
    Echo,
    Echoed,
    ErrorCode,
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
    Log,
    LogLevel,
    Manifest,
    Memory,
    Message,
    Output,
    ProfileDone,
    ReadOutput,
    Reset,
    Run,
    RunDone,
    RunProfile,
    Sample,
    Samples,
    Time,
)

_UNKNOWN_U32 = 0xFFFF_FFFF


class Kind(IntEnum):
    """The type byte. Requests are below 0x80; an answer is its request's type with the top bit set, but for
    those that several requests share."""

    GET_MANIFEST = 0x01
    ECHO = 0x02
    GET_TIME = 0x03
    LOAD_INPUT = 0x04
    GET_INPUT_CRC = 0x05
    RUN = 0x06
    GET_SAMPLES = 0x07
    RUN_PROFILE = 0x08
    GET_LAYERS = 0x09
    READ_OUTPUT = 0x0A
    GET_MEMORY = 0x0B
    JUMP_TO_BOOTLOADER = 0x0C
    RESET = 0x0D

    MANIFEST = 0x81
    ECHOED = 0x82
    TIME = 0x83
    INPUT_CRC = 0x85
    RUN_DONE = 0x86
    SAMPLES = 0x87
    PROFILE_DONE = 0x88
    LAYERS = 0x89
    OUTPUT = 0x8A
    MEMORY = 0x8B
    ACCEPTED = 0xF0
    DEVICE_ERROR = 0xF1
    LOG = 0xF2


REQUEST_KINDS = frozenset(kind for kind in Kind if kind < 0x80)


_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_AT = struct.Struct("<HI")  # tensor index, byte offset
_RANGE = struct.Struct("<II")  # first, count
_READ = struct.Struct("<HIH")  # tensor index, byte offset, length
_RUN_DONE = struct.Struct("<IIQQ")  # count, flags, counter before, counter after
_SAMPLE = struct.Struct("<QI")
_PROFILE_DONE = struct.Struct("<IQ")
_MEMORY = struct.Struct("<7I")
_LOG_LEVEL = struct.Struct("<B")


# --- messages to bytes ----------------------------------------------------------------------------------


def encode(message: Message, sequence: int) -> bytes:
    """One frame with its closing delimiter. Raises `ValueError` where a field does not fit its place."""
    try:
        kind, payload = _payload(message)
        return encode_frame(kind, sequence, payload)
    except struct.error as error:
        raise ValueError(f"{type(message).__name__} does not fit its fields: {error}") from error


def _payload(message: Message) -> tuple[Kind, bytes]:
    match message:
        case LoadInput(index, offset, data):
            return Kind.LOAD_INPUT, _AT.pack(index, offset) + data
        case Output(index, offset, data):
            return Kind.OUTPUT, _AT.pack(index, offset) + data
        case Accepted():
            return Kind.ACCEPTED, b""
        case Echo(data):
            return Kind.ECHO, data
        case Echoed(data):
            return Kind.ECHOED, data
        case GetManifest():
            return Kind.GET_MANIFEST, b""
        case GetTime():
            return Kind.GET_TIME, b""
        case GetInputCrc(index):
            return Kind.GET_INPUT_CRC, _U16.pack(index)
        case Run(count):
            return Kind.RUN, _U32.pack(count)
        case GetSamples(first, count):
            return Kind.GET_SAMPLES, _RANGE.pack(first, count)
        case RunProfile():
            return Kind.RUN_PROFILE, b""
        case GetLayers(first, count):
            return Kind.GET_LAYERS, _RANGE.pack(first, count)
        case ReadOutput(index, offset, length):
            return Kind.READ_OUTPUT, _READ.pack(index, offset, length)
        case GetMemory():
            return Kind.GET_MEMORY, b""
        case JumpToBootloader():
            return Kind.JUMP_TO_BOOTLOADER, b""
        case Reset():
            return Kind.RESET, b""
        case Manifest():
            return Kind.MANIFEST, manifest.pack(message)
        case Time(cycles):
            return Kind.TIME, _U64.pack(cycles)
        case InputCrc(crc32):
            return Kind.INPUT_CRC, _U32.pack(crc32)
        case RunDone(count, first_is_cold, began, ended):
            return Kind.RUN_DONE, _RUN_DONE.pack(count, first_is_cold, began, ended)
        case Samples(first, samples):
            packed = [_SAMPLE.pack(sample.cycles, sample.output_crc32) for sample in samples]
            return Kind.SAMPLES, _U32.pack(first) + b"".join(packed)
        case ProfileDone(layer_count, total):
            return Kind.PROFILE_DONE, _PROFILE_DONE.pack(layer_count, total)
        case Layers(first, layer_cycles):
            return Kind.LAYERS, _U32.pack(first) + b"".join(map(_U64.pack, layer_cycles))
        case Memory():
            values = [getattr(message, name) for name in Memory.__slots__]
            return Kind.MEMORY, _MEMORY.pack(*(_UNKNOWN_U32 if value is None else value for value in values))
        case DeviceError(code, text):
            return Kind.DEVICE_ERROR, _U16.pack(code) + text.encode()
        case Log(level, text):
            return Kind.LOG, _LOG_LEVEL.pack(level) + text.encode()
        case _:
            assert_never(message)


# --- bytes to messages ----------------------------------------------------------------------------------


def decode(frame: Frame) -> Message:
    """The message in `frame`.

    Raises `MalformedMessageError` for another protocol version, a type that is not known, a payload of the
    wrong length, or a value that its field cannot have.
    """
    if frame.version != PROTOCOL_VERSION:
        raise MalformedMessageError(
            f"{_name(frame)} is of version {frame.version}, this program speaks {PROTOCOL_VERSION}",
            hint="flash firmware that belongs to this version of benchrunner",
        )
    decoder = _DECODERS.get(frame.kind)
    if decoder is None:
        raise MalformedMessageError(f"{_name(frame)} is of an unknown type")
    try:
        return decoder(frame.payload)
    except (struct.error, ValueError) as error:
        raise MalformedMessageError(f"{_name(frame)}: {error}") from error


def _name(frame: Frame) -> str:
    return (
        f"device protocol: message {frame.kind:#04x}, sequence {frame.sequence}, "
        f"payload of {len(frame.payload)} bytes"
    )


def _only(fields: struct.Struct, payload: bytes) -> tuple[int, ...]:
    """Unpack a payload that holds these fields and nothing else (struct demands the length)."""
    return fields.unpack(payload)


def _empty(message: Message) -> Callable[[bytes], Message]:
    def decode_empty(payload: bytes) -> Message:
        if payload:
            raise ValueError("it has no payload")
        return message

    return decode_empty


def _load_input(payload: bytes) -> LoadInput:
    index, offset = _AT.unpack_from(payload)
    return LoadInput(index, offset, payload[_AT.size :])


def _output(payload: bytes) -> Output:
    index, offset = _AT.unpack_from(payload)
    return Output(index, offset, payload[_AT.size :])


def _run_done(payload: bytes) -> RunDone:
    count, flags, began, ended = _only(_RUN_DONE, payload)
    return RunDone(count, _flag(flags), began, ended)


def _flag(flags: int) -> bool:
    if flags > 1:
        raise ValueError(f"flags {flags:#x}: only bit 0 has a meaning")
    return bool(flags)


def _samples(payload: bytes) -> Samples:
    (first,) = _U32.unpack_from(payload)
    return Samples(first, tuple(Sample(*pair) for pair in _SAMPLE.iter_unpack(payload[_U32.size :])))


def _layers(payload: bytes) -> Layers:
    (first,) = _U32.unpack_from(payload)
    return Layers(first, tuple(cycles for (cycles,) in _U64.iter_unpack(payload[_U32.size :])))


def _memory(payload: bytes) -> Memory:
    return Memory(*(None if value == _UNKNOWN_U32 else value for value in _only(_MEMORY, payload)))


def _text(payload: bytes, start: int) -> str:
    """A text for people: damage in it must not hide the message that it belongs to."""
    return payload[start:].decode(errors="replace")


def _device_error(payload: bytes) -> DeviceError:
    (code,) = _U16.unpack_from(payload)
    return DeviceError(ErrorCode(code), _text(payload, _U16.size))


def _log(payload: bytes) -> Log:
    (level,) = _LOG_LEVEL.unpack_from(payload)
    return Log(LogLevel(level), _text(payload, _LOG_LEVEL.size))


_DECODERS: dict[int, Callable[[bytes], Message]] = {
    Kind.GET_MANIFEST: _empty(GetManifest()),
    Kind.ECHO: Echo,
    Kind.GET_TIME: _empty(GetTime()),
    Kind.LOAD_INPUT: _load_input,
    Kind.GET_INPUT_CRC: lambda payload: GetInputCrc(*_only(_U16, payload)),
    Kind.RUN: lambda payload: Run(*_only(_U32, payload)),
    Kind.GET_SAMPLES: lambda payload: GetSamples(*_only(_RANGE, payload)),
    Kind.RUN_PROFILE: _empty(RunProfile()),
    Kind.GET_LAYERS: lambda payload: GetLayers(*_only(_RANGE, payload)),
    Kind.READ_OUTPUT: lambda payload: ReadOutput(*_only(_READ, payload)),
    Kind.GET_MEMORY: _empty(GetMemory()),
    Kind.JUMP_TO_BOOTLOADER: _empty(JumpToBootloader()),
    Kind.RESET: _empty(Reset()),
    Kind.MANIFEST: manifest.unpack,
    Kind.ECHOED: Echoed,
    Kind.TIME: lambda payload: Time(*_only(_U64, payload)),
    Kind.INPUT_CRC: lambda payload: InputCrc(*_only(_U32, payload)),
    Kind.RUN_DONE: _run_done,
    Kind.SAMPLES: _samples,
    Kind.PROFILE_DONE: lambda payload: ProfileDone(*_only(_PROFILE_DONE, payload)),
    Kind.LAYERS: _layers,
    Kind.OUTPUT: _output,
    Kind.MEMORY: _memory,
    Kind.ACCEPTED: _empty(Accepted()),
    Kind.DEVICE_ERROR: _device_error,
    Kind.LOG: _log,
}
