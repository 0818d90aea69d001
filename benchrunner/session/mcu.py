"""One conversation with a microcontroller: is it the right image, and how long does an inference take."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchrunner.deadline import Deadline
from benchrunner.errors import CaseFailedError, ClockInvalidError, LinkError, WrongImageError
from benchrunner.protocol.messages import (
    GetInputCrc,
    GetLayers,
    GetMemory,
    GetSamples,
    InputCrc,
    Layers,
    LoadInput,
    Manifest,
    Memory,
    Output,
    ProfileDone,
    ReadOutput,
    Reply,
    Request,
    Run,
    RunDone,
    RunProfile,
    Sample,
    Samples,
)

STABLE_SPREAD = 0.001  # two neighbours within 0.1 % are warm (docs/results-format.md, cell class "jitter")
LARGEST_WARMUP = 20
BATCH_S = 2.0  # longer series are asked for in parts, so that there is progress and a short deadline
COUNT_LIMIT = 1 << 16  # of layers and samples in one answer: a device cannot make the host collect for ever


class DeviceLink(Protocol):
    """What a session needs of `session.link.Link`."""

    def request(self, message: Request, deadline: Deadline) -> Reply:
        """The device's answer to one request."""

    def request_many(self, messages: Iterable[Request], deadline: Deadline) -> list[Reply]:
        """The answers, in order, with several requests in flight."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the host built and therefore expects to find on the board."""

    board: str
    chip_id: int
    image_sha256: bytes
    model_sha256: bytes
    input_bytes: tuple[int, ...]
    output_bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of inferences that ran back to back."""

    samples: tuple[Sample, ...]
    first_is_cold: bool


def check_manifest(manifest: Manifest, expected: Expected) -> None:
    """Refuse to time anything but the image that was built.

    Raises `WrongImageError` naming every field that differs, `ClockInvalidError` when the device says that
    its cycle counter does not run.
    """
    pairs: list[tuple[str, object, object]] = [
        ("board", expected.board, manifest.text.get("board", "")),
        ("chip id", f"{expected.chip_id:#05x}", f"{manifest.chip_id:#05x}"),
        ("image SHA-256", expected.image_sha256.hex(), manifest.image_sha256.hex()),
        ("model SHA-256", expected.model_sha256.hex(), manifest.model_sha256.hex()),
        ("input sizes in bytes", expected.input_bytes, manifest.input_bytes),
        ("output sizes in bytes", expected.output_bytes, manifest.output_bytes),
    ]
    differing = [f"{name}: expected {want}, found {found}" for name, want, found in pairs if want != found]
    if differing:
        raise WrongImageError(
            "the firmware on the board is not the image that was built: " + "; ".join(differing),
            hint="flash it again with --reflash; if that does not help, BOOT0 or a second image starts first",
        )
    if manifest.max_samples < 1 or manifest.core_clock_hz < 1:
        raise WrongImageError(
            f"manifest makes no sense: max_samples {manifest.max_samples}, clock {manifest.core_clock_hz} Hz"
        )
    if not manifest.counter_running:
        raise ClockInvalidError(
            "the device says that its cycle counter does not run",
            hint="DWT needs TRCENA, the lock access register and CYCCNTENA; see the port of this board",
        )


def load_inputs(link: DeviceLink, tensors: Sequence[bytes], *, chunk_bytes: int, deadline: Deadline) -> None:
    """Bring the input tensors to the device and check the CRC-32 of what lies there."""
    for index, tensor in enumerate(tensors):
        chunks = (
            LoadInput(index, offset, tensor[offset : offset + chunk_bytes])
            for offset in range(0, len(tensor), chunk_bytes)
        )
        link.request_many(chunks, deadline)
        reply = link.request(GetInputCrc(index), deadline)
        assert isinstance(reply, InputCrc)
        if reply.crc32 != zlib.crc32(tensor):
            raise LinkError(
                f"input {index} arrived damaged: CRC-32 {reply.crc32:08x}, sent {zlib.crc32(tensor):08x}"
            )


def run_batch(link: DeviceLink, count: int, deadline: Deadline) -> Batch:
    """Run `count` inferences back to back and fetch their samples.

    Raises `ClockInvalidError` when the samples cannot be true: longer together than the counter's own
    bracket around them, zero, or a bracket that goes backwards.
    """
    done = link.request(Run(count), deadline)
    assert isinstance(done, RunDone)
    if done.count != count:
        raise CaseFailedError(f"asked for {count} inferences, the device ran {done.count}")
    collected: list[Sample] = []
    while len(collected) < count:
        reply = link.request(GetSamples(len(collected), count - len(collected)), deadline)
        assert isinstance(reply, Samples)
        if reply.first != len(collected) or not 0 < len(reply.samples) <= count - len(collected):
            raise LinkError(
                f"asked for samples from {len(collected)} of {count}, "
                f"got {len(reply.samples)} from {reply.first}"
            )
        collected += reply.samples
    bracket_cycles = done.ended_cycles - done.began_cycles
    total_cycles = sum(sample.cycles for sample in collected)
    if bracket_cycles < 0 or total_cycles > bracket_cycles:
        raise ClockInvalidError(
            f"{count} inferences of {total_cycles} cycles together do not fit between counter readings "
            f"{done.began_cycles} and {done.ended_cycles}: the counter wraps or was reset",
            hint="the firmware must extend the counter to 64 bits",
        )
    if any(sample.cycles == 0 for sample in collected):
        raise ClockInvalidError("an inference took 0 cycles: the cycle counter is frozen")
    return Batch(tuple(collected), done.first_is_cold)


def warm_up(
    link: DeviceLink, *, count: int | None, largest: int, deadline: Callable[[int], Deadline]
) -> tuple[Sample, ...]:
    """Run `count` warm-ups; without a count until two neighbours agree within `STABLE_SPREAD`."""
    if count is not None:
        return run_series(link, count, largest=largest, deadline=deadline)
    samples: list[Sample] = []
    while len(samples) < LARGEST_WARMUP:
        step = min(2, largest)
        samples += run_batch(link, step, deadline(step)).samples
        if len(samples) >= 2:
            low, high = sorted(sample.cycles for sample in samples[-2:])
            if high - low <= low * STABLE_SPREAD:
                break
    return tuple(samples)


def run_series(
    link: DeviceLink,
    count: int,
    *,
    largest: int,
    deadline: Callable[[int], Deadline],
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[Sample, ...]:
    """Run `count` inferences in batches of at most `largest`."""
    samples: list[Sample] = []
    while len(samples) < count:
        step = min(largest, count - len(samples))
        samples += run_batch(link, step, deadline(step)).samples
        progress(len(samples), count)
    return tuple(samples)


def read_outputs(
    link: DeviceLink, manifest: Manifest, *, chunk_bytes: int, deadline: Deadline
) -> tuple[bytes, ...]:
    """Fetch every output tensor."""
    outputs = []
    for index, size in enumerate(manifest.output_bytes):
        requests = [
            ReadOutput(index, offset, min(chunk_bytes, size - offset))
            for offset in range(0, size, chunk_bytes)
        ]
        replies = link.request_many(requests, deadline)
        data = bytearray()
        for request, reply in zip(requests, replies, strict=True):
            assert isinstance(reply, Output)
            if (reply.index, reply.offset, len(reply.data)) != (index, request.offset, request.length):
                raise LinkError(f"asked for output {request}, got {reply.index}, {reply.offset}")
            data += reply.data
        outputs.append(bytes(data))
    return tuple(outputs)


def profile_layers(link: DeviceLink, deadline: Deadline) -> tuple[tuple[int, ...], int]:
    """Cycles of every layer in one profiled inference, and the total of that inference."""
    done = link.request(RunProfile(), deadline)
    assert isinstance(done, ProfileDone)
    if done.layer_count > COUNT_LIMIT:
        raise LinkError(f"the device claims {done.layer_count} layers")
    cycles: list[int] = []
    while len(cycles) < done.layer_count:
        reply = link.request(GetLayers(len(cycles), done.layer_count - len(cycles)), deadline)
        assert isinstance(reply, Layers)
        if reply.first != len(cycles) or not 0 < len(reply.cycles) <= done.layer_count - len(cycles):
            raise LinkError(
                f"asked for layers from {len(cycles)}, got {len(reply.cycles)} from {reply.first}"
            )
        cycles += reply.cycles
    if sum(cycles) > done.total_cycles:
        raise ClockInvalidError(
            f"layers take {sum(cycles)} cycles together, the whole profiled inference {done.total_cycles}"
        )
    return tuple(cycles), done.total_cycles


def read_memory(link: DeviceLink, deadline: Deadline) -> Memory:
    """The device's memory report."""
    reply = link.request(GetMemory(), deadline)
    assert isinstance(reply, Memory)
    return reply
