"""What the runner on the board says, line by line: strictly checked, since a board may be out of its mind."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from benchrunner.errors import MalformedMessageError

VERSION: Final = 1
MAX_LINE_BYTES: Final = 1 << 20
_MAX_NS: Final = 2**62
_MAX_BYTES: Final = 2**50
_MAX_TEXT: Final = 4000

Phase = Literal["cold", "warmup", "timed"]


@dataclass(frozen=True, slots=True)
class Hello:
    python: str
    runtime: str
    runtime_version: str
    pid: int


@dataclass(frozen=True, slots=True)
class MemoryUse:
    when: str  # "before", "after"
    rss_bytes: int | None
    peak_bytes: int | None


@dataclass(frozen=True, slots=True)
class Calibrated:
    call_overhead_ns: int
    method: str


@dataclass(frozen=True, slots=True)
class TensorInfo:
    name: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LoadedModel:
    init_ns: int
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: int
    delegated: int | None
    delegate: str | None


@dataclass(frozen=True, slots=True)
class TimingMethod:
    method: str
    invokes_per_sample: int
    call_overhead_ns: int | None
    clock: str


@dataclass(frozen=True, slots=True)
class SampleTaken:
    phase: Phase
    ns: int
    crc32: int
    cpu_ns: int


@dataclass(frozen=True, slots=True)
class OutputsWritten:
    files: tuple[str, ...]
    sha256: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """The outputs for one set of inputs, of a runner that was asked for nothing else."""

    outputs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Done:
    samples: int
    cpu_ns: int | None
    frequency_khz: Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class RunnerFailed:
    kind: str
    message: str


Event = (
    Hello
    | MemoryUse
    | Calibrated
    | LoadedModel
    | TimingMethod
    | SampleTaken
    | OutputsWritten
    | Answered
    | Done
    | RunnerFailed
)


class EventLines:
    """Pieces of standard output to events, in whatever pieces they come."""

    def __init__(self, take: Callable[[Event], None]) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Raises `MalformedMessageError`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(parse_event(line))
        if len(self._rest) > MAX_LINE_BYTES:
            raise MalformedMessageError(
                f"the runner on the board sent a line of more than {MAX_LINE_BYTES} bytes"
            )

    def end(self) -> None:
        """Raises `MalformedMessageError` where the last line is not whole."""
        if self._rest:
            raise MalformedMessageError(f"the runner on the board ended in the middle of {self._rest[:80]!r}")


def parse_event(line: bytes) -> Event:
    """One line; raises `MalformedMessageError` for anything that the protocol does not have."""
    if len(line) > MAX_LINE_BYTES:
        raise MalformedMessageError(f"the runner on the board sent a line of {len(line)} bytes")
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MalformedMessageError(f"the runner on the board sent no JSON: {line[:80]!r}") from error
    if not isinstance(fields, dict):
        raise MalformedMessageError(f"the runner on the board sent no object: {line[:80]!r}")
    return _event(_Fields(fields))


def _event(fields: _Fields) -> Event:
    match fields.text("event"):
        case "hello":
            version = fields.integer("version", 0)
            if version != VERSION:
                raise fields.wrong("version", str(VERSION))
            return Hello(
                fields.text("python"),
                fields.text("runtime"),
                fields.text("runtime_version"),
                fields.integer("pid", 0),
            )
        case "memory":
            when = fields.choice("when", ("before", "after"))
            sizes = (fields.optional_integer(key, _MAX_BYTES) for key in ("rss_bytes", "peak_bytes"))
            return MemoryUse(when, *sizes)
        case "calibrated":
            return Calibrated(fields.integer("call_overhead_ns", 0), fields.text("method"))
        case "loaded":
            return LoadedModel(
                init_ns=fields.integer("init_ns", 0),
                inputs=tuple(map(_tensor, fields.objects("inputs"))),
                outputs=tuple(map(_tensor, fields.objects("outputs"))),
                operators=fields.integer("operators", 0),
                delegated=fields.optional_integer("delegated"),
                delegate=fields.optional_text("delegate"),
            )
        case "timing":
            return TimingMethod(
                method=fields.choice("method", ("python", "native", "batched")),
                invokes_per_sample=fields.integer("invokes_per_sample", 1),
                call_overhead_ns=fields.optional_integer("call_overhead_ns"),
                clock=fields.text("clock"),
            )
        case "sample":
            phase: Phase
            match fields.choice("phase", ("cold", "warmup", "timed")):
                case "cold":
                    phase = "cold"
                case "warmup":
                    phase = "warmup"
                case _:
                    phase = "timed"
            return SampleTaken(
                phase=phase,
                ns=fields.integer("ns", 0),
                crc32=fields.integer("crc32", 0, 0xFFFF_FFFF),
                cpu_ns=fields.integer("cpu_ns", 0),
            )
        case "outputs":
            digests = fields.texts("sha256")
            if not all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in digests):
                raise fields.wrong("sha256", "SHA-256 in hex")
            return OutputsWritten(fields.texts("files"), digests)
        case "answer":
            return Answered(fields.blobs("outputs"))
        case "done":
            return Done(
                samples=fields.integer("samples", 0),
                cpu_ns=fields.optional_integer("cpu_ns"),
                frequency_khz=fields.frequencies("frequency_khz"),
            )
        case "error":
            return RunnerFailed(fields.text("kind"), fields.text("message"))
        case _:
            raise fields.wrong("event", "an event of the protocol")


def _tensor(fields: _Fields) -> TensorInfo:
    return TensorInfo(
        name=fields.text("name"),
        dtype=fields.text("dtype"),
        shape=fields.integers("shape"),
        size_bytes=fields.integer("bytes", 0, _MAX_BYTES),
    )


class _Fields:
    """The keys of one JSON object, each read with what it must be."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def wrong(self, key: str, expected: str) -> MalformedMessageError:
        name = str(self._fields.get("event", "an object"))[:40]
        found = repr(self._fields.get(key, "nothing"))[:80]
        return MalformedMessageError(
            f"the runner on the board: {name}: {key}: expected {expected}, found {found}"
        )

    def text(self, key: str) -> str:
        value = self._fields.get(key)
        if not isinstance(value, str) or len(value) > _MAX_TEXT:
            raise self.wrong(key, f"text of at most {_MAX_TEXT} characters")
        # What comes from a board ends up on terminals and in tables.
        return "".join(each if each.isprintable() else " " for each in value)

    def optional_text(self, key: str) -> str | None:
        return None if self._fields.get(key) is None else self.text(key)

    def choice(self, key: str, known: tuple[str, ...]) -> str:
        value = self._fields.get(key)
        if not isinstance(value, str) or value not in known:
            raise self.wrong(key, f"one of {', '.join(known)}")
        return value

    def integer(self, key: str, smallest: int, largest: int = _MAX_NS) -> int:
        value = self._fields.get(key)
        if type(value) is not int or not smallest <= value <= largest:
            raise self.wrong(key, f"an integer from {smallest} to {largest}")
        return value

    def optional_integer(self, key: str, largest: int = _MAX_NS) -> int | None:
        return None if self._fields.get(key) is None else self.integer(key, 0, largest)

    def _list(self, key: str) -> list[Any]:
        value = self._fields.get(key)
        if not isinstance(value, list) or len(value) > 1000:
            raise self.wrong(key, "a list")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        found = self._list(key)
        if not all(isinstance(each, str) and len(each) <= _MAX_TEXT for each in found):
            raise self.wrong(key, "a list of text")
        return tuple(found)

    def blobs(self, key: str) -> tuple[bytes, ...]:
        try:
            return tuple(binascii.a2b_base64(each, strict_mode=True) for each in self._list(key))
        except (ValueError, TypeError):
            raise self.wrong(key, "a list of base64") from None

    def integers(self, key: str) -> tuple[int, ...]:
        found = self._list(key)
        if not all(type(each) is int and 0 <= each <= _MAX_BYTES for each in found):
            raise self.wrong(key, "a list of integers")
        return tuple(found)

    def objects(self, key: str) -> list[_Fields]:
        found = self._list(key)
        if not all(isinstance(each, dict) for each in found):
            raise self.wrong(key, "a list of objects")
        return [_Fields(each) for each in found]

    def frequencies(self, key: str) -> dict[int, tuple[int, int]]:
        value = self._fields.get(key) or {}
        if not isinstance(value, dict) or len(value) > 4096:
            raise self.wrong(key, "an object")
        found = {}
        for cpu, limits in value.items():
            match limits:
                case [int(low), int(high)] if (
                    type(low) is type(high) is int
                    and re.fullmatch(r"\d{1,4}", cpu)
                    and 0 <= low <= high <= _MAX_NS
                ):
                    found[int(cpu)] = (low, high)
                case _:
                    raise self.wrong(key, "two frequencies for each CPU")
        return found
