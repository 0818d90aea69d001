"""The serial commands of MLPerf Tiny in performance mode: commands, answers, models. No I/O.

Facts from mlcommons/tiny (`benchmark/api`, `benchmark/runner`, `MLPerfTiny_Rules.adoc`). Liberal in what is
accepted: line ends, trailing commas, text around the lines that count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from benchrunner.errors import LinkError, MalformedMessageError

READY = "m-ready"
COMMAND_LIMIT_CHARACTERS = 80  # the buffer of the benchmark's firmware, without its final NUL
DATA_BYTES_PER_COMMAND = 31  # what the benchmark's runner sends: 65 characters
LONGEST_LINE_BYTES = 1 << 16

WINDOWS = 5
SHORTEST_WINDOW_S = 10.0
LONGEST_WINDOW_S = 30.0  # the public runner gives up then
LAP_WRAP_US = 1 << 32  # of firmware that counts in 32 bits


class Load(Enum):
    """What the bytes of `db` mean."""

    AS_IS = "the int8 input itself"
    PIXELS = "unsigned pixels; the input is each minus 128"
    FLOATS = "little-endian float32; quantised by the device"


@dataclass(frozen=True, slots=True)
class TinyModel:
    """One of the benchmark's models: how its firmware is fed, and how much it answers."""

    name: str
    input_shape: tuple[int, ...]  # of the int8 tensor
    output_values: int  # of the int8 tensor
    load: Load
    results: int  # numbers between the brackets of m-results
    warmups: int  # the runner's default

    @property
    def load_bytes(self) -> int:
        size = 4 if self.load is Load.FLOATS else 1
        for length in self.input_shape:
            size *= length
        return size


MODELS = {
    model.name: model
    for model in (
        TinyModel("kws01", (1, 49, 10, 1), 12, Load.AS_IS, 12, 10),
        TinyModel("vww01", (1, 96, 96, 3), 2, Load.PIXELS, 2, 5),
        TinyModel("ic01", (1, 32, 32, 3), 10, Load.PIXELS, 10, 5),
        TinyModel("ad01", (1, 640), 640, Load.FLOATS, 1, 10),
    )
}


def model_of_shape(input_shape: tuple[int, ...], output_values: int) -> TinyModel | None:
    """The benchmark's model with this input and so many outputs, if there is one."""
    for model in MODELS.values():
        if (model.input_shape, model.output_values) == (input_shape, output_values):
            return model
    return None


# --- commands -------------------------------------------------------------------------------------------


def command(text: str) -> bytes:
    """The bytes of one command. Raises `ValueError` for one that the benchmark's firmware cannot hold."""
    if len(text) > COMMAND_LIMIT_CHARACTERS or "%" in text or not text.isprintable() or not text.isascii():
        raise ValueError(f"{text!r} is no command: at most {COMMAND_LIMIT_CHARACTERS} printable characters")
    return text.encode() + b"%"


def load_commands(data: bytes) -> Iterator[str]:
    """The commands that bring `data` to the device; each is sent when the one before is answered."""
    yield f"db load {len(data)}"
    for start in range(0, len(data), DATA_BYTES_PER_COMMAND):
        yield f"db {data[start : start + DATA_BYTES_PER_COMMAND].hex()}"


# --- answers --------------------------------------------------------------------------------------------


class LineDecoder:
    """Lines of a stream that is cut anywhere; what is not ASCII becomes `?`, a line without end is cut."""

    def __init__(self) -> None:
        self._partial = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes, without their ends. A delimiter of frames ends a line, too."""
        self._partial += data.replace(b"\0", b"\n")
        *lines, rest = self._partial.split(b"\n")
        self._partial = rest[-LONGEST_LINE_BYTES:]
        return [line.rstrip(b"\r").decode("ascii", "replace").replace("\ufffd", "?") for line in lines]


_LAP = re.compile(r"m-lap-us-([0-9]{1,20})\s*")
_RESULTS = re.compile(r"m-results-\[([^]]*)\]\s*")
_NAME = re.compile(r"m-name-dut-\[([^]]*)\]\s*")
_MODEL = re.compile(r"m-model-\[([^]]*)\]\s*")
_PROFILE = re.compile(r"m-profile-\[([^]]*)\]\s*")
_FIDELITY = re.compile(r"m-fidelity-\[([^]]*)\]\s*")  # our own firmware's, where it does not run on a board
_ERROR = re.compile(r"e-\[(.*)\]\s*")


def _only(pattern: re.Pattern[str], lines: Iterable[str], what: str) -> str:
    found = [match[1] for line in lines if (match := pattern.fullmatch(line))]
    if len(found) != 1:
        raise MalformedMessageError(f"expected one line {what}, found {len(found)} in {list(lines)!r}")
    return found[0]


def errors(lines: Iterable[str]) -> list[str]:
    """What the device complains about: `e-[...]`, and the plain line of a load that is too large."""
    complaints = []
    for line in lines:
        if match := _ERROR.fullmatch(line):
            complaints.append(match[1])
        elif line.startswith("Supplied buffer size"):
            complaints.append(line)
    return complaints


def name(lines: list[str]) -> str:
    return _only(_NAME, lines, "m-name-dut-[...]")


def profile(lines: list[str]) -> tuple[str, str]:
    """The firmware's version and the model's name."""
    return _only(_PROFILE, lines, "m-profile-[...]"), _only(_MODEL, lines, "m-model-[...]")


def fidelity(lines: list[str]) -> str:
    """What firmware of ours says of itself in the answer to `profile`; empty on a board, and from others."""
    found = [match[1] for line in lines if (match := _FIDELITY.fullmatch(line))]
    return found[0] if found else ""


def results(lines: list[str]) -> tuple[float, ...]:
    """The values; items that are empty are skipped, as a trailing comma is usual."""
    text = _only(_RESULTS, lines, "m-results-[...]")
    try:
        return tuple(float(item) for item in text.split(",") if item.strip())
    except ValueError as error:
        raise MalformedMessageError(f"results {text[:200]!r}: {error}") from error


def window_us(lines: list[str]) -> int:
    """Microseconds between the two times of `infer`; a 32-bit counter may have wrapped between them, once."""
    laps = [int(match[1]) for line in lines if (match := _LAP.fullmatch(line))]
    if len(laps) != 2:
        raise MalformedMessageError(f"expected two lines m-lap-us-..., found {len(laps)} in {lines!r}")
    began, ended = laps
    if ended < began < LAP_WRAP_US:
        ended += LAP_WRAP_US
    if ended <= began:
        raise LinkError(f"the device's time went from {began} to {ended} us while it computed")
    return ended - began
