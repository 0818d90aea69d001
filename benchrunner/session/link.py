"""The host's end of the device protocol: requests and their answers over a transport that may lose bytes."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchrunner.deadline import Deadline
from benchrunner.errors import (
    BoardResetError,
    DeadlineExceededError,
    DeviceFaultError,
    LinkError,
    MalformedMessageError,
)
from benchrunner.protocol.device import decode, encode
from benchrunner.protocol.exchange import is_answer
from benchrunner.protocol.frames import (
    DELIMITER,
    HOST_PAYLOAD_LIMIT_BYTES,
    SEQUENCE_LIMIT,
    BadFrame,
    Frame,
    FrameDecoder,
    wire_bytes,
)
from benchrunner.protocol.messages import (
    Accepted,
    DeviceError,
    GetManifest,
    JumpToBootloader,
    Log,
    Manifest,
    Message,
    Reply,
    Request,
    Reset,
    Run,
    RunProfile,
)
from benchrunner.transport import Transport

_READ_BYTES = 65536
_LOG_LINES = 1000  # kept of a device that talks without end
_WINDOW_LIMIT_FRAMES = 16  # whatever a device offers: more gains nothing and delays the first loss report
_RETRY_S = 0.5  # silence beyond the time that the wire needs: executing a request other than a run is short
_LONGEST_BACKOFF = 8
_BITS_PER_BYTE = 10  # start, 8 data, stop
_DEFAULT_PAYLOAD_BYTES = 1024

_ALONE = Run | RunProfile | JumpToBootloader | Reset  # sent when nothing else is unanswered


@dataclass(slots=True)
class LinkCounts:
    """What went wrong on the wire and was put right."""

    bad_frames: int = 0
    retransmissions: int = 0
    stale_replies: int = 0

    @property
    def link_errors(self) -> int:
        return self.bad_frames + self.retransmissions


@dataclass(slots=True)
class _Sent:
    position: int  # of its answer in the result
    request: Request
    wire: bytes
    first_sending: int  # number of this sending among all of the link
    last_sending: int


class Link:
    """One conversation with a device. Not for several threads.

    `baud_hz` is what the wire carries, and only decides how long a silence must be to mean a loss. Time is
    the clock of the deadlines that are handed in.
    """

    def __init__(
        self, transport: Transport, *, baud_hz: int = 115_200, first_sequence: int | None = None
    ) -> None:
        self.counts = LinkCounts()
        self.logs: deque[Log] = deque(maxlen=_LOG_LINES)
        self.manifest: Manifest | None = None  # the last one received
        self._transport = transport
        self._bytes_per_s = baud_hz / _BITS_PER_BYTE
        self._decoder = FrameDecoder(HOST_PAYLOAD_LIMIT_BYTES)
        self._arrived: deque[Frame | BadFrame] = deque()
        # Random, so that answers to an earlier conversation are not taken for this one's.
        self._next_sequence = first_sequence or 1 + secrets.randbelow(SEQUENCE_LIMIT - 1)
        self._sendings = 0
        self._announced: Manifest | None = None  # boot that answered a `Reset`

    @property
    def max_payload_bytes(self) -> int:
        """Longest payload that the device receives, as far as known."""
        return self.manifest.max_payload_bytes if self.manifest else _DEFAULT_PAYLOAD_BYTES

    @property
    def window_frames(self) -> int:
        """Requests that may be unanswered at once; one until the device has said how many."""
        return min(self.manifest.window_frames, _WINDOW_LIMIT_FRAMES) if self.manifest else 1

    # --- what callers ask for ---------------------------------------------------------------------------

    def request(self, message: Request, deadline: Deadline) -> Reply:
        """The answer to one request. Raises as `request_many` does."""
        return self.request_many((message,), deadline)[0]

    def request_many(self, messages: Iterable[Request], deadline: Deadline) -> list[Reply]:
        """The answers, in the order of the requests, with several requests in flight.

        Raises `DeviceFaultError` when the device reports an error, `BoardResetError` when it boots meanwhile,
        `MalformedMessageError` when it breaks the protocol, `DeadlineExceededError` when it stays silent,
        `LinkError` when what it says is damaged until the time is up, `PortError` when the port is lost.
        """
        self._announced = None
        source = iter(messages)
        held = next(source, None)  # the next request to send
        waiting: dict[int, _Sent] = {}
        replies: dict[int, Reply] = {}
        bad_before, silences, sent = self.counts.bad_frames, 0, 0
        while True:
            burst = b"" if waiting else DELIMITER
            while held is not None and self._may_send(held, waiting):
                sequence, entry = self._prepare(held, sent)
                waiting[sequence] = entry
                burst += entry.wire
                sent += 1
                held = next(source, None)
            if not waiting:
                return [replies[position] for position in range(sent)]
            if len(burst) > len(DELIMITER):
                self._transport.write(burst)
            quiet = self._quiet(waiting, silences, deadline)
            answered = False
            while not answered and not quiet.expired:
                for sequence, reply in self._receive(quiet, waiting):
                    answered = True
                    entry = waiting.pop(sequence)
                    replies[entry.position] = reply
                    self._send_again([s for s in waiting.values() if s.last_sending < entry.first_sending])
                    if not waiting:
                        break  # what follows, such as the boot after a reset, is for the next call
            silences = 0 if answered else silences + 1
            if deadline.expired and waiting:
                raise self._out_of_time(next(iter(waiting.values())).request, deadline, bad_before)
            if not answered:
                self._send_again(waiting.values())

    def wait_for_manifest(self, deadline: Deadline) -> Manifest:
        """The manifest that a boot announces; asks for it when the board is silent, in case it was missed.

        Damaged frames before it are boot chatter and only counted. Raises as `request_many` does, but for
        `BoardResetError`.
        """
        asked: set[int] = set()
        bad_before = self.counts.bad_frames
        while self._announced is None:
            quiet = deadline.at_most(2 * _RETRY_S)
            while self._announced is None and not quiet.expired:
                for sequence, message in self._messages(quiet):
                    if isinstance(message, Manifest) and (sequence == 0 or sequence in asked):
                        self._announced = self._adopt(message)
                        break
                    self._unasked(sequence, message)
            if self._announced is None:
                if deadline.expired:
                    raise self._out_of_time(GetManifest(), deadline, bad_before)
                sequence, entry = self._prepare(GetManifest(), 0)
                asked.add(sequence)
                self._transport.write(DELIMITER + entry.wire)
        manifest, self._announced = self._announced, None
        return manifest

    # --- sending ----------------------------------------------------------------------------------------

    def _may_send(self, request: Request, waiting: dict[int, _Sent]) -> bool:
        if not waiting:
            return True
        alone = isinstance(request, _ALONE) or any(isinstance(s.request, _ALONE) for s in waiting.values())
        return not alone and len(waiting) < self.window_frames

    def _prepare(self, request: Request, position: int) -> tuple[int, _Sent]:
        sequence = self._next_sequence
        self._next_sequence = sequence + 1 if sequence + 1 < SEQUENCE_LIMIT else 1
        wire = encode(request, sequence)
        if len(wire) > wire_bytes(self.max_payload_bytes):
            raise ValueError(
                f"{type(request).__name__} of {len(wire)} wire bytes: the device receives payloads of "
                f"{self.max_payload_bytes} bytes"
            )
        self._sendings += 1
        return sequence, _Sent(position, request, wire, self._sendings, self._sendings)

    def _send_again(self, entries: Iterable[_Sent]) -> None:
        burst = b""
        for entry in entries:
            if isinstance(entry.request, JumpToBootloader):
                continue  # if it was carried out, the ROM would take the frame for its baud rate pattern
            self._sendings += 1
            entry.last_sending = self._sendings
            burst += entry.wire
            self.counts.retransmissions += 1
        if burst:
            self._transport.write(DELIMITER + burst)

    def _quiet(self, waiting: dict[int, _Sent], silences: int, deadline: Deadline) -> Deadline:
        """How long nothing may be answered before everything unanswered is sent again."""
        there_and_back_bytes = 2 * len(waiting) * wire_bytes(self.max_payload_bytes)
        quiet_s = (_RETRY_S + there_and_back_bytes / self._bytes_per_s) * min(2**silences, _LONGEST_BACKOFF)
        if any(isinstance(entry.request, Run | RunProfile) for entry in waiting.values()):
            # Inferences take their time and should not be disturbed; the caller's deadline knows how long.
            quiet_s = max(quiet_s, deadline.budget_s / 4)
        return deadline.at_most(quiet_s)

    # --- receiving --------------------------------------------------------------------------------------

    def _receive(self, quiet: Deadline, waiting: dict[int, _Sent]) -> Iterator[tuple[int, Reply]]:
        """Answers to requests in `waiting`."""
        for sequence, message in self._messages(quiet):
            entry = waiting.get(sequence)
            if entry is None:
                resetting = next((at for at, s in waiting.items() if isinstance(s.request, Reset)), None)
                if sequence == 0 and isinstance(message, Manifest) and resetting is not None:
                    self._announced = self._adopt(message)  # its Accepted was lost
                    yield resetting, Accepted()
                else:
                    self._unasked(sequence, message)
            elif isinstance(message, DeviceError):
                raise self._fault(message, f"answered {type(entry.request).__name__} with")
            elif isinstance(message, Request) or not is_answer(entry.request, message):
                raise MalformedMessageError(
                    f"{self._transport.description}: the device answered {type(entry.request).__name__} with "
                    f"a {type(message).__name__} that does not fit it",
                    hint="the firmware breaks docs/protocol.md",
                )
            else:
                if isinstance(message, Manifest):
                    self._adopt(message)
                yield sequence, message

    def _messages(self, quiet: Deadline) -> Iterator[tuple[int, Message]]:
        """What one read brings, or what an earlier one has left; nothing when the time is up."""
        if not self._arrived:
            self._arrived.extend(self._decoder.feed(self._transport.read(_READ_BYTES, quiet)))
        while self._arrived:
            frame = self._arrived.popleft()
            if isinstance(frame, BadFrame):
                self.counts.bad_frames += 1
            else:
                yield frame.sequence, decode(frame)

    def _unasked(self, sequence: int, message: Message) -> None:
        """A message that answers nothing: a log, an alarm, or left over from before."""
        if isinstance(message, Log):
            self.logs.append(message)
        elif sequence != 0:
            self.counts.stale_replies += 1
        elif isinstance(message, DeviceError):
            raise self._fault(message, "reports")
        elif isinstance(message, Manifest):
            self._adopt(message)
            raise BoardResetError(
                f"{self._transport.description}: the board reset in the middle of the conversation "
                f"(reset cause {message.reset_cause:#x})",
                hint="check power and watchdog; a brown-out shows in the reset cause",
            )

    def _adopt(self, manifest: Manifest) -> Manifest:
        self.manifest = manifest
        return manifest

    # --- errors -----------------------------------------------------------------------------------------

    def _fault(self, error: DeviceError, what: str) -> DeviceFaultError:
        return DeviceFaultError(
            f"{self._transport.description}: the device {what} {error.code.name}: {error.text!r}",
            code=error.code,
            text=error.text,
            hint="docs/protocol.md, section Errors, says what the code means",
        )

    def _out_of_time(
        self, request: Request, deadline: Deadline, bad_before: int
    ) -> DeadlineExceededError | LinkError:
        what = f"{self._transport.description}: no answer to {type(request).__name__}"
        bad_frames = self.counts.bad_frames - bad_before
        if bad_frames:
            return LinkError(
                f"{what} within {deadline.budget_s:g} s, but {bad_frames} damaged frames",
                hint="check baud rate and parity, cable and ground; does another program use the port?",
            )
        return DeadlineExceededError(
            f"{what} within {deadline.budget_s:g} s",
            hint="is the firmware running (BOOT0 low, reset released)? does it hang? see the device's log",
        )
