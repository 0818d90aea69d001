import random
from collections.abc import Callable

import pytest
from scripted_device import (
    INPUT_BYTES,
    MANIFEST,
    ScriptedDevice,
    flipped,
    foreign,
    lost,
    only,
    twice,
    whole,
    without_delimiter,
)

from benchrunner.errors import (
    BoardResetError,
    DeadlineExceededError,
    DeviceFaultError,
    LinkError,
    MalformedMessageError,
)
from benchrunner.protocol.device import decode, encode
from benchrunner.protocol.frames import Frame, FrameDecoder, encode_frame
from benchrunner.protocol.messages import (
    Accepted,
    DeviceError,
    Echo,
    Echoed,
    ErrorCode,
    GetLayers,
    GetManifest,
    GetMemory,
    GetSamples,
    GetTime,
    JumpToBootloader,
    LoadInput,
    Log,
    LogLevel,
    Output,
    ReadOutput,
    Request,
    Reset,
    Run,
    RunDone,
    RunProfile,
    Samples,
    Time,
)
from benchrunner.session.link import Link

INPUT = random.Random(1).randbytes(INPUT_BYTES)
CHUNK_BYTES = 250
CHUNKS = [
    LoadInput(0, offset, INPUT[offset : offset + CHUNK_BYTES])
    for offset in range(0, INPUT_BYTES, CHUNK_BYTES)
]
SESSION: list[list[Request]] = [
    [GetManifest()],
    list(CHUNKS),
    [GetTime()],
    [Run(3)],
    [GetSamples(0, 3)],
    [RunProfile()],
    [GetLayers(0, 3)],
    [ReadOutput(0, offset, 250) for offset in range(0, 1000, 250)],
    [GetMemory()],
]
REQUESTS = sum(map(len, SESSION))
DAMAGES = [lost, twice, flipped, without_delimiter]


def talk(device: ScriptedDevice, link: Link, budget_s: float = 60.0) -> None:
    """A whole session, with every answer checked."""
    for requests in SESSION:
        replies = link.request_many(requests, device.deadline(budget_s))
        assert len(replies) == len(requests)
        for request, reply in zip(requests, replies, strict=True):
            match request, reply:
                case ReadOutput(_, offset, length), Output(_, found, data):
                    assert found == offset
                    assert data == bytes((offset + at) % 251 for at in range(length))
                case Run(count), RunDone():
                    assert reply.count == count
                case GetSamples(), Samples():
                    assert [sample.cycles for sample in reply.samples] == [100, 101, 102]
    assert bytes(device.input) == INPUT


def sequences(device: ScriptedDevice) -> list[int]:
    frames = FrameDecoder(8192).feed(b"".join(device.written))
    return [frame.sequence for frame in frames if isinstance(frame, Frame)]


def test_a_session_over_a_good_wire_sends_everything_once() -> None:
    device = ScriptedDevice()
    link = Link(device)
    talk(device, link)
    assert len(device.written) == REQUESTS
    assert link.counts.link_errors == 0
    assert device.now_s == 0


def test_as_many_requests_are_in_flight_as_the_device_allows() -> None:
    device = ScriptedDevice()
    link = Link(device)
    link.request_many([Echo(b"1"), Echo(b"2")], device.deadline(1))
    assert device.most_unanswered == 1  # nothing is known of the device yet
    link.request(GetManifest(), device.deadline(1))
    link.request_many(CHUNKS, device.deadline(1))
    assert device.most_unanswered == MANIFEST.window_frames


def test_a_run_is_never_in_flight_together_with_anything() -> None:
    device = ScriptedDevice()
    link = Link(device)
    link.request(GetManifest(), device.deadline(1))
    before = device.most_unanswered
    replies = link.request_many([GetTime(), Run(2), GetTime(), Reset()], device.deadline(1))
    assert [type(reply) for reply in replies] == [Time, RunDone, Time, Accepted]
    assert device.most_unanswered == before == 1


def test_sequence_numbers_start_anywhere_but_at_zero_and_skip_it() -> None:
    firsts = set()
    for _ in range(20):
        device = ScriptedDevice()
        Link(device).request(GetTime(), device.deadline(1))
        firsts.update(sequences(device))
    assert 0 not in firsts
    assert len(firsts) > 10
    device = ScriptedDevice()
    Link(device, first_sequence=0xFFFE).request_many([GetTime()] * 4, device.deadline(1))
    assert sequences(device) == [0xFFFE, 0xFFFF, 1, 2]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("number", range(REQUESTS))
def test_one_bad_frame_anywhere_changes_nothing_but_the_count(
    number: int, damage: Callable[[bytes], list[bytes]]
) -> None:
    for device in (
        ScriptedDevice(to_device=only({number}, damage)),
        ScriptedDevice(to_host=only({number}, damage)),
    ):
        link = Link(device)
        talk(device, link)
        assert device.executed.count(Run(3)) == 1
        assert device.executed.count(RunProfile()) == 1
        if damage is not twice:
            assert link.counts.retransmissions >= 1


@pytest.mark.parametrize("seed", range(10))
def test_a_wire_that_damages_every_tenth_frame_is_survived(seed: int) -> None:
    source = random.Random(seed)

    def bad(_number: int, frame: bytes) -> list[bytes]:
        return source.choice(DAMAGES)(frame) if source.random() < 0.1 else [frame]

    device = ScriptedDevice(to_device=bad, to_host=bad)
    link = Link(device)
    for _ in range(5):
        talk(device, link)
    assert device.executed.count(Run(3)) == 5
    assert link.counts.retransmissions > 0


def test_an_overtaken_request_is_sent_again_without_waiting() -> None:
    device = ScriptedDevice(to_device=only({3}, lost))
    link = Link(device)
    link.request(GetManifest(), device.deadline(1))
    link.request_many(CHUNKS, device.deadline(1))
    assert link.counts.retransmissions == 1
    assert device.now_s == 0


def test_a_lost_run_is_asked_for_again_late_so_that_a_running_one_is_left_alone() -> None:
    device = ScriptedDevice(to_host=only({0}, lost))
    Link(device).request(Run(3), device.deadline(40))
    assert device.written_at_s == [0, 10]


def test_a_jump_to_the_boot_loader_is_sent_once_whatever_happens() -> None:
    device = ScriptedDevice(to_host=only({0}, lost))
    with pytest.raises(DeadlineExceededError, match="JumpToBootloader"):
        Link(device).request(JumpToBootloader(), device.deadline(20))
    assert len(device.written) == 1


@pytest.mark.parametrize("answers", range(REQUESTS))
def test_a_device_that_hangs_ends_the_step_at_its_deadline(answers: int) -> None:
    device = ScriptedDevice(hangs_after=answers)
    with pytest.raises(DeadlineExceededError, match=r"scripted: no answer to \w+ within 7 s"):
        talk(device, Link(device), budget_s=7)
    assert device.now_s == pytest.approx(7)
    assert len(device.written) < REQUESTS + 40


@pytest.mark.parametrize("answers", range(1, REQUESTS))
def test_a_reset_in_the_middle_is_an_error_and_the_next_conversation_works(answers: int) -> None:
    device = ScriptedDevice(resets_after=answers)
    link = Link(device)
    with pytest.raises(BoardResetError, match="reset cause 0x1"):
        talk(device, link)
    talk(device, link)


def test_a_reset_on_request_is_no_surprise_even_if_its_answer_is_lost() -> None:
    for wire in (whole, only({0}, lost)):
        device = ScriptedDevice(to_host=wire)
        link = Link(device)
        assert link.request(Reset(), device.deadline(5)) == Accepted()
        assert link.wait_for_manifest(device.deadline(5)) == MANIFEST
        assert link.request(GetTime(), device.deadline(5)) == Time(0)
        assert device.executed == [Reset(), GetTime()]


def test_an_error_of_the_device_carries_its_code_and_words() -> None:
    device = ScriptedDevice()
    with pytest.raises(DeviceFaultError, match="LoadInput with BAD_ARGUMENT: 'input 1 at 0'") as caught:
        Link(device).request(LoadInput(1, 0, b"x"), device.deadline(1))
    assert (caught.value.code, caught.value.text) == (ErrorCode.BAD_ARGUMENT, "input 1 at 0")


def test_an_alarm_that_nobody_asked_for_ends_the_conversation() -> None:
    device = ScriptedDevice(hangs_after=0)
    device.send(encode(DeviceError(ErrorCode.FAULT, "pc=0x08001234"), 0))
    with pytest.raises(DeviceFaultError, match="pc=0x08001234"):
        Link(device).request(Run(1), device.deadline(100))
    assert device.now_s == 0


def test_answers_to_an_earlier_conversation_are_ignored() -> None:
    device = ScriptedDevice()
    device.send(foreign(77, Time(123)) + foreign(1001, RunDone(9, True, 0, 1)))
    link = Link(device, first_sequence=1000)
    assert link.request(GetTime(), device.deadline(1)) == Time(0)
    assert link.counts.stale_replies == 2


def test_an_answer_to_another_question_breaks_the_protocol() -> None:
    device = ScriptedDevice()
    device.send(foreign(1000, RunDone(9, True, 0, 1)))
    with pytest.raises(MalformedMessageError, match="answered GetTime with a RunDone"):
        Link(device, first_sequence=1000).request(GetTime(), device.deadline(1))


def test_a_wire_that_returns_what_is_sent_breaks_the_protocol() -> None:
    device = ScriptedDevice(hangs_after=0)
    device.send(encode(GetTime(), 1000))
    with pytest.raises(MalformedMessageError, match="answered GetTime with a GetTime"):
        Link(device, first_sequence=1000).request(GetTime(), device.deadline(1))


def test_another_version_of_the_protocol_is_named() -> None:
    device = ScriptedDevice(hangs_after=0)
    device.noise(b"\0" + encode_frame(0x81, 0, b"", version=2))
    with pytest.raises(MalformedMessageError, match="version 2, this program speaks 1") as caught:
        Link(device).wait_for_manifest(device.deadline(1))
    assert "flash" in caught.value.hint


def test_logs_are_collected_and_bounded() -> None:
    device = ScriptedDevice()
    link = Link(device)
    for number in range(1500):
        device.send(encode(Log(LogLevel.INFO, f"line {number}"), 0))
    link.request(GetTime(), device.deadline(1))
    assert len(link.logs) == 1000
    assert link.logs[-1] == Log(LogLevel.INFO, "line 1499")


class Babbler(ScriptedDevice):
    """Says the same for ever, a millisecond each time."""

    words = b""

    def read(self, max_bytes: int, deadline: object) -> bytes:
        self.now_s += 0.001
        return self.words


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (b"\x55\0" * 20, LinkError),
        (b"\x55" * 50, DeadlineExceededError),
        (encode(Log(LogLevel.INFO, "spinning"), 0), DeadlineExceededError),
        (encode(Time(1), 77), DeadlineExceededError),
    ],
)
def test_a_device_that_never_stops_talking_ends_at_the_deadline(words: bytes, error: type[Exception]) -> None:
    for ask in (
        lambda link, deadline: link.request(GetTime(), deadline),
        lambda link, deadline: link.wait_for_manifest(deadline),
    ):
        device = Babbler()
        device.words = words
        with pytest.raises(error):
            ask(Link(device, first_sequence=1000), device.deadline(3))
        assert device.now_s == pytest.approx(3, abs=0.01)
        assert 1 < len(device.written) < 10


def test_damaged_answers_until_the_end_are_told_apart_from_silence() -> None:
    device = ScriptedDevice(to_host=lambda _number, frame: flipped(frame))
    with pytest.raises(LinkError, match=r"within 3 s, but \d damaged frames") as caught:
        Link(device).request(GetTime(), device.deadline(3))
    assert "baud" in caught.value.hint


def test_a_boot_is_recognised_behind_chatter() -> None:
    device = ScriptedDevice()
    device.noise(b"\x7f\x79boot rom\r\n\0\x1f\0\0garbage")
    device.noise(b"\0" + encode(Log(LogLevel.INFO, "clock up"), 0) + encode(MANIFEST, 0))
    link = Link(device)
    assert link.wait_for_manifest(device.deadline(5)) == MANIFEST
    assert device.written == []
    assert link.counts.bad_frames == 3
    assert [log.text for log in link.logs] == ["clock up"]
    assert link.window_frames == MANIFEST.window_frames


def test_a_boot_that_was_missed_is_asked_for() -> None:
    device = ScriptedDevice()
    assert Link(device).wait_for_manifest(device.deadline(5)) == MANIFEST
    (frame,) = FrameDecoder(64).feed(device.written[0])
    assert isinstance(frame, Frame)
    assert decode(frame) == GetManifest()


def test_a_board_that_stays_silent_is_given_up_at_the_deadline() -> None:
    device = ScriptedDevice(hangs_after=0)
    with pytest.raises(DeadlineExceededError, match="no answer to GetManifest within 5 s"):
        Link(device).wait_for_manifest(device.deadline(5))
    assert device.now_s == pytest.approx(5)


def test_a_board_that_says_why_it_does_not_start_is_heard() -> None:
    device = ScriptedDevice()
    device.send(encode(DeviceError(ErrorCode.WRONG_CHIP, "image for 0x450"), 0))
    with pytest.raises(DeviceFaultError, match="WRONG_CHIP"):
        Link(device).wait_for_manifest(device.deadline(5))


def test_a_request_longer_than_the_device_receives_is_not_sent() -> None:
    device = ScriptedDevice()
    link = Link(device)
    link.request(GetManifest(), device.deadline(1))
    assert link.request(Echo(bytes(256)), device.deadline(1)) == Echoed(bytes(256))
    with pytest.raises(ValueError, match="payloads of 256 bytes"):
        link.request(Echo(bytes(500)), device.deadline(1))
