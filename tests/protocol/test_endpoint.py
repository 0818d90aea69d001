from benchrunner.protocol.device import decode, encode
from benchrunner.protocol.endpoint import DeviceEndpoint
from benchrunner.protocol.frames import Frame, FrameDecoder, encode_frame
from benchrunner.protocol.messages import (
    Accepted,
    DeviceError,
    Echo,
    Echoed,
    ErrorCode,
    GetManifest,
    Log,
    LogLevel,
    Message,
    ProfileDone,
    Reply,
    Request,
    Run,
    RunDone,
    RunProfile,
)


class Counting:
    """Answers what the tests ask, and remembers what was executed."""

    def __init__(self) -> None:
        self.executed: list[Request] = []

    def __call__(self, request: Request) -> Reply:
        self.executed.append(request)
        match request:
            case Echo(data):
                return Echoed(data)
            case Run(count):
                return RunDone(count, False, 0, len(self.executed))
            case RunProfile():
                return ProfileDone(1, len(self.executed))
            case _:
                return Accepted()


def exchange(endpoint: DeviceEndpoint, execute: Counting, data: bytes) -> list[tuple[int, Message]]:
    wire = b"".join(endpoint.answer(incoming, execute) for incoming in endpoint.feed(data))
    frames = FrameDecoder(8192).feed(wire)
    return [(frame.sequence, decode(frame)) for frame in frames if isinstance(frame, Frame)]


def test_requests_are_executed_in_order_and_answered_with_their_sequence() -> None:
    execute = Counting()
    data = b"".join(encode(Echo(bytes([number])), 100 + number) for number in range(5))
    answers = exchange(DeviceEndpoint(), execute, data)
    assert answers == [(100 + number, Echoed(bytes([number]))) for number in range(5)]


def test_a_repeated_run_is_answered_again_and_not_run_again() -> None:
    for run in (Run(3), RunProfile()):
        execute, endpoint = Counting(), DeviceEndpoint()
        first = exchange(endpoint, execute, encode(run, 5) * 2)
        later = exchange(endpoint, execute, encode(Echo(b""), 6) + encode(run, 5))
        assert first[0] == first[1] == later[1]
        assert execute.executed.count(run) == 1


def test_a_new_run_is_run() -> None:
    execute, endpoint = Counting(), DeviceEndpoint()
    exchange(
        endpoint, execute, encode(Run(3), 5) + encode(Run(3), 6) + encode(Run(4), 6) + encode(RunProfile(), 6)
    )
    assert execute.executed == [Run(3), Run(3), Run(4), RunProfile()]


def test_a_new_conversation_forgets_the_last_run() -> None:
    execute, endpoint = Counting(), DeviceEndpoint()
    exchange(endpoint, execute, encode(Run(3), 5) + encode(GetManifest(), 4) + encode(Run(3), 5))
    assert execute.executed.count(Run(3)) == 2


def test_everything_else_is_done_as_often_as_it_is_asked() -> None:
    execute = Counting()
    assert len(exchange(DeviceEndpoint(), execute, encode(Echo(b"x"), 5) * 3)) == 3
    assert len(execute.executed) == 3


def test_bad_and_oversized_frames_are_dropped_silently() -> None:
    execute, endpoint = Counting(), DeviceEndpoint(max_payload_bytes=100)
    damaged = bytearray(encode(Echo(b"abc"), 1))
    damaged[7] ^= 1
    answers = exchange(
        endpoint, execute, bytes(damaged) + encode(Echo(bytes(range(120))), 2) + encode(Echo(b"k"), 3)
    )
    assert answers == [(3, Echoed(b"k"))]


def test_what_is_no_request_is_refused_with_its_sequence() -> None:
    frames = {
        1: encode_frame(0x7E, 1, b""),
        2: encode_frame(0x06, 2, b"abc"),  # Run wants four bytes
        3: encode_frame(0x03, 3, b"", version=2),
        4: encode(Accepted(), 4),
    }
    execute = Counting()
    answers = exchange(DeviceEndpoint(), execute, b"".join(frames.values()))
    codes = {sequence: reply.code for sequence, reply in answers if isinstance(reply, DeviceError)}
    assert codes == {
        1: ErrorCode.UNKNOWN_REQUEST,
        2: ErrorCode.BAD_ARGUMENT,
        3: ErrorCode.UNKNOWN_REQUEST,
        4: ErrorCode.UNKNOWN_REQUEST,
    }
    assert execute.executed == []


def test_what_is_sent_unasked_has_sequence_zero() -> None:
    endpoint = DeviceEndpoint()
    wire = endpoint.log(LogLevel.WARNING, "hot") + endpoint.fault(ErrorCode.FAULT, "pc=0")
    frames = FrameDecoder(8192).feed(wire)
    found = [(frame.sequence, decode(frame)) for frame in frames if isinstance(frame, Frame)]
    assert found == [(0, Log(LogLevel.WARNING, "hot")), (0, DeviceError(ErrorCode.FAULT, "pc=0"))]
