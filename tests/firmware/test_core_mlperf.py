"""The MLPerf Tiny commands of the firmware, beside the device protocol on the same wire."""

import random
import re
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from firmware.host_device import DeviceClock, HostDevice, build_host, build_image, mlperf_sources, running

from benchrunner.deadline import Deadline
from benchrunner.protocol.device import encode
from benchrunner.protocol.messages import Echo, Echoed, GetInputCrc, InputCrc, LoadInput
from benchrunner.session import mcu
from benchrunner.session.link import Link

MODEL = Path(__file__).with_name("mlperf_model.c")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlperf")


def start(folder: Path, model: str, **environment: str):  # type: ignore[no-untyped-def]
    program = build_host(folder, *mlperf_sources(), MODEL, defines=(f"TEST_{model}",))
    return running(program, build_image(folder), **environment)


@pytest.fixture
def kws(folder: Path) -> Iterator[HostDevice]:
    with start(folder, "KWS") as device:
        boot(device)
        yield device


def boot(device: HostDevice) -> None:
    Link(device).wait_for_manifest(Deadline(30))


def say(device: HostDevice, *texts: str) -> list[str]:
    """The lines that answer the commands, without their m-ready."""
    device.write("".join(f"{text}%" for text in texts).encode())
    text = bytearray()
    while text.count(b"m-ready\r\n") < len(texts):
        data = device.read(65536, Deadline(30))
        assert data, bytes(text)
        text += data
    lines = text.decode("ascii").split("\r\n")
    assert lines.pop() == ""
    assert lines[-1] == "m-ready"
    return [line for line in lines if line != "m-ready"]


def load(device: HostDevice, data: bytes) -> None:
    assert say(device, f"db load {len(data)}") == [f"m-[Expecting {len(data)} bytes]"]
    for at in range(0, len(data), 31):
        lines = say(device, f"db {data[at : at + 31].hex()}")
        assert lines == (["m-load-done"] if at + 31 >= len(data) else [])


def test_the_device_names_itself_and_its_model(kws: HostDevice) -> None:
    assert say(kws, "name") == ["m-name-dut-[host]"]
    assert say(kws, "profile") == [
        "m-profile-[ULPMark for tinyML Firmware V0.0.1]",
        "m-model-[kws01]",
        "m-fidelity-[emulated]",  # on no board
    ]
    assert say(kws, "help")[0].startswith("ULPMark for tinyML Firmware")


def test_timestamps_are_microseconds_that_go_on(kws: HostDevice) -> None:
    first = say(kws, "timestamp")
    time.sleep(0.05)
    second = say(kws, "timestamp")
    times = [int(re.fullmatch(r"m-lap-us-([0-9]+)", line)[1]) for line in (*first, *second)]  # type: ignore[index]
    assert times[1] - times[0] >= 50_000


def test_eight_commands_at_once_are_all_answered(kws: HostDevice) -> None:
    assert say(kws, *["name"] * 8) == ["m-name-dut-[host]"] * 8


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("nonsense", "e-[Unknown command: nonsense]"),
        ("names", "e-[Unknown command: names]"),
        ("foo bar", "e-[Unknown command: foo]"),
        ("", "e-[Unknown command: ]"),
        ("db", "e-[Command 'db' requires a subcommand]"),
        ("db load", "e-[Command 'db load' requires the # of bytes]"),
        ("db load 0", "e-[Command 'db load' must be >0 bytes]"),
        ("db load -4", "e-[Command 'db load' must be >0 bytes]"),
        ("db load 491", "Supplied buffer size 491 exceeds maximum of 490"),
        ("db load 99999999999999", "Supplied buffer size 9999999999 exceeds maximum of 490"),
        ("db 123", "e-[Insufficent number of hex digits]"),
        ("db 12x4", "e-[Invalid hex digit 'x4']"),
        ("infer 0 0", "e-[Inference iterations must be >0]"),
        ("infer 1 -1", "e-[Inference warmup must be >=0]"),
    ],
)
def test_a_wrong_command_is_answered_and_ready_follows(kws: HostDevice, command: str, answer: str) -> None:
    assert say(kws, command) == [answer]


def test_digits_without_an_expected_load_are_ignored(kws: HostDevice) -> None:
    assert say(kws, "db load 0", "db 0102", "db print") == ["e-[Command 'db load' must be >0 bytes]"]


def test_a_command_that_is_too_long_is_not_executed_in_part(kws: HostDevice) -> None:
    (answer,) = say(kws, "db " + "00" * 60)
    assert answer.startswith("e-[Unknown command: ?b")
    assert say(kws, "name") == ["m-name-dut-[host]"]


def test_bytes_that_were_loaded_are_printed_back(kws: HostDevice) -> None:
    load(kws, bytes(range(0x5A, 0x5A + 11)))
    assert say(kws, "db print") == ["m-buffer-5a-5b-5c-5d-5e-5f-60-61", "m-buffer-62-63-64", ""]
    assert say(kws, "db load 2", "db ABcd", "db 77", "db print") == [
        "m-[Expecting 2 bytes]",
        "m-load-done",
        "m-buffer-ab-cd",
        "",
    ]


def test_inference_of_kws_answers_with_its_outputs(folder: Path) -> None:
    clock = DeviceClock(folder)
    with start(folder, "KWS", BENCH_CLOCK_FILE=str(clock.file)) as device:
        boot(device)
        # Odd multiples of 16 steps of 1/256 are exact ties of the third decimal, which go to the even one.
        values = [0, 1, 16, 48, 80, 112, 127, 128, 144, 200, 254, 255]
        load(device, bytes((value - 128) % 256 for value in values) + bytes(478))
        lines = say(device, "infer 1500 3")
        laps = [int(line.removeprefix("m-lap-us-")) for line in lines if line.startswith("m-lap-us-")]
        expected = ",".join(f"{value / 256:.3f}" for value in values)
        assert lines[:3] == ["m-warmup-start-3", "m-warmup-done", "m-infer-start-1500"]
        assert lines[5:] == ["m-infer-done", f"m-results-[{expected}]"]
        assert lines[3].startswith("m-lap-us-")
        assert lines[4].startswith("m-lap-us-")
        # A millisecond each, and nothing between them; both times are rounded down.
        assert laps[1] - laps[0] - 1_500_000 in (0, 1)
        assert say(device, "results") == [f"m-results-[{expected}]"]


def test_defaults_of_infer_are_those_of_the_benchmark(kws: HostDevice) -> None:
    load(kws, bytes(490))
    lines = say(kws, "infer")
    assert lines[0] == "m-warmup-start-10"
    assert lines[2] == "m-infer-start-1"


def test_pixels_become_signed_input(folder: Path) -> None:
    with start(folder, "VWW") as device:
        boot(device)
        pixels = bytes(random.Random(2).randbytes(300))
        load(device, pixels)
        assert say(device, "profile")[1] == "m-model-[vww01]"
        lines = say(device, "infer 1 0")
        assert lines[-1] == f"m-results-[{pixels[0] / 256:.3f},{pixels[-1] / 256:.3f}]"
        printed = "".join(say(device, "db print")).replace("m-buffer-", "-").replace("-", "")
        assert printed == pixels.hex()


def test_the_anomaly_score_is_a_mean_square(folder: Path) -> None:
    generator = random.Random(3)
    floats = [struct.unpack("<f", struct.pack("<f", generator.uniform(-60, 20)))[0] for _ in range(636)]
    floats += [1e9, -1e9, float("-inf"), 15.0]  # beyond what int8 holds
    floats[638] = -200.0
    with start(folder, "AD") as device:
        boot(device)
        load(device, struct.pack("<640f", *floats))
        (result,) = say(device, "infer 1 0")[-1:]
        found = float(result.removeprefix("m-results-[").removesuffix("]"))
        quantised = [max(-128, min(127, round_away(value / 0.3910152) + 89)) for value in floats]
        expected = sum(
            ((q - 96) * 0.3644985 - value) ** 2 for q, value in zip(quantised, floats, strict=True)
        ) / len(floats)
        assert found == pytest.approx(expected, rel=1e-4)
        with_binary = Link(device)
        crc = with_binary.request(GetInputCrc(0), Deadline(30))
        import zlib

        assert crc == InputCrc(zlib.crc32(struct.pack("<640b", *quantised)))


def round_away(value: float) -> int:
    import math

    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


# --- two languages on one wire --------------------------------------------------------------------------


def test_text_and_frames_alternate_on_one_wire(kws: HostDevice) -> None:
    link = Link(kws)
    for number in range(5):
        assert link.request(Echo(b"%name%"), Deadline(30)) == Echoed(b"%name%")
        assert say(kws, "name") == ["m-name-dut-[host]"]
        data = bytes([number]) * 490
        mcu.load_inputs(link, [data], chunk_bytes=400, deadline=Deadline(30))
        assert say(kws, "infer 1 0")[-1] == f"m-results-[{','.join([f'{(number + 128) / 256:.3f}'] * 12)}]"
        mcu.run_batch(link, 2, Deadline(30))


def test_text_inside_a_frame_is_data(kws: HostDevice) -> None:
    link = Link(kws)
    text = b"name%db load 4%infer 1 0%" * 19
    link.request(LoadInput(0, 0, text), Deadline(30))
    assert link.request(Echo(text), Deadline(30)) == Echoed(text)
    assert link.counts.link_errors == 0


def test_text_is_understood_after_noise_and_a_silence(kws: HostDevice) -> None:
    kws.write(b"\xff\x01garbage that never ends in a delimiter")
    time.sleep(0.3)
    assert say(kws, "name") == ["m-name-dut-[host]"]


def test_a_frame_that_was_held_up_is_not_torn_apart_by_what_looks_like_text(kws: HostDevice) -> None:
    wire = encode(Echo(b"ABC 50% of it"), 9)
    at = wire.index(b"50%")
    kws.write(wire[:at])
    time.sleep(0.3)
    kws.write(wire[at:])
    received = b""
    while not received.endswith(encode(Echoed(b"ABC 50% of it"), 9)):
        data = kws.read(65536, Deadline(60))
        assert data, received
        received += data
    assert b"e-[" not in received


def test_a_boot_that_nobody_answers_is_announced_in_text(folder: Path) -> None:
    with start(folder, "KWS") as device:
        received = b""
        while not received.endswith(b"m-init-done\r\nm-ready\r\n"):
            data = device.read(65536, Deadline(60))
            assert data, received
            received += data
        assert re.search(rb"\0m-timestamp-mode-performance\r\nm-lap-us-[0-9]+\r\nm-init-done", received)


def test_a_host_that_speaks_frames_sees_no_text(kws: HostDevice) -> None:
    link = Link(kws)
    link.request(Echo(b"here"), Deadline(30))
    time.sleep(2.2)
    link.request(Echo(b"later"), Deadline(30))
    assert link.counts.link_errors == 0


def test_commands_survive_text_and_frames_at_random(kws: HostDevice) -> None:
    """Mutated commands, frames and noise under the sanitizers; then it still answers both languages."""
    generator = random.Random(7)
    commands = [
        b"name%",
        b"profile%",
        b"help%",
        b"db load 490%",
        b"db print%",
        b"db%",
        b"results%",
        b"%",
        b"xyz 1%",
    ]
    commands += [b"db " + generator.randbytes(31).hex().encode() + b"%" for _ in range(5)]
    sent = 0
    while sent < 300_000:
        pieces = []
        for _ in range(40):
            choice = generator.random()
            if choice < 0.6:
                piece = bytearray(generator.choice(commands))
                if generator.random() < 0.4:
                    piece[generator.randrange(len(piece))] = generator.randrange(0x20, 0x7F)
                pieces.append(bytes(piece))
            elif choice < 0.8:
                pieces.append(encode(Echo(generator.randbytes(generator.randrange(90))), 5))
            elif choice < 0.9:
                pieces.append(b"\0" * generator.randrange(3))
            else:
                pieces.append(bytes(generator.randrange(0x20, 0x7F) for _ in range(generator.randrange(200))))
        data = b"".join(pieces)
        sent += len(data)
        kws.write(data)
        kws.discard_input()
    assert Link(kws).request(Echo(b"the end"), Deadline(30)) == Echoed(b"the end")
    while kws.read(65536, Deadline(0.5)):
        pass
    assert say(kws, "name") == ["m-name-dut-[host]"]
    assert Link(kws).request(Echo(b"still here"), Deadline(30)) == Echoed(b"still here")
