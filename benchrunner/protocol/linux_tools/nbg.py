"""Output of ST's `nbg_benchmark`: a mean over all loops, the first one included, and no sample of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchrunner.errors import ToolOutputError
from benchrunner.protocol.linux_tools.text import last_words, lines_of, number, scaled

_AVERAGE = re.compile(r"^Loop:\s*(\d{1,9}),\s*Average:\s*(\S{1,40}) ms(?: or (\S{1,40}) us)?$")
_VERIFY = re.compile(r"^Verifying graph took:\s*(\S{1,40}?)\s?ms(?: or (\S{1,40}?)\s?us)?$")
_FREQUENCY = re.compile(r"^NPU running at frequency:\s*(\d{1,15})\s?Hz\.?$")
_PEAK = re.compile(r"^Peak working set size:\s*(\d{1,15}) bytes$")
_WARMED = "Initialized the graph"
_UTILISATION = re.compile(r"^MAC utilization is\s*(\S{1,20}?)\s?% with caseMAC set to\s*(\S{1,20})")


@dataclass(frozen=True, slots=True)
class NbgResult:
    """One start of the tool."""

    loops: int
    mean_ns: int  # of all loops, the first and cold one included
    verify_ns: int | None  # building the graph
    npu_hz: int | None
    peak_bytes: int | None  # ru_maxrss
    mac_utilisation_percent: float | None
    case_mmac: float | None
    warmed: bool  # the graph had run once before the loops, as in the tool's first versions


def parse_nbg_benchmark(text: str) -> NbgResult:
    """Raises `ToolOutputError` without the line of the average: a graph that failed exits with 0 too."""
    lines = lines_of(text)
    averages = [match for line in lines if (match := _AVERAGE.match(line))]
    if not averages:
        raise ToolOutputError(
            f"nbg_benchmark printed no average, so the graph did not run; it ended with: "
            f"{last_words(text) or 'nothing'}",
            hint="was the .nb made for this chip and driver (stedgeai generate --target stm32mp25)?",
        )
    average = averages[-1]
    loops = int(average[1])
    if loops < 1:
        raise ToolOutputError("nbg_benchmark: an average over no loop")
    verify = [match for line in lines if (match := _VERIFY.match(line))]
    frequency = [int(match[1]) for line in lines if (match := _FREQUENCY.match(line))]
    peak = [int(match[1]) for line in lines if (match := _PEAK.match(line))]
    utilisation = [match for line in lines if (match := _UTILISATION.match(line))]
    what = "nbg_benchmark: MAC utilization"
    return NbgResult(
        loops=loops,
        mean_ns=_duration_ns(average[2], average[3], "nbg_benchmark: Average"),
        verify_ns=_duration_ns(verify[-1][1], verify[-1][2], "nbg_benchmark: verify") if verify else None,
        npu_hz=frequency[-1] if frequency else None,
        peak_bytes=peak[-1] if peak else None,
        mac_utilisation_percent=float(number(utilisation[-1][1], what)) if utilisation else None,
        case_mmac=float(number(utilisation[-1][2], what)) if utilisation else None,
        warmed=_WARMED in lines,
    )


def _duration_ns(milliseconds: str, microseconds: str | None, what: str) -> int:
    """The finer of the two figures."""
    if microseconds:
        return scaled(microseconds, 1000, what)
    return scaled(milliseconds, 10**6, what)
