"""Time left for a piece of work: one deadline is handed down, five reads do not get five budgets."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchrunner.errors import DeadlineExceededError


class Deadline:
    """A point in time, on a monotonic clock that can be replaced in tests."""

    __slots__ = ("_clock", "_end_s", "budget_s")

    def __init__(self, budget_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.budget_s = budget_s
        self._clock = clock
        self._end_s = clock() + budget_s

    def remaining_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end_s - self._clock())

    @property
    def expired(self) -> bool:
        return self.remaining_s() <= 0.0

    def check(self, what: str, *, hint: str = "") -> None:
        """Raise `DeadlineExceededError` naming `what` if the time is up."""
        if self.expired:
            raise DeadlineExceededError(f"{what}: not done within {self.budget_s:g} s", hint=hint)

    def at_most(self, budget_s: float) -> Deadline:
        """A deadline for a part of the work: `budget_s` from now, but never later than this one."""
        return Deadline(min(budget_s, self.remaining_s()), clock=self._clock)
