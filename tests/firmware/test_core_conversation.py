"""The firmware's own C, built for this machine, in conversation with the host's own functions."""

import random
import signal
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from firmware.host_device import (
    CHIP_ID,
    INPUT_BYTES,
    MODEL_SHA256,
    TEXT,
    DeviceClock,
    HostDevice,
    build_host,
    build_image,
    noisy,
    running,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchrunner import image
from benchrunner.deadline import Deadline
from benchrunner.errors import BoardResetError, DeviceFaultError
from benchrunner.protocol.device import decode, encode
from benchrunner.protocol.frames import Frame, FrameDecoder, encode_frame
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
    Log,
    LogLevel,
    Manifest,
    Memory,
    Message,
    Output,
    ProfileDone,
    ReadOutput,
    Request,
    Reset,
    Run,
    RunDone,
    RunProfile,
    Samples,
    Time,
)
from benchrunner.session import mcu
from benchrunner.session.clock import finish_window, read_counter
from benchrunner.session.link import Link

TINY = Path(__file__).with_name("tiny_model.c")
INPUT = bytes(random.Random(5).randbytes(INPUT_BYTES))
OUTPUT = bytes((value + 3) % 256 for value in INPUT)
SUM = struct.pack("<I", sum(OUTPUT))
OUTPUT_CRC = zlib.crc32(OUTPUT + SUM)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("core")


@pytest.fixture(scope="module")
def image_file(folder: Path) -> Path:
    return build_image(folder)


@pytest.fixture
def device(folder: Path, image_file: Path) -> Iterator[HostDevice]:
    with running(build_host(folder, TINY), image_file, BENCH_CHIP_ID=hex(CHIP_ID)) as running_device:
        yield running_device


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


# --- requests that cannot be carried out ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (Run(1), ErrorCode.NO_INPUT, "loaded bytes: 0 of 1500"),
        (RunProfile(), ErrorCode.NO_INPUT, "loaded bytes: 0 of 1500"),
        (Run(97), ErrorCode.BAD_ARGUMENT, "Run: count 97, at most 96"),
        (LoadInput(1, 0, b"x"), ErrorCode.BAD_ARGUMENT, "LoadInput: input 1, there are 1"),
        (LoadInput(0, 1500, b"x"), ErrorCode.BAD_ARGUMENT, "at offset 1500 of an input of bytes 1500"),
        (LoadInput(0, 2**32 - 1, b"xx"), ErrorCode.BAD_ARGUMENT, "at offset 4294967295"),
        (GetInputCrc(9), ErrorCode.BAD_ARGUMENT, "GetInputCrc: input 9, there are 1"),
        (GetSamples(0, 1), ErrorCode.BAD_ARGUMENT, "range of results from 0, there are 0"),
        (GetLayers(0, 0), ErrorCode.BAD_ARGUMENT, "range of results from 0, there are 0"),
        (ReadOutput(2, 0, 1), ErrorCode.BAD_ARGUMENT, "ReadOutput: output 2, there are 2"),
        (ReadOutput(1, 2, 3), ErrorCode.BAD_ARGUMENT, "at offset 2 of an output of bytes 4"),
        (ReadOutput(0, 0, 507), ErrorCode.BAD_ARGUMENT, "ReadOutput: bytes 507, at most 506"),
    ],
)
def test_a_request_that_cannot_be_carried_out_is_refused(
    device: HostDevice, request_: Request, code: ErrorCode, text: str
) -> None:
    link, _ = connect(device)
    with pytest.raises(DeviceFaultError) as caught:
        link.request(request_, budget())
    assert caught.value.code is code
    assert text in caught.value.text


def test_frames_that_hold_no_request_are_answered_with_an_error(device: HostDevice) -> None:
    connect(device)
    answers = ask(
        device,
        encode_frame(0x0E, 5, b""),
        encode_frame(0x00, 6, b""),
        encode(Accepted(), 7),
    )
    answers += ask(
        device,
        encode_frame(0x01, 8, b"", version=2),
        encode_frame(0x06, 9, b"\x01\x00\x00"),
    )
    assert [answer.code for answer in answers if isinstance(answer, DeviceError)] == [
        *[ErrorCode.UNKNOWN_REQUEST] * 4,
        ErrorCode.BAD_ARGUMENT,
    ]


def test_a_dead_counter_is_said_and_nothing_is_timed(folder: Path, image_file: Path) -> None:
    with running(build_host(folder, TINY), image_file, BENCH_DEAD="1") as device:
        link, manifest = connect(device)
        assert not manifest.counter_running
        mcu.load_inputs(link, [INPUT], chunk_bytes=500, deadline=budget())
        with pytest.raises(DeviceFaultError) as caught:
            link.request(Run(1), budget())
        assert caught.value.code is ErrorCode.COUNTER_DEAD


def test_input_is_complete_only_when_every_byte_was_loaded(device: HostDevice) -> None:
    link, _ = connect(device)
    loads = [LoadInput(0, at, INPUT[at : at + 100]) for at in range(0, 1500, 100)]
    random.Random(1).shuffle(loads[:-1])
    link.request_many([*loads[::2], *loads[1::2][:-1]], budget())
    with pytest.raises(DeviceFaultError, match="loaded bytes: 1400 of 1500"):
        link.request(Run(1), budget())
    link.request_many([loads[1::2][-1]], budget())
    assert mcu.run_batch(link, 1, budget()).samples[0].output_crc32 == OUTPUT_CRC


def test_an_input_in_too_many_pieces_is_refused_and_not_forgotten(device: HostDevice) -> None:
    link, _ = connect(device)
    for at in range(0, 80, 10):
        link.request(LoadInput(0, at, b"x"), budget())
    with pytest.raises(DeviceFaultError) as caught:
        link.request(LoadInput(0, 80, b"x"), budget())
    assert caught.value.code is ErrorCode.BUSY
    link.request(LoadInput(0, 0, bytes(80)), budget())  # the pieces grow together
    link.request(LoadInput(0, 81, b"x"), budget())


# --- repetition, resets, windows ------------------------------------------------------------------------


def test_a_repeated_run_is_answered_and_not_run_again(device: HostDevice) -> None:
    link, _ = connect(device)
    mcu.load_inputs(link, [INPUT], chunk_bytes=500, deadline=budget())
    first, again, other = ask(device, *[encode(Run(2), 900)] * 2, encode(Run(2), 901))
    assert isinstance(first, RunDone)
    assert again == first
    assert isinstance(other, RunDone)
    assert other.began_cycles > first.ended_cycles
    _, later = ask(device, encode(GetManifest(), 1), encode(Run(2), 901))
    assert isinstance(later, RunDone)
    assert later.began_cycles > other.ended_cycles  # a manifest begins a new conversation


def test_a_repeated_profile_is_answered_from_memory(device: HostDevice) -> None:
    link, _ = connect(device)
    mcu.load_inputs(link, [INPUT], chunk_bytes=500, deadline=budget())
    first, again, run = ask(device, *[encode(RunProfile(), 900)] * 2, encode(Run(1), 900))
    assert first == again
    assert isinstance(first, ProfileDone)
    assert isinstance(run, RunDone)


def test_a_window_of_frames_arrives_while_the_first_is_answered(device: HostDevice) -> None:
    connect(device)
    data = [bytes([number]) * 512 for number in range(3)]
    assert ask(device, *(encode(Echo(each), at + 1) for at, each in enumerate(data))) == [
        Echoed(each) for each in data
    ]


def test_reset_starts_the_application_anew(device: HostDevice) -> None:
    link, manifest = connect(device)
    load_and_run(link, manifest)
    link.request(Reset(), budget())
    again = link.wait_for_manifest(budget())
    assert again.reset_cause == 1
    with pytest.raises(DeviceFaultError, match="loaded bytes: 0 of 1500"):
        link.request(Run(1), budget())


def test_a_jump_is_answered_before_the_bootloader_runs(device: HostDevice) -> None:
    link, _ = connect(device)
    assert link.request(JumpToBootloader(), budget()) == Accepted()
    assert device.process.wait(60) == 3


def test_a_reset_in_the_middle_is_noticed(device: HostDevice) -> None:
    link, _ = connect(device)
    device.write(encode(Reset(), 1))
    with pytest.raises(BoardResetError):
        ask_for_time_until_it_fails(link)


# --- images and faults ----------------------------------------------------------------------------------


def test_an_image_for_another_chip_only_resets_and_jumps(folder: Path, image_file: Path) -> None:
    with running(build_host(folder, TINY), image_file, BENCH_CHIP_ID="0x433") as device:
        (frame,) = frames(device, 1)
        assert decode(frame) == DeviceError(
            ErrorCode.WRONG_CHIP, "the image is for another chip: 0x450, this is 0x433"
        )
        assert frame.sequence == 0
        refused, jumped = ask(device, encode(GetManifest(), 3), encode(JumpToBootloader(), 4))
        assert isinstance(refused, DeviceError)
        assert refused.code is ErrorCode.WRONG_CHIP
        assert jumped == Accepted()
        assert device.process.wait(60) == 3


@pytest.mark.parametrize("at", [0x10, 0x400, 0x408, 0x40C, 0x418, 0x45C, 0x470])
def test_a_damaged_image_is_told_and_not_run(folder: Path, image_file: Path, at: int) -> None:
    damaged = bytearray(image_file.read_bytes())
    damaged[at] ^= 0x04
    file = folder / f"damaged-{at}.bin"
    file.write_bytes(damaged)
    with running(build_host(folder, TINY), file) as device:
        (frame,) = frames(device, 1)
        error = decode(frame)
        assert isinstance(error, DeviceError)
        assert error.code is ErrorCode.BAD_IMAGE


def test_a_fault_is_reported_with_its_registers_and_the_board_can_be_reset(
    folder: Path, image_file: Path
) -> None:
    with running(build_host(folder, TINY, defines=("TINY_FAULT",)), image_file) as device:
        link, _ = connect(device)
        mcu.load_inputs(link, [b"\xee" + INPUT[1:]], chunk_bytes=500, deadline=budget())
        with pytest.raises(DeviceFaultError) as caught:
            link.request(Run(1), budget())
        assert caught.value.code is ErrorCode.FAULT
        assert caught.value.text.startswith(f"exception {signal.SIGILL.value} pc=")
        assert caught.value.text.endswith(
            " lr=08001235 psr=61000000 sp=2001ff00 cfsr=00010000 hfsr=40000000 mmfar=e000ed34 bfar=e000ed38"
        )
        with pytest.raises(DeviceFaultError, match="waits for a reset"):
            link.request(GetTime(), budget())
        link.request(Reset(), budget())
        link.wait_for_manifest(budget())
        mcu.load_inputs(link, [INPUT], chunk_bytes=500, deadline=budget())
        assert mcu.run_batch(link, 1, budget()).samples[0].output_crc32 == OUTPUT_CRC


def test_a_fault_in_the_middle_of_a_frame_is_still_read(device: HostDevice) -> None:
    link, _ = connect(device)
    device.write(encode(Echo(bytes(512)), 77))
    device.fault()
    with pytest.raises(DeviceFaultError) as caught:
        ask_for_time_until_it_fails(link)
    assert caught.value.code is ErrorCode.FAULT


# --- inputs that the network overwrites, and plans that are wrong ---------------------------------------


def test_a_network_that_overwrites_its_input_gets_it_back_before_every_run(
    folder: Path, image_file: Path
) -> None:
    program = build_host(folder, TINY, defines=("TINY_OVERWRITTEN", "TINY_KEPT"))
    with running(program, image_file) as device:
        link, manifest = connect(device)
        assert manifest.text["inputs"] == "copied"
        load_and_run(link, manifest)
        reply = link.request(GetInputCrc(0), budget())
        assert reply == InputCrc(zlib.crc32(INPUT))
        mcu.profile_layers(link, budget())
        load_and_run(link, manifest)


def test_without_room_for_a_copy_the_host_loads_before_every_run(folder: Path, image_file: Path) -> None:
    with running(build_host(folder, TINY, defines=("TINY_OVERWRITTEN",)), image_file) as device:
        link, manifest = connect(device)
        assert manifest.text["inputs"] == "lost"
        assert manifest.max_samples == 1
        for _ in range(2):
            mcu.load_inputs(link, [INPUT], chunk_bytes=500, deadline=budget())
            assert mcu.run_batch(link, 1, budget()).samples[0].output_crc32 == OUTPUT_CRC
            with pytest.raises(DeviceFaultError) as caught:
                link.request(Run(1), budget())
            assert caught.value.code is ErrorCode.NO_INPUT


def test_a_network_that_reads_what_no_layer_wrote_is_a_fault(folder: Path, image_file: Path) -> None:
    with running(build_host(folder, TINY, defines=("TINY_UNWRITTEN",)), image_file) as device:
        link, _ = connect(device)
        mcu.load_inputs(link, [INPUT], chunk_bytes=500, deadline=budget())
        mcu.run_batch(link, 1, budget())
        with pytest.raises(DeviceFaultError, match="memory that no layer writes"):
            link.request(RunProfile(), budget())


def test_the_result_of_a_profile_replaces_the_samples(device: HostDevice) -> None:
    link, _ = connect(device)
    mcu.load_inputs(link, [INPUT], chunk_bytes=500, deadline=budget())
    mcu.run_batch(link, 3, budget())
    mcu.profile_layers(link, budget())
    with pytest.raises(DeviceFaultError, match="there are 0"):
        link.request(GetSamples(0, 1), budget())


# --- a bad line -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_measurement_survives_a_line_that_loses_and_flips_bytes(
    folder: Path, image_file: Path, seed: int
) -> None:
    with running(build_host(folder, TINY), image_file) as device:
        device.to_device, device.to_host = noisy(seed, 2e-4, 2e-4), noisy(seed + 100, 2e-4, 2e-4)
        link, manifest = connect(device)
        for _ in range(3):
            load_and_run(link, manifest, 6.0)  # a run that is lost is sent again after a quarter of it
        layers, total = mcu.profile_layers(link, Deadline(6.0))
        assert len(layers) == 4
        assert sum(layers) <= total
        assert link.counts.link_errors > 0


def test_the_core_survives_a_million_random_bytes(device: HostDevice) -> None:
    """Noise and mutated frames under the sanitizers; then it still measures."""
    generator = random.Random(11)
    sent = 0
    good = [
        encode(message, 5)
        for message in (
            GetManifest(), Echo(INPUT[:500]), LoadInput(0, 3, INPUT[:506]), Run(2), RunProfile(),
            GetSamples(0, 2), GetLayers(0, 4), ReadOutput(0, 0, 500), GetMemory(), GetInputCrc(0), GetTime(),
        )
    ]  # fmt: skip
    while sent < 1_000_000:
        pieces = []
        for _ in range(40):
            if generator.random() < 0.3:
                pieces.append(generator.randbytes(generator.randrange(1, 700)))
            else:
                frame = bytearray(generator.choice(good))
                for _ in range(generator.randrange(3)):
                    frame[generator.randrange(len(frame))] = generator.randrange(256)
                pieces.append(bytes(frame[: generator.randrange(1, len(frame) + 1)]))
            if generator.random() < 0.1:
                # A frame that is whole, with arbitrary content; but none that ends the process.
                kind = generator.choice([kind for kind in range(256) if kind not in (0x0C, 0x0D)])
                pieces.append(encode_frame(kind, 5, generator.randbytes(generator.randrange(30))))
        data = b"".join(pieces)
        sent += len(data)
        device.write(data)
        device.discard_input()
    device.write(b"\0" + encode(Echo(b"the end"), 4242))
    decoder = FrameDecoder(8192)
    while not any(
        isinstance(frame, Frame) and frame.sequence == 4242
        for frame in decoder.feed(device.read(65536, budget()))
    ):
        pass
    link = Link(device)
    link.request(GetManifest(), budget())
    assert link.manifest is not None
    load_and_run(link, link.manifest)


def test_results_survive_a_host_that_reads_slowly(device: HostDevice) -> None:
    link, manifest = connect(device)
    mcu.load_inputs(link, [INPUT], chunk_bytes=500, deadline=budget())
    device.largest_read = 5
    samples = mcu.run_series(link, 192, largest=manifest.max_samples, deadline=lambda _count: budget())
    assert [sample.output_crc32 for sample in samples] == [OUTPUT_CRC] * 192
