"""Firmware that speaks MLPerf Tiny's commands, on a clock that moves only by computing and waiting."""

from collections.abc import Callable
from dataclasses import dataclass, field

from benchrunner.deadline import Deadline
from benchrunner.transport import Parity


@dataclass
class TinyPeer:
    """A `Transport` and the `HostClock` that belongs to it. What it answers with is set by its fields."""

    model: str = "kws01"
    inference_s: float = 0.004
    answer: Callable[[bytes], str] = lambda data: "0.500,0.500,"  # a trailing comma, as one reference has it
    timer_factor: float = 1.0  # of the device's timer against the host's clock
    timer_bits: int = 64
    lost_load_lines: int = 0  # db lines whose last character is lost
    deaf_commands: int = 0  # commands that are not heard at all
    line_end: str = "\r\n"
    input_spread: float = 0.0  # how much longer each further input takes

    time_s: float = 4000.0
    loaded: bytearray = field(default_factory=bytearray)
    heard: list[str] = field(default_factory=list)
    loads: int = 0

    def __post_init__(self) -> None:
        self._command = ""
        self._pending: list[tuple[float, bytes]] = []  # (time of arrival, bytes)
        self._wanted = 0

    def now_s(self) -> float:
        return self.time_s

    def sleep_s(self, seconds: float) -> None:
        self.time_s += seconds

    # --- transport ------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        for character in data.decode("latin-1"):
            if character != "%":
                self._command += character
                continue
            text, self._command = self._command, ""
            if self.deaf_commands:
                self.deaf_commands -= 1
                continue
            self.heard.append(text)
            self._at_s = self.time_s
            self._execute(text.split(" "))
            self._say("m-ready")

    def read(self, max_bytes: int, deadline: Deadline) -> bytes:
        if not self._pending:
            self.time_s += deadline.remaining_s()
            return b""
        at_s, data = self._pending.pop(0)
        if at_s > self.time_s:
            if at_s - self.time_s > deadline.remaining_s():
                self._pending.insert(0, (at_s, data))
                self.time_s += deadline.remaining_s()
                return b""
            self.time_s = at_s
        return data

    def discard_input(self) -> int:
        self._pending.clear()
        return 0

    # --- firmware -------------------------------------------------------------------------------------

    def _say(self, line: str) -> None:
        self._pending.append((self._at_s, (line + self.line_end).encode("latin-1")))

    def _lap(self) -> None:
        us = round(self._at_s * self.timer_factor * 1e6) % (1 << self.timer_bits)
        self._say(f"m-lap-us-{us}")

    def _execute(self, words: list[str]) -> None:
        match words:
            case ["name"]:
                self._say("m-name-dut-[peer]")
            case ["profile"]:
                self._say("m-profile-[ULPMark for tinyML Firmware V0.0.1]")
                self._say(f"m-model-[{self.model}]")
            case ["db", "load", count]:
                self.loaded.clear()
                self.loads += 1
                self._wanted = int(count)
                self._say(f"m-[Expecting {count} bytes]")
            case ["db", digits]:
                if self.lost_load_lines:
                    self.lost_load_lines -= 1
                    digits = digits[:-1]
                if len(digits) % 2:
                    self._say("e-[Insufficent number of hex digits]")
                    return
                self.loaded += bytes.fromhex(digits)
                if len(self.loaded) == self._wanted:
                    self._say("m-load-done")
            case ["infer", count, warmups]:
                each_s = self.inference_s * (1 + self.input_spread * (self.loads - 1))
                self._say(f"m-warmup-start-{warmups}")
                self._at_s += int(warmups) * each_s
                self._say("m-warmup-done")
                self._say(f"m-infer-start-{count}")
                self._lap()
                self._at_s += int(count) * each_s
                self._lap()
                self._say("m-infer-done")
                self._say(f"m-results-[{self.answer(bytes(self.loaded))}]")
            case _:
                self._say(f"e-[Unknown command: {words[0]}]")

    # --- the rest of a transport ----------------------------------------------------------------------

    @property
    def description(self) -> str:
        return "peer"

    @property
    def has_lines(self) -> bool:
        return False

    def set_format(self, baud_hz: int, parity: Parity) -> None: ...

    def set_lines(self, *, boot0: bool, reset: bool) -> None: ...

    def close(self) -> None: ...
