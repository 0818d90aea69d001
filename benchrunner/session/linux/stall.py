"""A deadline for a command that says how far it is: it ends when nothing has been said for too long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from benchrunner.deadline import Deadline

_LONGEST_S: Final = 7 * 86_400.0
_ARMED_AFTER_S: Final = 3.0


class StallDeadline(Deadline):
    """Ends `budget_s` after the last `renew`, whatever the whole takes.

    In its first seconds it allows all the time there is: a shell that sets an alarm of its own when a command
    starts would otherwise cut a command that goes on for longer than the first budget.
    """

    __slots__ = ("_last_s", "_started_s")

    def __init__(self, budget_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(_LONGEST_S, clock=clock)
        self.budget_s = budget_s
        self._started_s = self._last_s = clock()

    def renew(self, budget_s: float) -> None:
        """Something was said; the next word may take `budget_s`."""
        self.budget_s = budget_s
        self._last_s = self._clock()

    def remaining_s(self) -> float:
        now_s = self._clock()
        left_s = super().remaining_s()
        if now_s - self._started_s < _ARMED_AFTER_S:
            return left_s
        return min(left_s, max(0.0, self._last_s + self.budget_s - now_s))
