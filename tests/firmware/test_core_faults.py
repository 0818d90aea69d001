"""Images, plans and lines that are wrong: what the firmware's core makes of them."""

import random
import signal
import zlib
from pathlib import Path

import pytest
from firmware.core_host import (
    INPUT,
    OUTPUT_CRC,
    TINY,
    ask,
    ask_for_time_until_it_fails,
    budget,
    connect,
    frames,
    load_and_run,
)
from firmware.host_device import HostDevice, build_host, noisy, running

from benchrunner.deadline import Deadline
from benchrunner.errors import DeviceFaultError
from benchrunner.protocol.device import decode, encode
from benchrunner.protocol.frames import Frame, FrameDecoder, encode_frame
from benchrunner.protocol.messages import (
    Accepted,
    DeviceError,
    Echo,
    ErrorCode,
    GetInputCrc,
    GetLayers,
    GetManifest,
    GetMemory,
    GetSamples,
    GetTime,
    InputCrc,
    JumpToBootloader,
    LoadInput,
    ReadOutput,
    Reset,
    Run,
    RunProfile,
)
from benchrunner.session import mcu
from benchrunner.session.link import Link

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
