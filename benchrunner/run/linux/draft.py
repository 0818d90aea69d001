"""What is known about a case on a Linux board while it runs, and the record that is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from benchrunner import record
from benchrunner.record import Case, Fidelity, Footprint, Latency, Measurement, NotMeasured, Outcome
from benchrunner.run.provenance import provenance
from benchrunner.run.request import RunRequest, Step
from benchrunner.session.linux.conditions import Conditions, Facts
from benchrunner.session.linux.tools.load import LoadSeen

_UNTIMED: Final = NotMeasured("the case ended before it was timed")
_UNCHECKED: Final = NotMeasured("the case ended before it was checked")
_NO_LAYERS: Final = NotMeasured("whole inferences are timed")
_UNMODELLED: Final = NotMeasured("time is not modelled")
_NO_FOOTPRINT: Final = NotMeasured("a Linux process: its memory is a figure of its own")


@dataclass(slots=True)
class LinuxDraft:
    """What is known about the case so far."""

    case: Case
    fidelity: Fidelity | None = None  # None until the board has said what it is
    place: str = ""
    port: str = ""
    latency: Latency | NotMeasured = _UNTIMED
    layers: tuple[record.LayerCounts, ...] | NotMeasured = _NO_LAYERS
    output: record.OutputCheck | NotMeasured = _UNCHECKED
    process_memory: record.ProcessMemory | NotMeasured = _UNTIMED
    shares: record.Shares | NotMeasured = _UNTIMED
    timing_model: record.TimingModel | NotMeasured = _UNMODELLED
    conditions: Facts = field(default_factory=dict)
    conditions_after: Facts = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    frequencies: list[dict[int, tuple[int, int]]] = field(default_factory=list)  # of each start, in kHz
    busy_before: str = ""  # load of others before the case, as a sentence
    own_cpu_s: float = 0.0  # of the processes that were measured
    tool_load: LoadSeen | None = None  # beside the board's own tool, where that measures

    def reached(self, conditions: Conditions, *, generic: bool) -> None:
        """The board has said what it is."""
        self.fidelity = conditions.fidelity
        self.conditions |= conditions.facts()
        clock_hz = conditions.clock_hz or self.case.clock_hz
        if isinstance(clock_hz, NotMeasured):
            clock_hz = NotMeasured("the board does not tell")
        self.case = replace(self.case, clock_hz=clock_hz)
        if generic:
            core = conditions.core or conditions.machine
            name = conditions.model or f"Linux, {core}"
            self.case = replace(self.case, board_name=name[:80])

    def note_accelerator_clock(self, clock_hz: int | None) -> None:
        """What NPU and GPU do runs at their clock; published tables print that."""
        if clock_hz and self.case.execution_engine == "NPU/GPU":
            self.case = replace(self.case, clock_hz=clock_hz)

    def measurement(
        self,
        request: RunRequest,
        *,
        outcome: Outcome,
        reason: str,
        step: Step,
        steps_ns: dict[str, int],
        started_at: datetime,
        duration_ns: int,
    ) -> Measurement:
        """The record of the case, with a reason in the place of every value that is not known."""
        assert self.fidelity is not None, "nothing is stored of a board that was not reached"
        return Measurement(
            case=self.case,
            fidelity=self.fidelity,
            outcome=outcome,
            reason=reason,
            step=step,
            latency=self.latency,
            layers=self.layers,
            footprint=Footprint(*[_NO_FOOTPRINT] * 6),
            process_memory=self.process_memory,
            shares=self.shares,
            output=self.output,
            clock=NotMeasured("the clock of the board's kernel was not held against another"),
            flashing=NotMeasured("a Linux board is not flashed"),
            timing_model=self.timing_model,
            conditions=self.conditions,
            conditions_after=self.conditions_after,
            steps_ns=steps_ns,
            provenance=provenance(
                request,
                started_at=started_at,
                duration_ns=duration_ns,
                place=self.place,
                port=self.port,
                image_sha256="",
            ),
            warnings=tuple(self.warnings),
            logs=self.logs,
        )
