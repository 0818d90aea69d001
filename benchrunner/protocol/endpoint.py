"""The device's end of the device protocol, without I/O: what to execute, which answers to repeat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchrunner.errors import MalformedMessageError
from benchrunner.protocol.device import REQUEST_KINDS, decode, encode
from benchrunner.protocol.frames import DELIMITER, Frame, FrameDecoder
from benchrunner.protocol.messages import (
    PROTOCOL_VERSION,
    DeviceError,
    ErrorCode,
    GetManifest,
    Log,
    LogLevel,
    Manifest,
    Reply,
    Request,
    Run,
    RunProfile,
)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request in the order of its arrival, or the error that answers a frame that holds none."""

    sequence: int
    request: Request | DeviceError


class DeviceEndpoint:
    """State that a device keeps from boot to reset: make a new one at every boot.

    for incoming in endpoint.feed(received):
        send(endpoint.answer(incoming, execute))
    """

    def __init__(self, *, max_payload_bytes: int = 1024) -> None:
        self._decoder = FrameDecoder(max_payload_bytes)
        self._last_run: tuple[Incoming, bytes] | None = None

    def announce(self, manifest: Manifest) -> bytes:
        """What is sent unasked at boot. The first delimiter closes whatever the line has picked up."""
        return DELIMITER + encode(manifest, 0)

    def log(self, level: LogLevel, text: str) -> bytes:
        """A line for people. Not to be sent while a timed inference runs."""
        return encode(Log(level, text), 0)

    def fault(self, code: ErrorCode, text: str) -> bytes:
        """An error that belongs to no request, such as a hard fault."""
        return encode(DeviceError(code, text), 0)

    def feed(self, data: bytes) -> list[Incoming]:
        """What `data` completes. Bad frames are dropped: the host misses the answer and asks again."""
        return [self._incoming(frame) for frame in self._decoder.feed(data) if isinstance(frame, Frame)]

    def _incoming(self, frame: Frame) -> Incoming:
        try:
            message = decode(frame)
        except MalformedMessageError as error:
            known = frame.kind in REQUEST_KINDS and frame.version == PROTOCOL_VERSION
            code = ErrorCode.BAD_ARGUMENT if known else ErrorCode.UNKNOWN_REQUEST
            return Incoming(frame.sequence, DeviceError(code, error.message))
        if isinstance(message, Request):
            return Incoming(frame.sequence, message)
        return Incoming(
            frame.sequence, DeviceError(ErrorCode.UNKNOWN_REQUEST, f"{type(message).__name__} is no request")
        )

    def answer(self, incoming: Incoming, execute: Callable[[Request], Reply]) -> bytes:
        """The frame to send for `incoming`; `execute` is not called for a run that was done already."""
        if isinstance(incoming.request, DeviceError):
            return encode(incoming.request, incoming.sequence)
        return self.remembered(incoming) or self.reply(incoming, execute(incoming.request))

    def remembered(self, incoming: Incoming) -> bytes | None:
        """The answer already given to this very request, if it is the last run."""
        if isinstance(incoming.request, GetManifest):
            self._last_run = None  # a new conversation, whose sequence numbers may meet the old ones
        if self._last_run is not None and self._last_run[0] == incoming:
            return self._last_run[1]
        return None

    def reply(self, incoming: Incoming, reply: Reply) -> bytes:
        """The frame that answers `incoming`, kept for repetition if it answers a run."""
        data = encode(reply, incoming.sequence)
        if isinstance(incoming.request, Run | RunProfile):
            self._last_run = (incoming, data)
        return data
