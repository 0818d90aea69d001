"""Faults of a simulated board as declared data, and the counters that place each of them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from enum import Enum, auto
from typing import TypeVar

from benchrunner.errors import UsageError

ROM_STEPS = ("sync", "get", "version", "id", "read", "go", "write", "erase", "protect", "checksum")
APPLICATION_STEPS = (
    *("boot", "manifest", "echo", "time", "load", "crc", "run", "samples", "profile", "layers"),
    *("output", "memory", "jump", "reset"),
)
STEPS = ROM_STEPS + APPLICATION_STEPS

_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True)
class At:
    """The `nth` time that `step` is reached, and with `onwards` every later time too."""

    step: str
    nth: int = 1
    onwards: bool = False

    def hits(self, step: str, count: int) -> bool:
        return step == self.step and (count == self.nth or (self.onwards and count > self.nth))


@dataclass(frozen=True, slots=True)
class StuckBits:
    """Bits of the byte at `address` that read 0 whatever is programmed."""

    address: int
    mask: int


@dataclass(frozen=True, slots=True)
class Slowed:
    """Models whose SHA-256 begins so take `factor` times as long."""

    sha256: str
    factor: float


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with a board. Everything is off by default; counts start at 1; a count hits once."""

    drop_byte_every: int | None = None  # every Nth byte on the line, each direction counted for itself
    duplicate_byte_every: int | None = None
    flip_bit_every: int | None = None
    nack_block: int | None = None  # the Nth Write Memory is refused
    lose_ack_block: int | None = None  # the Nth Write Memory is done, its ACK is lost
    short_read_block: int | None = None  # the Nth Read Memory sends half of its bytes
    flip_read_block: int | None = None  # the Nth Read Memory has one wrong bit
    loses_early_bytes: bool = False  # what comes before the ROM's answer to the bytes before is lost
    stuck_bits: StuckBits | None = None
    hang_at: At | None = None  # half of the step is done, then silence until a reset
    reset_at: At | None = None  # half of the step is done, then the board resets
    stale_chatter: bool = False  # an earlier program's text arrives before the bootloader speaks
    zero_before_ack: bool = False  # 0x00 from a floating line before the sync ACK
    busy_count: int | None = None  # that many BUSY before the last ACK of a write or an erase
    slow_erase_s: float | None = None  # duration of every erase command
    readout_protected: bool = False
    wrong_chip_id: int | None = None
    wrong_chip_after: int = 0  # that many Get ID are answered right before `wrong_chip_id` is
    wrong_firmware: bool = False  # announces another image than the one in flash
    wrong_output: bool = False
    wrong_clock: float | None = None  # the counter runs this many times as fast as the manifest says
    wrapped_counter: bool = False  # 32 bits, about to wrap at boot
    frozen_counter: bool = False
    dead_crystal: bool = False  # the external clock never becomes ready (emulated boards)
    slow_line: int | None = None  # baud rate at which bytes really travel, on the board's clock


class Interruption(Enum):
    HANG = auto()
    RESET = auto()


class FaultCounters:
    """How often each step was reached and how many bytes passed: the state behind `Faults`.

    It outlives resets, so "the 5th block" is the 5th since the board was made.
    """

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._steps: dict[str, int] = {}

    def reach(self, step: str) -> int:
        """Count `step`; the first time is 1."""
        self._steps[step] = self._steps.get(step, 0) + 1
        return self._steps[step]

    def interruption(self, step: str, count: int) -> Interruption | None:
        """What stops the board in this step."""
        if self.faults.hang_at is not None and self.faults.hang_at.hits(step, count):
            return Interruption.HANG
        if self.faults.reset_at is not None and self.faults.reset_at.hits(step, count):
            return Interruption.RESET
        return None


class LineNoise:
    """One direction of the line: drops, duplicates and flips bytes by their position."""

    def __init__(self, faults: Faults) -> None:
        self._drop, self._twice = faults.drop_byte_every, faults.duplicate_byte_every
        self._flip = faults.flip_bit_every
        self._quiet = self._drop is None and self._twice is None and self._flip is None
        self._position = 0

    def apply(self, data: bytes) -> bytes:
        """What arrives of the next `data` on this line."""
        if self._quiet:
            return data
        result = bytearray()
        for byte in data:
            self._position += 1
            if self._drop and self._position % self._drop == 0:
                continue
            if self._flip and self._position % self._flip == 0:
                # another bit each time, so that no pair of flips cancels in an XOR checksum
                byte ^= 1 << self._position // self._flip % 8
            result.append(byte)
            if self._twice and self._position % self._twice == 0:
                result.append(byte)
        return bytes(result)


def parse(settings: Iterable[str]) -> Faults:
    """Faults from `name=value` texts as the command line takes them; `name` alone switches a fault on.

    Steps are `STEP`, `STEP:N` (the Nth time) or `STEP:N+` (from the Nth time on); stuck bits `ADDRESS:MASK`.
    Raises `UsageError` that names the setting and what it takes.
    """
    return parse_into(Faults, settings, STEPS, ("erase", "write", "boot"))


def parse_into(
    kind: type[_Kind], settings: Iterable[str], steps: Collection[str], examples: tuple[str, str, str]
) -> _Kind:
    """The same for any dataclass of faults, whose board goes through `steps`; hints name three of them."""
    values: dict[str, object] = {}
    known = {
        field.name: str(field.type).removesuffix(" | None")
        for field in fields(kind)  # type: ignore[arg-type]  # a dataclass, which the type cannot say
    }
    for setting in settings:
        name, separator, text = setting.partition("=")
        name = name.strip().replace("-", "_")
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "known faults: " + ", ".join(known)
            raise UsageError(f"--fault {setting}: no fault named {name!r}", hint=hint)
        try:
            values[name] = _value(known[name], text.strip() if separator else "", steps)
        except ValueError as error:
            hint = _EXAMPLES[known[name]].format(name, *examples)
            raise UsageError(f"--fault {setting}: {error}", hint=hint) from error
    return kind(**values)  # each value was made by the kind of its field


_EXAMPLES = {
    "int": "for example --fault {0}=5",
    "float": "for example --fault {0}=0.5",
    "bool": "for example --fault {0}",
    "str": "for example --fault {0}=NAME",
    "At": "for example --fault {0}={1}, {0}={2}:5 or {0}={3}:1+",
    "StuckBits": "for example --fault {0}=0x08000010:0x01",
    "Slowed": "for example --fault {0}=3fa97c:1.05, where the model's SHA-256 begins with 3fa97c",
}


def _value(kind: str, text: str, steps: Collection[str]) -> object:
    match kind:
        case "bool":
            if text.lower() in ("", "1", "true", "yes", "on"):
                return True
            if text.lower() in ("0", "false", "no", "off"):
                return False
            raise ValueError(f"expected true or false, found {text!r}")
        case "int":
            return _count(text)
        case "float":
            return _positive(text)
        case "Slowed":
            sha256, _, factor = text.partition(":")
            if not sha256 or not set(sha256.lower()) <= set("0123456789abcdef"):
                raise ValueError(f"expected the beginning of a SHA-256, found {sha256!r}")
            return Slowed(sha256.lower(), _positive(factor))
        case "str":
            if not text:
                raise ValueError("expected a value")
            return text
        case "At":
            step, separator, nth = text.partition(":")
            if step not in steps:
                raise ValueError(f"no step {step!r}; steps are {', '.join(steps)}")
            return At(step, _count(nth.removesuffix("+")) if separator else 1, nth.endswith("+"))
        case _:
            address, _, mask = text.partition(":")
            stuck = StuckBits(int(address, 0), int(mask, 0))
            if not 0 < stuck.mask <= 0xFF:
                raise ValueError(f"the mask must lie in 0x01..0xff, found {mask!r}")
            return stuck


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number < float("inf"):
        raise ValueError(f"expected a positive number, found {text!r}")
    return number


def _count(text: str) -> int:
    try:
        number = int(text, 0)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"expected a positive whole number, found {text!r}")
    return number
