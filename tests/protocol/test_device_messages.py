"""Golden bytes of every message of the device protocol, and payloads that no message has."""

import dataclasses
import re
import struct
import zlib
from pathlib import Path
from typing import get_args

import pytest

from benchrunner.errors import MalformedMessageError
from benchrunner.protocol.device import Kind, decode, encode
from benchrunner.protocol.frames import Frame, FrameDecoder
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
    Reset,
    Run,
    RunDone,
    RunProfile,
    Sample,
    Samples,
    Time,
)

MANIFEST = Manifest(
    protocol_version=1,
    fidelity=FidelityCode.SIMULATED,
    chip_id=0x450,
    core_clock_hz=400_000_000,
    time_scale_permille=1000,
    image_sha256=bytes(range(32)),
    model_sha256=bytes(range(32, 64)),
    icache=True,
    dcache=True,
    prefetch=False,
    counter_running=True,
    flash_wait_states=4,
    max_payload_bytes=1024,
    window_frames=8,
    max_samples=4096,
    layer_count=31,
    loop_overhead_cycles=12,
    reset_cause=0x01,
    input_bytes=(49152,),
    output_bytes=(5,),
    text={"board": "stm32h747i-disco", "engine": "aot"},
)

GOLDEN: list[tuple[Message, int, str]] = [
    (GetManifest(), 0x1234, "050101341201055e43152700"),
    (Echo(b"ping\0"), 0x1234, "0601023412050570696e670532758e6600"),
    (GetTime(), 0x1234, "050103341201053e10d55d00"),
    (LoadInput(0, 1018, b"\x80\x00\x7f"), 0x1234, "060104341209010103fa03010280067f5ffd3f4c00"),
    (GetInputCrc(1), 0x1234, "060105341202020105c38869cd00"),
    (Run(100), 0x1234, "0601063412040264010105e08841a100"),
    (GetSamples(84, 16), 0x1234, "060107341208025401010210010105cf04d04200"),
    (RunProfile(), 0x1234, "050108341201052f21052a00"),
    (GetLayers(0, 31), 0x1234, "06010934120801010101021f01010515e5393100"),
    (ReadOutput(0, 0, 5), 0x1234, "06010a341208010101010101020505573afef900"),
    (GetMemory(), 0x1234, "05010b34120105ff5ba56d00"),
    (JumpToBootloader(), 0x1234, "05010c34120105ef8785df00"),
    (Reset(), 0x1234, "05010d341201055faee5e200"),
    (
        MANIFEST,
        0,
        "03018101028e05010250040684d717e80301030b040204021001020c010102010101021f02080143"
        "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728"
        "292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f0101220102c0010205010127626f617264"
        "3d73746d333268373437692d646973636f0a656e67696e653d616f740a9fc3349100",
    ),
    (Echoed(b"ping\0"), 0x1234, "0601823412050570696e6705337c8b8000"),
    (Time(0x1_0000_0001), 0x1234, "060183341208020101010201010105168660d700"),
    (InputCrc(0xCBF43926), 0x1234, "060185341204092639f4cb42c5589800"),
    (
        RunDone(100, True, 1_000_000, 2_000_000_000_000),
        0x1234,
        "06018634121802640101020101010440420f010101010106204aa9d1010105116dd85a00",
    ),
    (
        Samples(84, (Sample(12_345_678, 0xDEADBEEF), Sample(12_345_680, 0xDEADBEEF))),
        0x1234,
        "06018734121c02540101044e61bc0101010108efbeadde5061bc0101010109efbeaddebfc3318e00",
    ),
    (ProfileDone(31, 12_400_000), 0x1234, "06018834120c021f0101048035bd01010101054436554600"),
    (
        Layers(0, (400_000, 0, 2**40)),
        0x1234,
        "06018934121c0101010104801a060101010101010101010101010101010101020101053da6178900",
    ),
    (Output(0, 0, b"\x80\x80\x00\x7f\x01"), 0x1234, "06018a34120b010101010101038080077f01f0bdd64300"),
    (
        Memory(131_072, 98_304, 8192, 1480, None, None, 2048),
        0x1234,
        "06018b34121c01010202010380010102200103c8050109ffffffffffffffff020801052a4da43b00",
    ),
    (Accepted(), 0x1234, "0501f034120105b33a415200"),
    (
        DeviceError(ErrorCode.NO_INPUT, "input 0: 512 of 49152 bytes"),
        0x1234,
        "0601f134121d020320696e70757420303a20353132206f662034393135322062797465735ac31ef000",
    ),
    (Log(LogLevel.INFO, "clock 400 MHz"), 0, "0301f201020e1301636c6f636b20343030204d487ad22dfea800"),
]
NAMES = [type(message).__name__ for message, _, _ in GOLDEN]


def only_frame(wire: bytes) -> Frame:
    (frame,) = FrameDecoder(8192).feed(wire)
    assert isinstance(frame, Frame)
    return frame


def test_every_message_has_golden_bytes() -> None:
    assert sorted(NAMES) == sorted(message.__name__ for message in get_args(Message))
    assert len(Kind) == len(NAMES)


@pytest.mark.parametrize(("message", "sequence", "golden"), GOLDEN, ids=NAMES)
def test_a_message_has_the_bytes_of_the_specification(message: Message, sequence: int, golden: str) -> None:
    assert encode(message, sequence).hex() == golden
    frame = only_frame(bytes.fromhex(golden))
    assert frame.sequence == sequence
    assert decode(frame) == message


def test_a_frame_can_be_taken_apart_with_nothing_but_the_specification() -> None:
    wire = bytes.fromhex("060104341209010103fa03010280067f5ffd3f4c00")
    body = bytearray()
    position = 0
    while wire[position]:
        block = wire[position + 1 : position + wire[position]]
        position += wire[position]
        body += block + (b"\0" if wire[position] else b"")
    assert (
        bytes(body[:-4])
        == struct.pack("<BBHH", 1, 4, 0x1234, 9) + struct.pack("<HI", 0, 1018) + b"\x80\0\x7f"
    )
    assert int.from_bytes(body[-4:], "little") == zlib.crc32(body[:-4])


def test_the_specification_shows_these_golden_bytes() -> None:
    section = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text().split("\n## Golden bytes\n")[1]
    shown = re.findall(r"^(\w+)\(.*\)\n((?:    [0-9a-f]+\n)+)", section, re.MULTILINE)
    assert [(name, re.sub(r"\s", "", digits)) for name, digits in shown] == [
        (name, golden) for name, (_, _, golden) in zip(NAMES, GOLDEN, strict=True)
    ]


@pytest.mark.parametrize(("message", "sequence", "golden"), GOLDEN, ids=NAMES)
def test_a_payload_cut_anywhere_is_malformed_or_another_whole_message(
    message: Message, sequence: int, golden: str
) -> None:
    frame = only_frame(bytes.fromhex(golden))
    for length in range(len(frame.payload)):
        cut = Frame(frame.version, frame.kind, frame.sequence, frame.payload[:length])
        try:
            shorter = decode(cut)
        except MalformedMessageError:
            continue
        assert shorter != message
        assert only_frame(encode(shorter, sequence)).payload == cut.payload


FIXED_LENGTH = [
    kind
    for kind in Kind
    if kind.name not in ("ECHO", "LOAD_INPUT", "ECHOED", "SAMPLES", "LAYERS", "OUTPUT", "DEVICE_ERROR", "LOG")
]


@pytest.mark.parametrize("kind", FIXED_LENGTH)
def test_a_byte_too_many_is_malformed(kind: Kind) -> None:
    golden = next(
        bytes.fromhex(golden) for _, _, golden in GOLDEN if only_frame(bytes.fromhex(golden)).kind == kind
    )
    frame = only_frame(golden)
    with pytest.raises(MalformedMessageError, match=f"{kind:#04x}"):
        decode(Frame(1, kind, 7, frame.payload + b"\0"))


def manifest_payload() -> bytearray:
    return bytearray(only_frame(encode(MANIFEST, 0)).payload)


@pytest.mark.parametrize(
    ("offset", "value", "expected"),
    [
        (1, b"\x03", "FidelityCode"),
        (12, b"\x1f", "flags"),
        (14, struct.pack("<H", 63), "receives"),
        (30, b"\0\0", "receives"),
        (96, b"\x02", "do not fill"),
        (98, b"\0\0", "do not fill"),
    ],
)
def test_a_manifest_with_an_impossible_field_is_malformed(offset: int, value: bytes, expected: str) -> None:
    payload = manifest_payload()
    payload[offset : offset + len(value)] = value
    with pytest.raises(MalformedMessageError, match=expected):
        decode(Frame(1, Kind.MANIFEST, 0, bytes(payload)))


@pytest.mark.parametrize(
    "text", [b"board=a\nboard=b\n", b"board\n", b"=a\n", b"board=a", b"board=\xff\n", b"\n"]
)
def test_a_manifest_text_that_is_not_lines_of_pairs_is_malformed(text: bytes) -> None:
    payload = manifest_payload()[:108]
    payload[98:100] = struct.pack("<H", len(text))
    with pytest.raises(MalformedMessageError):
        decode(Frame(1, Kind.MANIFEST, 0, bytes(payload) + text))


def test_text_for_people_survives_damage() -> None:
    assert decode(Frame(1, Kind.LOG, 0, b"\x01a\xffb")) == Log(LogLevel.INFO, "a\ufffdb")


@pytest.mark.parametrize(
    "frame",
    [
        Frame(2, Kind.GET_TIME, 1, b""),
        Frame(1, 0x7F, 1, b""),
        Frame(1, Kind.RUN_DONE, 1, struct.pack("<IIQQ", 1, 2, 0, 0)),
        Frame(1, Kind.DEVICE_ERROR, 1, struct.pack("<H", 99)),
        Frame(1, Kind.LOG, 1, b"\x04"),
    ],
)
def test_what_this_version_does_not_know_is_malformed(frame: Frame) -> None:
    with pytest.raises(MalformedMessageError):
        decode(frame)


@pytest.mark.parametrize(
    "message",
    [
        Run(1 << 32),
        Run(-1),
        LoadInput(1 << 16, 0, b""),
        Echo(bytes(1 << 16)),
        dataclasses.replace(MANIFEST, text={"a": "b\nc=d"}),
        dataclasses.replace(MANIFEST, image_sha256=b"short"),
    ],
    ids=repr,
)
def test_a_value_that_does_not_fit_its_field_is_not_sent(message: Message) -> None:
    with pytest.raises(ValueError, match=r".+"):
        encode(message, 1)
