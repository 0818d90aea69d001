"""What others did on the board while a tool ran: the kernel's count of busy time, less the tool's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Runs a command, and then writes to standard error: a mark, `times` (POSIX: of the shell, of its children),
# and the first line of /proc/stat from before and after.
_SCRIPT: Final = (
    "{ read -r a </proc/stat; } 2>/dev/null; "
    '"$@"; s=$?; '
    "{ read -r b </proc/stat; } 2>/dev/null; "
    '{ echo; echo benchrunner-load; times; echo "$a"; echo "$b"; } >&2; exit $s'
)
_WRAPPED: Final = ("sh", "-c", _SCRIPT, "sh")
_MARK: Final = b"\nbenchrunner-load\n"
_TIME: Final = re.compile(
    r"(\d{1,9})m(\d{1,2}(?:[.,]\d{1,9})?)s"
)  # the comma where the shell's language has it
_TICK_HZ: Final = 100  # USER_HZ of every architecture that is built today
# Of each call: ticks are counted whole, and the SSH server passes on what the tool prints.
_CALL_S: Final = 0.02


@dataclass(slots=True)
class LoadSeen:
    """The calls of a case, summed up."""

    calls: int = 0
    busy_s: float = 0.0  # of all CPUs together, the tool among them
    there_s: float = 0.0  # of all CPUs together
    own_s: float = 0.0

    def other_cpus(self, cpus: int) -> float | None:
        """CPUs that were busy with something else, on average; None where nothing tells."""
        if self.there_s <= 0.0:
            return None
        duration_s = self.there_s / max(1, cpus)
        return max(0.0, self.busy_s - self.own_s - _CALL_S * self.calls) / duration_s

    def add(self, said: str) -> None:
        """What the wrapper wrote behind its mark; what makes no sense is left out."""
        lines = said.splitlines()
        if len(lines) < 4:
            return
        own = [
            int(minutes) * 60 + float(seconds.replace(",", "."))
            for minutes, seconds in _TIME.findall(lines[1])
        ]
        before, after = _ticks(lines[2]), _ticks(lines[3])
        if len(own) != 2 or before is None or after is None or after[1] <= before[1]:
            return
        self.calls += 1
        self.own_s += sum(own)
        self.busy_s += (after[0] - before[0]) / _TICK_HZ
        self.there_s += (after[1] - before[1]) / _TICK_HZ


def watched(argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` and tells of the load beside it."""
    return [*_WRAPPED, *argv]


def unwatched(argv: Sequence[str]) -> list[str] | None:
    """The command in one of `watched`; None where it is none."""
    return list(argv[len(_WRAPPED) :]) if tuple(argv[: len(_WRAPPED)]) == _WRAPPED else None


def split(stderr: bytes) -> tuple[bytes, str]:
    """What the tool printed on standard error, and what the wrapper wrote behind it."""
    said, mark, load = stderr.rpartition(_MARK)
    return (said, load.decode(errors="replace")) if mark else (stderr, "")


def _ticks(line: str) -> tuple[int, int] | None:
    """Busy and all ticks of the line `cpu ...` (proc(5)); behind the first eight is what these count, too."""
    words = line.split()
    if (
        words[:1] != ["cpu"]
        or len(words) < 5
        or not all(re.fullmatch(r"\d{1,16}", word) for word in words[1:9])
    ):
        return None
    ticks = [int(word) for word in words[1:9]]
    idle = ticks[3] + (ticks[4] if len(ticks) > 4 else 0)
    return sum(ticks) - idle, sum(ticks)
