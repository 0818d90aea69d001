"""The core with a tiny model on this machine, and what a host says to it in tests."""

import random
import struct
import zlib
from pathlib import Path

from firmware.host_device import INPUT_BYTES, HostDevice

from benchrunner.deadline import Deadline
from benchrunner.protocol.device import decode
from benchrunner.protocol.frames import Frame, FrameDecoder
from benchrunner.protocol.messages import GetTime, Manifest, Message
from benchrunner.session import mcu
from benchrunner.session.link import Link

TINY = Path(__file__).with_name("tiny_model.c")
INPUT = bytes(random.Random(5).randbytes(INPUT_BYTES))
OUTPUT = bytes((value + 3) % 256 for value in INPUT)
SUM = struct.pack("<I", sum(OUTPUT))
OUTPUT_CRC = zlib.crc32(OUTPUT + SUM)


def budget() -> Deadline:
    return Deadline(30.0)


def connect(device: HostDevice) -> tuple[Link, Manifest]:
    link = Link(device, baud_hz=921_600)
    return link, link.wait_for_manifest(budget())


def frames(device: HostDevice, count: int) -> list[Frame]:
    """The next good frames, however they are cut."""
    decoder, found = FrameDecoder(8192), []
    deadline = budget()
    while len(found) < count:
        data = device.read(65536, deadline)
        assert data, f"{len(found)} of {count} frames"
        found += [frame for frame in decoder.feed(data) if isinstance(frame, Frame)]
    return found


def ask(device: HostDevice, *requests: bytes) -> list[Message]:
    device.write(b"".join(requests))
    return [decode(frame) for frame in frames(device, len(requests))]


def ask_for_time_until_it_fails(link: Link) -> None:
    for _ in range(10_000):
        link.request(GetTime(), budget())


def load_and_run(link: Link, manifest: Manifest, run_s: float = 30.0) -> None:
    mcu.load_inputs(link, [INPUT], chunk_bytes=manifest.max_payload_bytes - 6, deadline=budget())
    batch = mcu.run_batch(link, 7, Deadline(run_s))
    assert {sample.output_crc32 for sample in batch.samples} == {OUTPUT_CRC}
    outputs = mcu.read_outputs(link, manifest, chunk_bytes=manifest.max_payload_bytes - 6, deadline=budget())
    assert outputs == (OUTPUT, SUM)
