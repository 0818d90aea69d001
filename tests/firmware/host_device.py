"""The firmware's core built for this machine: a process that speaks the device protocol."""

from __future__ import annotations

import mmap
import os
import random
import select
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchrunner import image
from benchrunner.deadline import Deadline
from benchrunner.errors import PortError
from benchrunner.resources import shipped
from benchrunner.transport import Parity

WARNINGS = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
CHIP_ID = 0x450
MODEL_SHA256 = bytes(range(32))
TEXT = {"board": "host", "engine": "aot", "model": "tiny"}
INPUT_BYTES = 1500


def core_sources() -> list[Path]:
    return sorted((shipped("firmware") / "core").glob("*.c"))


def mlperf_sources() -> list[Path]:
    return sorted((shipped("firmware") / "mlperf_tiny").glob("*.c"))


def build_host(
    folder: Path, *models: Path, defines: tuple[str, ...] = (), include: Path | None = None
) -> Path:
    """The host port with a model, with sanitizers; the same build is made once per folder."""
    program = folder / "-".join(("host", *(model.stem for model in models), *defines)).replace("=", "_")
    if not program.exists():
        firmware = shipped("firmware")
        port = firmware / "ports" / "host"
        subprocess.run(
            [
                "gcc",
                *WARNINGS,
                *SANITIZED,
                *(f"-D{define}" for define in defines),
                f"-I{firmware / 'core'}",
                f"-I{port}",
                *((f"-I{include}",) if include else ()),
                f"-I{firmware / 'mlperf_tiny'}",
                *core_sources(),
                *sorted(port.glob("*.c")),
                *models,
                "-Wl,--defsym=__data_end=_edata,--defsym=__bss_end=_end",
                "-o",
                program,
            ],
            check=True,
        )
    return program


def build_image(folder: Path, text: dict[str, str] = TEXT, chip_id: int = CHIP_ID) -> Path:
    file = folder / f"image-{chip_id:x}-{len(text)}.bin"
    file.write_bytes(
        image.build(
            vectors=struct.pack("<II", 0x20020000, 0x08000401),
            chip_id=chip_id,
            model_sha256=MODEL_SHA256,
            text=text,
            payload=b"code",
            align_bytes=32,
        )
    )
    return file


class DeviceClock:
    """The device's own time, in memory that both share: it moves when the device computes, and only then."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / f"clock-{os.getpid()}-{id(self)}"
        self.file.write_bytes(bytes(8))
        with self.file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), 8)

    def now_s(self) -> float:
        (ns,) = struct.unpack("<Q", self._memory[:8])
        return float(ns) / 1e9

    def sleep_s(self, seconds: float) -> None:
        raise AssertionError("nobody waits for a device that is faster than time")


@dataclass
class HostDevice:
    """A `Transport` to the process. `damage` sees every piece of bytes that is written or read."""

    process: subprocess.Popen[bytes]
    wire: socket.socket
    to_device: Callable[[bytes], bytes] = lambda data: data
    to_host: Callable[[bytes], bytes] = lambda data: data
    received: bytearray = field(default_factory=bytearray)  # undamaged, all of it
    largest_read: int = 1 << 16

    def write(self, data: bytes) -> None:
        try:
            self.wire.sendall(self.to_device(data))
        except OSError as error:
            raise PortError(f"the process is gone: {error}") from error

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        # Time that the device makes does not pass while the host waits for it: a real minute ends that.
        ready, _, _ = select.select([self.wire], [], [], min(60.0, deadline.remaining_s()))
        if not ready:
            return b""
        data = self.wire.recv(min(max_bytes, self.largest_read))
        if not data:
            raise PortError(f"the process has ended with status {self.process.wait()}")
        self.received += data
        return self.to_host(data)

    def discard_input(self) -> int:
        dropped = 0
        while select.select([self.wire], [], [], 0)[0]:
            dropped += len(self.wire.recv(65536))
        return dropped

    def fault(self) -> None:
        self.process.send_signal(signal.SIGILL)

    @property
    def description(self) -> str:
        return "host process"

    @property
    def has_lines(self) -> bool:
        return False

    def set_format(self, baud_hz: int, parity: Parity) -> None: ...

    def set_lines(self, *, boot0: bool, reset: bool) -> None: ...

    def close(self) -> None: ...


@contextmanager
def running(program: Path, image_file: Path, **environment: str) -> Iterator[HostDevice]:
    """The process for as long as the block lasts; what a sanitizer says fails the test."""
    ours, theirs = socket.socketpair()
    errors = program.parent / f"stderr-{os.getpid()}-{time.monotonic_ns()}"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [program],
            stdin=theirs,
            stdout=theirs,
            stderr=stderr,
            env={
                **os.environ,
                "BENCH_IMAGE": str(image_file),
                "UBSAN_OPTIONS": "print_stacktrace=1",
                **environment,
            },
        )
    theirs.close()
    try:
        yield HostDevice(process, ours)
    finally:
        ours.close()
        try:
            process.wait(60)
        finally:
            process.kill()
    assert errors.read_bytes() == b""


def noisy(seed: int, loss: float, flip: float) -> Callable[[bytes], bytes]:
    """Loses and flips bytes, each with its probability."""
    generator = random.Random(seed)

    def damage(data: bytes) -> bytes:
        kept = bytearray()
        for byte in data:
            draw = generator.random()
            if draw < loss:
                continue
            kept.append(byte ^ 1 << generator.randrange(8) if draw < loss + flip else byte)
        return bytes(kept)

    return damage
