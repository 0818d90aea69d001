"""The firmware's own C, built for this machine, in conversation with the host's own functions."""

import signal
from pathlib import Path

from firmware.core_host import INPUT, OUTPUT_CRC, TINY, ask, budget, connect, frames, load_and_run
from firmware.host_device import (
    CHIP_ID,
    INPUT_BYTES,
    MODEL_SHA256,
    TEXT,
    DeviceClock,
    HostDevice,
    build_host,
    running,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchrunner import image
from benchrunner.deadline import Deadline
from benchrunner.protocol.device import decode, encode
from benchrunner.protocol.frames import Frame, FrameDecoder, encode_frame
from benchrunner.protocol.messages import (
    Accepted,
    DeviceError,
    Echo,
    Echoed,
    FidelityCode,
    GetInputCrc,
    GetLayers,
    GetManifest,
    GetMemory,
    GetSamples,
    GetTime,
    InputCrc,
    Layers,
    LoadInput,
    Log,
    LogLevel,
    Manifest,
    Memory,
    Output,
    ProfileDone,
    ReadOutput,
    Request,
    Run,
    RunDone,
    RunProfile,
    Samples,
    Time,
)
from benchrunner.session import mcu
from benchrunner.session.clock import finish_window, read_counter
from benchrunner.session.link import Link


def test_the_manifest_says_what_runs_and_on_what(device: HostDevice, image_file: Path) -> None:
    _, manifest = connect(device)
    info = image.read(image_file.read_bytes())
    mcu.check_manifest(
        manifest,
        mcu.Expected("host", CHIP_ID, info.image_sha256, MODEL_SHA256, (INPUT_BYTES,), (INPUT_BYTES, 4)),
    )
    assert manifest.text == {**TEXT, "machine": "host-process", "inputs": "intact"}
    assert manifest.fidelity is FidelityCode.EMULATED
    assert (manifest.max_payload_bytes, manifest.window_frames, manifest.max_samples) == (512, 3, 96)
    assert (manifest.layer_count, manifest.core_clock_hz) == (4, 1_000_000_000)


def test_a_whole_measurement(device: HostDevice) -> None:
    link, manifest = connect(device)
    load_and_run(link, manifest)
    samples = mcu.run_series(link, 200, largest=manifest.max_samples, deadline=lambda _count: budget())
    assert len(samples) == 200
    assert {sample.output_crc32 for sample in samples} == {OUTPUT_CRC}
    layers, total = mcu.profile_layers(link, budget())
    assert len(layers) == 4
    assert layers[2] == 0
    assert all(layers[at] > 0 for at in (0, 1, 3))
    assert sum(layers) <= total
    memory = mcu.read_memory(link, budget())
    assert (memory.stack_bytes, memory.stack_used_bytes, memory.heap_bytes) == (4096, 3072, 0)
    assert memory.arena_bytes == memory.arena_used_bytes == 4 * INPUT_BYTES + 8
    assert memory.static_bytes is not None
    assert memory.static_bytes > 3000
    assert link.counts.link_errors == 0


def test_only_the_first_inference_since_boot_is_cold(device: HostDevice) -> None:
    link, _ = connect(device)
    mcu.load_inputs(link, [INPUT], chunk_bytes=500, deadline=budget())
    assert mcu.run_batch(link, 1, budget()).first_is_cold
    assert not mcu.run_batch(link, 2, budget()).first_is_cold


def test_the_counter_keeps_the_hosts_time(device: HostDevice) -> None:
    class Real:
        def now_s(self) -> float:
            import time

            return time.monotonic()

        def sleep_s(self, seconds: float) -> None:
            import time

            time.sleep(seconds)

    link, manifest = connect(device)
    start = read_counter(link, Real(), budget())
    check = finish_window(link, Real(), start, nominal_hz=manifest.core_clock_hz, deadline=budget())
    assert abs(check.deviation_ppm) <= check.limit_ppm + check.uncertainty_ppm


def test_profile_and_clean_run_agree_on_a_clock_that_only_computing_moves(
    folder: Path, image_file: Path
) -> None:
    clock = DeviceClock(folder)
    program = build_host(folder, TINY, defines=("TINY_LAYER_NS=3000000000",))
    with running(program, image_file, BENCH_CLOCK_FILE=str(clock.file)) as device:
        link = Link(device)
        manifest = link.wait_for_manifest(Deadline(1e9, clock=clock.now_s))
        # Reading the counter costs 100 ns here, and so does an empty region.
        assert manifest.loop_overhead_cycles == 100
        assert manifest.time_scale_permille == 0
        mcu.load_inputs(link, [INPUT], chunk_bytes=500, deadline=Deadline(1e9, clock=clock.now_s))
        batch = mcu.run_batch(link, 3, Deadline(1e9, clock=clock.now_s))
        # Nine seconds at 1 GHz: more than 32 bits hold.
        assert [sample.cycles for sample in batch.samples] == [9_000_000_000] * 3
        layers, total = mcu.profile_layers(link, Deadline(1e9, clock=clock.now_s))
        assert layers == (3_000_000_000, 3_000_000_000, 0, 3_000_000_000)
        assert total == sum(layers) + 100 * (2 * 3 + 1)


# --- every reply, byte for byte -------------------------------------------------------------------------


def test_every_reply_has_the_bytes_that_the_host_would_write(device: HostDevice) -> None:
    """Decoding and encoding again gives the same wire bytes: COBS, CRC, and every field in its place."""
    requests: list[Request] = [
        GetManifest(),
        Echo(bytes(range(256)) * 2),
        Echo(b""),
        GetTime(),
        LoadInput(0, 0, INPUT[:506]),
        LoadInput(0, 506, INPUT[506:1012]),
        LoadInput(0, 1012, INPUT[1012:]),
        GetInputCrc(0),
        Run(96),
        GetSamples(0, 96),
        GetSamples(42, 42),
        RunProfile(),
        GetLayers(0, 4),
        ReadOutput(0, 0, 506),
        ReadOutput(1, 1, 3),
        ReadOutput(0, 1500, 0),
        GetMemory(),
        Run(0),
        ReadOutput(2, 0, 0),
    ]
    frames(device, 1)  # the boot's manifest
    before = len(device.received)
    decoder, found, wire = FrameDecoder(8192), 0, bytearray()
    kinds = set()
    for number, request in enumerate(requests, start=0xFE):  # sequences with zero bytes, and without
        device.write(encode(request, number))
        while found <= number - 0xFE:
            for frame in decoder.feed(device.read(65536, budget())):
                assert isinstance(frame, Frame)
                message = decode(frame)
                kinds.add(type(message))
                if isinstance(message, Manifest):  # the order of its text lines is free
                    wire += encode_frame(frame.kind, frame.sequence, frame.payload)
                else:
                    wire += encode(message, frame.sequence)
                found += 1
    assert bytes(device.received[before:]) == bytes(wire)
    assert kinds >= {
        Manifest,
        Echoed,
        Time,
        Accepted,
        InputCrc,
        RunDone,
        Samples,
        ProfileDone,
        Layers,
        Output,
        Memory,
        DeviceError,
    }


def test_logs_and_faults_have_the_hosts_bytes_too(folder: Path, image_file: Path) -> None:
    with running(build_host(folder, TINY), image_file, BENCH_FALLBACK="1") as device:
        log, manifest = (decode(frame) for frame in frames(device, 2))
        assert log == Log(
            LogLevel.WARNING, "the wished clock did not come up, the core runs at Hz 1000000000"
        )
        assert isinstance(manifest, Manifest)
        assert manifest.text["clock"] == "fallback"
        device.process.send_signal(signal.SIGILL)
        (frame,) = frames(device, 1)
        fault = decode(frame)
        assert isinstance(fault, DeviceError)
        assert bytes(device.received).endswith(encode(fault, 0))
        assert bytes(device.received).startswith(b"\0" + encode(log, 0))


@given(data=st.binary(max_size=512), sequence=st.integers(1, 65535))
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def check_echo(device: HostDevice, data: bytes, sequence: int) -> None:
    device.write(encode(Echo(data), sequence))
    wire = encode(Echoed(data), sequence)
    received = bytearray()
    while len(received) < len(wire):
        piece = device.read(65536, budget())
        assert piece
        received += piece
    assert bytes(received) == wire


def test_any_echo_comes_back_in_the_bytes_that_the_host_would_write(device: HostDevice) -> None:
    connect(device)
    check_echo(device)
    for length in (252, 253, 254, 255, 508, 512):  # around the blocks of COBS
        data = b"\x55" * length
        assert ask(device, encode(Echo(data), 7)) == [Echoed(data)]
