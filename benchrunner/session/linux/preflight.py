"""Whether a Linux board is fit to be measured, and whether it stayed so while it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchrunner.board import LinuxSystem
from benchrunner.errors import NotFitError, WrongBoardError
from benchrunner.record import Fidelity
from benchrunner.session.linux.conditions import Conditions


class Policy(StrEnum):
    """What is done about a board that is not fit."""

    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class FitLimits:
    """From where on a board is not fit."""

    load_1min: float = 0.5  # before the case, of the whole board
    other_cpu_share: float = 0.2  # of one CPU, used by others during the case
    reading_cpu_s: float = 0.1  # what reading the conditions may take
    case_cpu_s: float = 0.5  # what the harness's own commands may take in a case, beside the runner
    frequency_change: float = 0.01
    margin_c: float = 5.0  # to the temperature at which the kernel slows the board down
    hottest_c: float = 85.0  # where no such temperature is told
    memory_factor: float = 4.0  # free memory for each byte of the model; the runtime comes on top
    memory_bytes: int = 48 << 20  # of a Python with numpy and the runtime


def check_identity(system: LinuxSystem, conditions: Conditions, where: str) -> None:
    """Raise `WrongBoardError` where the device tree is another board's. A generic board expects none."""
    if not system.device_tree:
        return
    names = (conditions.first("device_tree.model") or "", *conditions.compatible)
    if any(wanted in names for wanted in system.device_tree):
        return
    found = conditions.model or "no device tree"
    raise WrongBoardError(
        f"{where}: expected a device tree of {' or '.join(map(repr, system.device_tree))}, found {found!r}",
        hint="another board is at this address; nothing was copied. Any Linux machine runs as --board linux",
    )


def looks_busy(conditions: Conditions, limits: FitLimits) -> bool:
    """Whether the load is high. It lags by a minute, so a case before this one is in it, too."""
    return conditions.load_1min is not None and conditions.load_1min > limits.load_1min


def others_at_work(conditions: Conditions, later: Conditions | None, limits: FitLimits) -> str:
    """The load of others before the case, as a sentence; empty where there is none to speak of.

    `later` is a second reading where the first looked busy: what was done in between is what counts.
    """
    if not looks_busy(conditions, limits):
        return ""
    busy = other_cpus(conditions, later, limits.reading_cpu_s) if later is not None else None
    if busy is not None and busy <= limits.other_cpu_share:
        return ""
    return f"load {conditions.load_1min:.2f} (limit {limits.load_1min:g}): others are at work"


def unfit(
    conditions: Conditions, later: Conditions | None, *, model_bytes: int, limits: FitLimits
) -> list[str]:
    """What may spoil the numbers, one sentence each, before anything is measured.

    `later`: as for `others_at_work`.
    """
    found: list[str] = []
    for governor in conditions.governors:
        if governor != "performance" and _frequency_may_move(conditions):
            found.append(f"governor {governor!r}: the frequency may move during the run; --tune pins it")
    if busy := others_at_work(conditions, later, limits):
        found.append(busy)
    for zone in conditions.zones:
        limit_c = zone.passive_c - limits.margin_c if zone.passive_c is not None else limits.hottest_c
        if zone.temperature_c >= limit_c:
            found.append(
                f"{zone.name} is at {zone.temperature_c:.1f} °C (limit {limit_c:g}): let it cool down"
            )
    needed = round(model_bytes * limits.memory_factor) + limits.memory_bytes
    free = conditions.available_bytes
    if free is not None and free < needed:
        found.append(
            f"{free >> 20} MiB of memory are free; the model and its runtime may need {needed >> 20}"
        )
    return found


def _frequency_may_move(conditions: Conditions) -> bool:
    if conditions.fidelity is Fidelity.EMULATED:
        return False  # its files of the clock have no clock behind them
    low, high = conditions.of_cpus("min_freq"), conditions.of_cpus("max_freq")
    return not low or low != high


def judge(problems: Sequence[str], policy: Policy, where: str) -> None:
    """Raise `NotFitError` where the policy is to refuse."""
    if problems and policy is Policy.REFUSE:
        raise NotFitError(
            f"{where}: not fit to be measured: {'; '.join(problems)}",
            hint="put it right, or take --policy warn to measure all the same",
        )


def degradations(
    before: Conditions,
    after: Conditions,
    frequencies: Iterable[Mapping[int, tuple[int, int]]],
    *,
    own_cpu_s: float,
    limits: FitLimits,
) -> list[str]:
    """How the board's conditions moved while it was measured, one sentence each.

    `frequencies`: lowest and highest of the CPUs that worked, in kHz, as each start saw them while it worked.
    """
    found: list[str] = []
    if before.governors != after.governors:
        found.append(f"governor changed from {_names(before.governors)} to {_names(after.governors)}")
    for what, name in (("max_freq", "highest"), ("min_freq", "lowest")):
        earlier, later = before.of_cpus(what), after.of_cpus(what)
        if earlier != later:
            found.append(f"{name} frequency changed from {_khz(earlier)} to {_khz(later)}")
    seen = [khz for start in frequencies for limits_khz in start.values() for khz in limits_khz]
    if seen and max(seen) - min(seen) > limits.frequency_change * max(seen):
        found.append(f"the CPU ran at {min(seen) / 1000:g} to {max(seen) / 1000:g} MHz")
    elif not seen and before.governors == after.governors == ("performance",):
        earlier, later = before.of_cpus("cur_freq"), after.of_cpus("cur_freq")
        if earlier != later:
            found.append(f"the frequency changed from {_khz(earlier)} to {_khz(later)}")
    if before.npu_clock_hz != after.npu_clock_hz:
        found.append(f"NPU/GPU clock changed from {before.npu_clock_hz} to {after.npu_clock_hz} Hz")
    earlier_counts, later_counts = before.throttle_counts, after.throttle_counts
    slowed = [name for name, count in later_counts.items() if count > earlier_counts.get(name, 0)]
    if slowed:
        found.append(f"throttled: {', '.join(slowed)} went up")
    for zone in after.zones:
        if zone.passive_c is not None and zone.temperature_c >= zone.passive_c:
            found.append(
                f"{zone.name} reached {zone.temperature_c:.1f} °C, where the kernel slows the board down"
            )
    others = other_cpus(before, after, own_cpu_s + limits.case_cpu_s)
    if others is not None and others > limits.other_cpu_share:
        found.append(f"others used {others:.2f} CPUs (limit {limits.other_cpu_share:g})")
    return found


def other_cpus(before: Conditions, after: Conditions, own_cpu_s: float) -> float | None:
    """CPUs that were busy with something else between two readings, on average; None where nothing tells."""
    first, last = before.cpu_seconds, after.cpu_seconds
    if first is None or last is None or last[1] <= first[1]:
        return None
    cpus = before.cpus or len(before.online) or 1
    duration_s = (last[1] - first[1]) / cpus
    return max(0.0, last[0] - first[0] - own_cpu_s) / duration_s


def _names(governors: Sequence[str]) -> str:
    return " ".join(governors) or "none"


def _khz(frequencies: Mapping[int, str]) -> str:
    return " ".join(dict.fromkeys(frequencies.values())) + " kHz" if frequencies else "none"
