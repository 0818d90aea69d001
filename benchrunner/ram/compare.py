"""A measured and a documented amount of RAM beside the planned ones: what of the difference has a reason."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from benchrunner.ram import Arrangement, Explanation

_CLOSE = 0.02  # figures that people pass on are rounded: 235 kB, 64 kB


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes more (or less) than before it, and why."""

    size_bytes: int
    text: str


@dataclass(frozen=True, slots=True)
class Account:
    """Steps that start at 0, or at the documented figure, and come nearest to the measured one.

    `unexplained_bytes` is the measured figure less where they end. What the tool that was measured really
    does is not known here: the steps are arithmetic, `close` says whether it is near enough to be a reason.
    """

    start_bytes: int
    steps: tuple[Step, ...]
    unexplained_bytes: int
    close: bool
    others: int  # further combinations of the same habits that come as near


def account(explanation: Explanation, measured_bytes: int, documented_bytes: int | None = None) -> Account:
    """The combination of habits whose sum is nearest to `measured_bytes`."""
    runtime = explanation.runtime.total_bytes
    found = sorted(
        (abs(measured_bytes - total), number, combination, total)
        for number, (combination, total) in enumerate(
            (
                ((index, held, counted), a.arena_bytes + held * explanation.input_bytes + counted * runtime)
                for (index, a), held, counted in product(
                    enumerate(explanation.arrangements), (False, True), (False, True)
                )
            )
        )
    )
    limit = _CLOSE * measured_bytes
    distance, _, (index, held, counted), total = found[0]
    start = documented_bytes or 0
    steps = _arena_steps(explanation, explanation.arrangements[index], start)
    if held:
        steps.append(Step(explanation.input_bytes, "the input held beside the activations"))
    if counted:
        steps.append(Step(runtime, "runtime and stack, as large as this project's"))
    assert start + sum(step.size_bytes for step in steps) == total
    near = sum(1 for other, *_ in found[1:] if other <= limit)
    return Account(start, tuple(steps), measured_bytes - total, distance <= limit, near)


def _arena_steps(explanation: Explanation, chosen: Arrangement, start: int) -> list[Step]:
    """From `start` over this engine's plan to the chosen one, one habit after the other."""
    arenas = {(a.overlaid, a.padding_apart): a.arena_bytes for a in explanation.arrangements}
    own = arenas[True, False]
    text = "activations and scratch as this engine plans them"
    steps = [Step(own - start, f"{text} ({own:,})" if start else text)]
    at = own
    if not chosen.overlaid:
        steps.append(Step(arenas[False, False] - at, "no output is laid over its input"))
        at = arenas[False, False]
    if chosen.padding_apart:
        steps.append(
            Step(arenas[chosen.overlaid, True] - at, "padding is a layer of its own, input and output whole")
        )
    return steps


def ruled_out(explanation: Explanation, measured_bytes: int) -> tuple[tuple[str, int], ...]:
    """Resolutions at which the largest tensor by itself is more than was measured, with its bytes."""
    return tuple(
        (change.name, change.largest_bytes)
        for change in explanation.changes
        if change.kind == "resolution" and change.largest_bytes > measured_bytes
    )


def below(explanation: Explanation, limit_bytes: int) -> tuple[str, ...]:
    """Names of what brings the total under the limit."""
    return tuple(
        change.name
        for change in explanation.changes
        if change.total_bytes is not None and change.total_bytes < limit_bytes
    )
