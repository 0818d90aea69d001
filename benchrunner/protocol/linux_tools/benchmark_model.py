"""Output of TensorFlow Lite's `benchmark_model`: both lines of counts, start, memory, delegates, profile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from benchrunner.errors import ToolOutputError
from benchrunner.protocol.linux_tools.profile import OpProfile, parse_profile
from benchrunner.protocol.linux_tools.text import last_words, lines_of, number, scaled

_TIMINGS = "Inference timings in us:"
_TIMING = re.compile(r"(Init|First inference|Warmup \(avg\)|Inference \(avg\)):\s*([^,\s]{1,40})")
_PAIR = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,30})=([^\s=]{1,40})")
_FOOTPRINT = re.compile(r"^Memory footprint delta from the start of the tool \(MB\):(.{0,200})$")
_PEAK = re.compile(r"^Overall peak memory footprint \(MB\) via periodic monitoring:\s*(\S{1,40})$")
_CREATED = re.compile(
    r"^Created TensorFlow Lite (?:(.{1,60}?) delegate(?: for .{1,60})?|delegate for (.{1,60}?))\.?$"
)
_PARTIAL = re.compile(r"will be partially executed by the delegate w/ (\d{1,6}) delegate kernels")
_COMPLETE = "will be completely executed by the delegate"
_NONE = "will not be executed by the delegate"
_MEBIBYTE = 1 << 20  # the tool divides kB by 1024


class Delegation(StrEnum):
    """What the tool says about a delegate that was asked for on the command line."""

    UNKNOWN = "unknown"  # it says nothing, or none was asked for
    NONE = "none"
    PARTIAL = "partial"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Times:
    """One `count=` line. Quantiles only of builds that print them."""

    count: int
    first_ns: int
    min_ns: int
    max_ns: int
    mean_ns: int
    std_ns: int
    p5_ns: int | None
    median_ns: int | None
    p95_ns: int | None


@dataclass(frozen=True, slots=True)
class BenchmarkModelResult:
    """One start of the tool."""

    init_ns: int
    first_ns: int  # the first inference of the warm-up
    warmup_mean_ns: int
    mean_ns: int  # of the timed inferences, without the warm-up
    warmup: Times | None
    timed: Times
    init_footprint_bytes: int | None
    overall_footprint_bytes: int | None
    peak_bytes: int | None  # sampled by a thread that disturbs the times
    delegates_created: tuple[str, ...]  # announced; no proof that one of them took an operator
    delegation: Delegation
    delegate_kernels: int | None
    profile: OpProfile | None

    @property
    def xnnpack_announced(self) -> bool:
        return any("xnnpack" in name.lower() for name in self.delegates_created)


def parse_benchmark_model(text: str) -> BenchmarkModelResult:
    """Raises `ToolOutputError` without the line of results, or where a number in it is none."""
    lines = lines_of(text)
    results = [line for line in lines if line.startswith(_TIMINGS)]
    if not results:
        raise ToolOutputError(
            f"benchmark_model printed no line {_TIMINGS!r}; it ended with: {last_words(text) or 'nothing'}",
            hint="run the command of the record's log on the board",
        )
    found = dict(_TIMING.findall(results[-1]))
    missing = [
        key for key in ("Init", "First inference", "Warmup (avg)", "Inference (avg)") if key not in found
    ]
    if missing:
        raise ToolOutputError(f"benchmark_model: {results[-1][:120]!r} has no {', '.join(missing)}")
    # The op profile has such lines too, behind a title on the same line.
    counts = [_times(line) for line in lines if line.startswith("count=")]
    if not counts:
        raise ToolOutputError("benchmark_model printed no line that starts with count=")
    footprint = _footprint(lines)
    peaks = [match[1] for line in lines if (match := _PEAK.match(line))]
    partial = [int(match[1]) for line in lines if (match := _PARTIAL.search(line))]
    return BenchmarkModelResult(
        init_ns=scaled(found["Init"], 1000, "benchmark_model: Init"),
        first_ns=scaled(found["First inference"], 1000, "benchmark_model: First inference"),
        warmup_mean_ns=scaled(found["Warmup (avg)"], 1000, "benchmark_model: Warmup (avg)"),
        mean_ns=scaled(found["Inference (avg)"], 1000, "benchmark_model: Inference (avg)"),
        warmup=counts[-2] if len(counts) > 1 else None,
        timed=counts[-1],
        init_footprint_bytes=footprint.get("init"),
        overall_footprint_bytes=footprint.get("overall"),
        # -1 where the tool could not sample it
        peak_bytes=_bytes(peaks[-1]) if peaks and not peaks[-1].startswith("-") else None,
        delegates_created=tuple(match[1] or match[2] for line in lines if (match := _CREATED.match(line))),
        delegation=_delegation(lines, bool(partial)),
        delegate_kernels=partial[-1] if partial else None,
        profile=parse_profile(text),
    )


def _times(line: str) -> Times:
    pairs = dict(_PAIR.findall(line))
    what = "benchmark_model: count="
    count = scaled(pairs.get("count", ""), 1, what)
    if not count:
        raise ToolOutputError(f"{what}: no inference was timed")
    # A single inference is printed as `count=1 curr=...`, without the rest.
    single = pairs.get("curr", "") if count == 1 else ""

    def needed(key: str, otherwise: str = "") -> int:
        return scaled(pairs.get(key, otherwise), 1000, f"benchmark_model: {key}=")

    def optional(key: str) -> int | None:
        return needed(key) if key in pairs else None

    return Times(
        count=count,
        first_ns=needed("first", single),
        min_ns=needed("min", single),
        max_ns=needed("max", single),
        mean_ns=needed("avg", single),
        std_ns=needed("std", "0" if single else ""),
        p5_ns=optional("p5"),
        median_ns=optional("median"),
        p95_ns=optional("p95"),
    )


def _footprint(lines: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in lines:
        if match := _FOOTPRINT.match(line):
            for key, value in _PAIR.findall(match[1]):
                if not value.startswith("-"):  # memory can be given back
                    found[key] = _bytes(value)
    return found


def _bytes(mebibytes: str) -> int:
    return int((number(mebibytes, "benchmark_model: memory in MB") * _MEBIBYTE).to_integral_value())


def _delegation(lines: list[str], partial: bool) -> Delegation:
    if any(_NONE in line for line in lines):
        return Delegation.NONE
    if partial:
        return Delegation.PARTIAL
    return Delegation.COMPLETE if any(_COMPLETE in line for line in lines) else Delegation.UNKNOWN
