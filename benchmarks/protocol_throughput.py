"""Throughput of the device protocol: the codec alone, and a link over a wire throttled to 921600 baud.

python benchmarks/protocol_throughput.py
"""

from __future__ import annotations

import random
import socket
import sys
import threading
import time

from benchrunner.deadline import Deadline
from benchrunner.protocol.device import decode, encode
from benchrunner.protocol.endpoint import DeviceEndpoint
from benchrunner.protocol.exchange import data_bytes_per_message
from benchrunner.protocol.frames import Frame, FrameDecoder
from benchrunner.protocol.messages import (
    Accepted,
    Echo,
    Echoed,
    FidelityCode,
    GetManifest,
    LoadInput,
    Manifest,
    Output,
    ReadOutput,
    Reply,
    Request,
)
from benchrunner.session.link import Link
from benchrunner.transport.serial import open_transport

PAYLOAD_BYTES = 1024
CODEC_TARGET_BYTES_PER_S = 20e6
TARGETS = ("random bytes", "all zero")  # the others show what dense zeros cost
LINE_TARGET = 0.90
BAUD_HZ = 921_600
LINE_BYTES_PER_S = BAUD_HZ / 10  # 8N1
SLEEP_ERROR_S = 1e-3  # waking late by up to this is not charged to the wire, which did not idle
TRANSFER_BYTES = 256 * 1024

MANIFEST = Manifest(
    protocol_version=1,
    fidelity=FidelityCode.SIMULATED,
    chip_id=0x450,
    core_clock_hz=400_000_000,
    time_scale_permille=1000,
    image_sha256=bytes(32),
    model_sha256=bytes(32),
    icache=True,
    dcache=True,
    prefetch=False,
    counter_running=True,
    flash_wait_states=4,
    max_payload_bytes=PAYLOAD_BYTES,
    window_frames=8,
    max_samples=1000,
    layer_count=1,
    loop_overhead_cycles=0,
    reset_cause=0,
    input_bytes=(TRANSFER_BYTES,),
    output_bytes=(TRANSFER_BYTES,),
    text={},
)


# --- codec alone ----------------------------------------------------------------------------------------


def echo_bytes_per_s(data: bytes) -> float:
    """Payload through both ends and back, per second: encoded twice, decoded twice.

    The best of 30, because what else the machine does is not the codec's.
    """
    count = 200
    best_s = float("inf")
    for _ in range(30):
        endpoint = DeviceEndpoint(max_payload_bytes=len(data))
        host = FrameDecoder(len(data))
        back = 0
        start_s = time.perf_counter()
        for sequence in range(1, count + 1):
            for incoming in endpoint.feed(encode(Echo(data), sequence)):
                for frame in host.feed(endpoint.answer(incoming, execute)):
                    assert isinstance(frame, Frame)
                    reply = decode(frame)
                    assert isinstance(reply, Echoed)
                    back += len(reply.data)
        best_s = min(best_s, time.perf_counter() - start_s)
        assert back == count * len(data)
    return count * len(data) / best_s


# --- over a line ----------------------------------------------------------------------------------------


def execute(request: Request) -> Reply:
    match request:
        case GetManifest():
            return MANIFEST
        case Echo(data):
            return Echoed(data)
        case LoadInput():
            return Accepted()
        case ReadOutput(index, offset, length):
            return Output(index, offset, OUTPUT[offset : offset + length])
        case _:
            raise ValueError(f"the benchmark does not ask for {request}")


def serve(connection: socket.socket) -> None:
    endpoint = DeviceEndpoint(max_payload_bytes=PAYLOAD_BYTES)
    while data := connection.recv(4096):
        for incoming in endpoint.feed(data):
            connection.sendall(endpoint.answer(incoming, execute))


def throttle(source: socket.socket, sink: socket.socket) -> None:
    """One direction of the wire: no byte arrives before the line has had the time to carry it."""
    free_at_s = time.monotonic()
    while data := source.recv(128):
        free_at_s = max(free_at_s, time.monotonic() - SLEEP_ERROR_S) + len(data) / LINE_BYTES_PER_S
        if (wait_s := free_at_s - time.monotonic()) > 0:
            time.sleep(wait_s)
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


def throttled_device() -> int:
    """A device behind a throttled wire; returns the TCP port of its near end."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]

    def run() -> None:
        near, _ = listener.accept()
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far, device = socket.socketpair()
        for target, arguments in ((throttle, (near, far)), (throttle, (far, near)), (serve, (device,))):
            threading.Thread(target=target, args=arguments, daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    return port


def line_shares() -> list[tuple[str, float]]:
    """Payload per second of the line's bytes per second, by direction."""
    transport = open_transport(f"socket://127.0.0.1:{throttled_device()}")
    link = Link(transport, baud_hz=BAUD_HZ)
    link.request(GetManifest(), Deadline(5))
    step = data_bytes_per_message(PAYLOAD_BYTES)
    offsets = range(0, TRANSFER_BYTES, step)
    transfers: list[tuple[str, list[Request]]] = [
        ("host to device (LoadInput)", [LoadInput(0, at, OUTPUT[at : at + step]) for at in offsets]),
        (
            "device to host (ReadOutput)",
            [ReadOutput(0, at, min(step, TRANSFER_BYTES - at)) for at in offsets],
        ),
        (
            "both at once (Echo)",
            [Echo(OUTPUT[at : at + PAYLOAD_BYTES]) for at in range(0, TRANSFER_BYTES, 1024)],
        ),
    ]
    shares = []
    for name, requests in transfers:
        start_s = time.monotonic()
        link.request_many(requests, Deadline(60))
        shares.append((name, TRANSFER_BYTES / (time.monotonic() - start_s) / LINE_BYTES_PER_S))
    transport.close()
    assert link.counts.link_errors == 0, link.counts
    return shares


OUTPUT = random.Random(921600).randbytes(TRANSFER_BYTES)


def main() -> int:
    source = random.Random(14)
    kinds = {
        "random bytes": source.randbytes(PAYLOAD_BYTES),
        "all zero": bytes(PAYLOAD_BYTES),
        "one zero in twenty": bytes(
            source.randrange(1, 256) * (source.random() > 0.05) for _ in range(PAYLOAD_BYTES)
        ),
        "every second byte zero (worst case)": b"\0\x01" * (PAYLOAD_BYTES // 2),
    }
    good = True
    print(f"codec alone, host -> device -> host, {PAYLOAD_BYTES}-byte payloads (target 20 MB/s)")
    for name, data in kinds.items():
        rate = echo_bytes_per_s(data)
        print(f"  {name:<38} {rate / 1e6:7.1f} MB/s   {rate / CODEC_TARGET_BYTES_PER_S:6.2f} x target")
        good &= rate >= CODEC_TARGET_BYTES_PER_S or name not in TARGETS
    print(f"link over TCP throttled to {BAUD_HZ} baud 8N1, window {MANIFEST.window_frames} (target 90 %)")
    for name, share in line_shares():
        print(f"  {name:<38} {share:7.1%} of line rate is payload")
        good &= share >= LINE_TARGET
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
