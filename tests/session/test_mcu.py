import zlib
from collections.abc import Iterable
from dataclasses import replace

import pytest

from benchrunner.deadline import Deadline
from benchrunner.errors import CaseFailedError, ClockInvalidError, LinkError, WrongImageError
from benchrunner.protocol.messages import (
    Accepted,
    FidelityCode,
    GetInputCrc,
    GetLayers,
    GetSamples,
    InputCrc,
    Layers,
    LoadInput,
    Manifest,
    Output,
    ProfileDone,
    ReadOutput,
    Reply,
    Request,
    Run,
    RunDone,
    RunProfile,
    Sample,
    Samples,
)
from benchrunner.session import mcu

MANIFEST = Manifest(
    protocol_version=1,
    fidelity=FidelityCode.SIMULATED,
    chip_id=0x450,
    core_clock_hz=400_000_000,
    time_scale_permille=0,
    image_sha256=bytes(32),
    model_sha256=bytes([1] * 32),
    icache=True,
    dcache=True,
    prefetch=False,
    counter_running=True,
    flash_wait_states=2,
    max_payload_bytes=64,
    window_frames=4,
    max_samples=8,
    layer_count=5,
    loop_overhead_cycles=12,
    reset_cause=0,
    input_bytes=(100,),
    output_bytes=(10, 3),
    text={"board": "stm32h747i-disco"},
)
EXPECTED = mcu.Expected("stm32h747i-disco", 0x450, bytes(32), bytes([1] * 32), (100,), (10, 3))


class FakeDevice:
    """Answers like a device whose inferences take the given cycles, in small portions."""

    def __init__(self, cycles: Iterable[int], *, counter_bits: int = 64) -> None:
        self.plan = iter(cycles)
        self.counter, self.bits = 4_294_000_000, counter_bits
        self.input = bytearray(100)
        self.samples: list[Sample] = []
        self.ran = 0
        self.damage_input = False

    def request_many(self, messages: Iterable[Request], deadline: Deadline) -> list[Reply]:
        return [self.request(message, deadline) for message in messages]

    def request(self, message: Request, deadline: Deadline) -> Reply:
        match message:
            case LoadInput(_, offset, data):
                self.input[offset : offset + len(data)] = data
                return Accepted()
            case GetInputCrc():
                return InputCrc(zlib.crc32(self.input) ^ self.damage_input)
            case Run(count):
                began = self.counter % (1 << self.bits)
                self.samples = [Sample(next(self.plan), 7) for _ in range(count)]
                self.counter += sum(sample.cycles for sample in self.samples) + 50
                first, self.ran = self.ran == 0, self.ran + count
                return RunDone(count, first, began, self.counter % (1 << self.bits))
            case GetSamples(first, count):
                return Samples(first, tuple(self.samples[first : first + min(count, 3)]))
            case ReadOutput(index, offset, length):
                return Output(index, offset, bytes(range(10))[offset : offset + length])
            case RunProfile():
                return ProfileDone(5, 151)
            case GetLayers(first, _):
                return Layers(first, (10, 20, 30, 40, 50)[first : first + 2])
        raise AssertionError(message)


def device_that_ran() -> FakeDevice:
    device = FakeDevice([5, 5])
    mcu.run_batch(device, 1, Deadline(5))
    return device


def allow(_count: int) -> Deadline:
    return Deadline(5)


def test_the_image_that_was_built_is_accepted() -> None:
    mcu.check_manifest(MANIFEST, EXPECTED)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"image_sha256": bytes([9] * 32)}, "image SHA-256"),
        ({"model_sha256": bytes(32)}, "model SHA-256"),
        ({"chip_id": 0x451}, "chip id: expected 0x450, found 0x451"),
        ({"text": {"board": "other"}}, "board: expected stm32h747i-disco, found other"),
        ({"input_bytes": (99,)}, "input sizes"),
        ({"max_samples": 0}, "max_samples 0"),
    ],
)
def test_any_other_image_is_refused_and_the_difference_named(change: dict[str, object], named: str) -> None:
    with pytest.raises(WrongImageError, match=named):
        mcu.check_manifest(replace(MANIFEST, **change), EXPECTED)


def test_a_device_without_a_running_counter_gives_no_time() -> None:
    with pytest.raises(ClockInvalidError, match="does not run"):
        mcu.check_manifest(replace(MANIFEST, counter_running=False), EXPECTED)


def test_the_input_arrives_whole_and_is_checked_on_the_device() -> None:
    device, data = FakeDevice([]), bytes(range(100))
    mcu.load_inputs(device, [data], chunk_bytes=7, deadline=Deadline(5))
    assert bytes(device.input) == data
    device.damage_input = True
    with pytest.raises(LinkError, match="arrived damaged"):
        mcu.load_inputs(device, [data], chunk_bytes=7, deadline=Deadline(5))


def test_samples_are_collected_in_portions_and_in_order() -> None:
    device = FakeDevice([11, 12, 13, 14, 15, 16, 17])
    batch = mcu.run_batch(device, 7, Deadline(5))
    assert [sample.cycles for sample in batch.samples] == [11, 12, 13, 14, 15, 16, 17]
    assert batch.first_is_cold
    assert not mcu.run_batch(device_that_ran(), 1, Deadline(5)).first_is_cold


def test_a_counter_that_wraps_at_32_bits_in_a_run_is_noticed() -> None:
    device = FakeDevice([1_000_000] * 2, counter_bits=32)
    with pytest.raises(ClockInvalidError, match="wraps"):
        mcu.run_batch(device, 2, Deadline(5))


def test_an_inference_of_no_cycles_is_not_a_fast_one() -> None:
    with pytest.raises(ClockInvalidError, match="frozen"):
        mcu.run_batch(FakeDevice([0]), 1, Deadline(5))


def test_warm_up_ends_when_two_neighbours_agree() -> None:
    device = FakeDevice([130, 110, 101, 100, 100_000, 100_001, 5])
    samples = mcu.warm_up(device, count=None, largest=8, deadline=allow)
    assert [sample.cycles for sample in samples] == [130, 110, 101, 100, 100_000, 100_001]


def test_warm_up_of_a_board_that_never_settles_is_bounded() -> None:
    device = FakeDevice(100 + 50 * (step % 2) for step in range(1000))
    assert len(mcu.warm_up(device, count=None, largest=8, deadline=allow)) == mcu.LARGEST_WARMUP


def test_a_given_number_of_warm_ups_is_kept() -> None:
    assert len(mcu.warm_up(FakeDevice([5] * 9), count=9, largest=4, deadline=allow)) == 9


def test_a_series_is_cut_into_batches_with_progress() -> None:
    seen: list[tuple[int, int]] = []
    samples = mcu.run_series(
        FakeDevice([9] * 10),
        10,
        largest=4,
        deadline=allow,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert len(samples) == 10
    assert seen == [(4, 10), (8, 10), (10, 10)]


def test_outputs_are_read_in_chunks() -> None:
    outputs = mcu.read_outputs(FakeDevice([]), MANIFEST, chunk_bytes=4, deadline=Deadline(5))
    assert outputs == (bytes(range(10)), bytes(range(3)))


def test_layer_times_come_with_their_total() -> None:
    assert mcu.profile_layers(FakeDevice([]), Deadline(5)) == ((10, 20, 30, 40, 50), 151)


def test_a_device_that_ran_another_number_of_inferences_fails_the_case() -> None:
    class Lazy(FakeDevice):
        def request(self, message: Request, deadline: Deadline) -> Reply:
            reply = super().request(message, deadline)
            return replace(reply, count=1) if isinstance(reply, RunDone) else reply

    with pytest.raises(CaseFailedError, match="asked for 3 inferences, the device ran 1"):
        mcu.run_batch(Lazy([5, 5, 5]), 3, Deadline(5))
