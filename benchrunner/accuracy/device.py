"""What a board is that answers many inputs, whatever is behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from benchrunner.record import Fidelity


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What answers, for the record."""

    fidelity: Fidelity
    board_name: str
    engine_version: str
    place: str
    port: str
    image_sha256: str  # empty: no image of ours, a file is executed
    conditions: dict[str, str | int | bool]
    warnings: tuple[str, ...]
    exact: str  # the kernel set of this computer that gives the same bytes; empty: none is known to
    kernels: str = ""  # of a runtime on the board, for people
    options: dict[str, str | int | bool] = field(default_factory=dict)


class DeviceAnswers(Protocol):
    """A board with the model on it. Inputs and outputs are raw tensors, one of each."""

    @property
    def facts(self) -> DeviceFacts: ...

    def answer(self, tensor: bytes) -> bytes:
        """The output for one input. Raises `LabError` and `CaseFailedError` as a run does."""
