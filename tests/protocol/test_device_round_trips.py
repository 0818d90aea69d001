"""Any message survives its bytes; any bytes are a message that survives, or a typed error."""

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchrunner.errors import MalformedMessageError
from benchrunner.protocol.device import Kind, decode, encode
from benchrunner.protocol.frames import Frame, FrameDecoder
from benchrunner.protocol.messages import FidelityCode, Manifest, Message

U8, U16, U32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
LINE = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\n"), max_size=20)
KEY = LINE.map(lambda text: text.replace("=", "-")).filter(bool)
MANIFESTS = st.builds(
    Manifest,
    protocol_version=U8,
    fidelity=st.sampled_from(FidelityCode),
    chip_id=U16,
    core_clock_hz=U32,
    time_scale_permille=U32,
    image_sha256=st.binary(min_size=32, max_size=32),
    model_sha256=st.binary(min_size=32, max_size=32),
    flash_wait_states=U8,
    max_payload_bytes=st.integers(64, 2**16 - 1),
    window_frames=st.integers(1, 2**16 - 1),
    max_samples=U32,
    layer_count=U16,
    loop_overhead_cycles=U32,
    reset_cause=U32,
    input_bytes=st.lists(U32, max_size=255).map(tuple),
    output_bytes=st.lists(U32, max_size=255).map(tuple),
    text=st.dictionaries(KEY, LINE, max_size=10),
)


def through_the_wire(message: Message, sequence: int) -> tuple[int, Message]:
    (frame,) = FrameDecoder(8192).feed(encode(message, sequence))
    assert isinstance(frame, Frame)
    return frame.sequence, decode(frame)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(message=MANIFESTS, sequence=U16)
def test_any_manifest_comes_back(message: Manifest, sequence: int) -> None:
    assert through_the_wire(message, sequence) == (sequence, message)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(message=MANIFESTS)
def test_the_largest_manifest_fits_the_host(message: Manifest) -> None:
    largest = replace(message, input_bytes=(0,) * 255, output_bytes=(1,) * 255, text={"a": "b" * 4093})
    assert through_the_wire(largest, 0) == (0, largest)


@settings(max_examples=3000, deadline=None, derandomize=True)
@given(kind=st.sampled_from(Kind), payload=st.binary(max_size=80), sequence=U16)
@example(kind=Kind.SAMPLES, payload=bytes(4), sequence=1)
@example(kind=Kind.MEMORY, payload=b"\xff" * 28, sequence=1)
@example(kind=Kind.RUN_DONE, payload=b"\x01" + bytes(23), sequence=1)
@example(kind=Kind.TIME, payload=b"\xff" * 8, sequence=1)
def test_any_payload_is_a_message_that_comes_back_or_a_typed_error(
    kind: Kind, payload: bytes, sequence: int
) -> None:
    try:
        message = decode(Frame(1, kind, sequence, payload))
    except MalformedMessageError:
        return
    assert through_the_wire(message, sequence) == (sequence, message)
