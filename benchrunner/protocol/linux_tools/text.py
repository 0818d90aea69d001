"""Lines and numbers of a tool's output: colours removed, units to integers; what a fall-back says."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from benchrunner.errors import ToolOutputError

# ECMA-48: control sequences, and the two-character escapes.
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_]")
_LEVEL = re.compile(r"^(?:INFO|WARNING|WARN|ERROR|Info|Warning|Error):\s*")
_LAST_WORDS = 300
_LARGEST = Decimal(10) ** 15  # ns of eleven days, bytes of a petabyte: nothing a board prints is larger

# x-linux-ai-benchmark (both kinds of delegate), and benchmark_model of a delegate that took nothing.
_FALL_BACKS = ("retrying on cpu", "model not supported with", "will not be executed by the delegate")


def decode(raw: bytes) -> str:
    """Bytes of a board as text; what is no UTF-8 is marked."""
    return raw.decode("utf-8", errors="replace")


def plain(text: str) -> str:
    """Without colours and cursor movements, every line end as `\\n`."""
    return _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


def lines_of(text: str) -> list[str]:
    """Lines without colours, level prefix and outer blanks."""
    return [_LEVEL.sub("", line.strip()) for line in plain(text).split("\n")]


def fall_back_text(text: str) -> str:
    """The line in which a tool says that the CPU did what an accelerator was asked to do; empty if none."""
    for line in lines_of(text):
        lowered = line.lower()
        if any(phrase in lowered for phrase in _FALL_BACKS):
            return line[:200]
    return ""


def last_words(text: str, count: int = 3) -> str:
    """The last lines with something in them, for a message."""
    words = " / ".join([line for line in lines_of(text) if line][-count:])
    return words if len(words) <= _LAST_WORDS else f"... {words[-_LAST_WORDS:].partition(' ')[2]}"


def scaled(text: str, factor: int, what: str) -> int:
    """A number times `factor` as the nearest integer; raises `ToolOutputError` if it is none, or negative."""
    value = number(text, what) * factor
    if value > _LARGEST:
        raise ToolOutputError(f"{what}: {text[:40]!r} is out of range")
    return int(value.to_integral_value())


def number(text: str, what: str) -> Decimal:
    """A number that is not negative; raises `ToolOutputError` otherwise."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise ToolOutputError(f"{what}: expected a number, found {text[:40]!r}") from None
    if not value.is_finite() or value < 0 or value > _LARGEST:
        raise ToolOutputError(f"{what}: {text[:40]!r} is out of range")
    return value
