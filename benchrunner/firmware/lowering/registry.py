"""What a lowering is, and how it says no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchrunner.errors import UnsupportedOperatorError
from benchrunner.firmware.lowered import Lowered
from benchrunner.model import Model, Operator

# One operator as calls. Raises `UnsupportedOperatorError` with the reason alone; the caller adds the layer.
Lowering = Callable[[Model, Operator], Lowered]


@dataclass(frozen=True, slots=True)
class UnsupportedLayer:
    """A layer that the engine does not run, and why."""

    layer: int
    operator: str
    reason: str

    def __str__(self) -> str:
        return f"layer {self.layer} {self.operator}: {self.reason}"


def require(condition: bool, reason: str) -> None:
    """Raises `UnsupportedOperatorError` with `reason` where `condition` does not hold."""
    if not condition:
        raise UnsupportedOperatorError(reason)
