"""Requests that the firmware's core refuses, and requests that come again, late or after a reset."""

import random
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
    load_and_run,
)
from firmware.host_device import HostDevice, build_host, running

from benchrunner.errors import BoardResetError, DeviceFaultError
from benchrunner.protocol.device import encode
from benchrunner.protocol.frames import encode_frame
from benchrunner.protocol.messages import (
    Accepted,
    DeviceError,
    Echo,
    Echoed,
    ErrorCode,
    GetInputCrc,
    GetLayers,
    GetManifest,
    GetSamples,
    JumpToBootloader,
    LoadInput,
    ProfileDone,
    ReadOutput,
    Request,
    Reset,
    Run,
    RunDone,
    RunProfile,
)
from benchrunner.session import mcu

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
