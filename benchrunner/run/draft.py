"""What is known about a case while it runs, and the measurement that is made of it however it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from benchrunner import record
from benchrunner.protocol.messages import FidelityCode, Manifest, Memory
from benchrunner.record import (
    Fidelity,
    Footprint,
    Latency,
    LayerCounts,
    Measurement,
    NotMeasured,
    Outcome,
)
from benchrunner.run.prepare import Image, Prepared
from benchrunner.run.provenance import provenance
from benchrunner.run.request import RunRequest, Step

_UNTIMED = NotMeasured("the case ended before it was timed")
_UNCHECKED = NotMeasured("the case ended before it was checked")
_UNFLASHED = NotMeasured("the case ended before its image was on the board")
_UNMODELLED = NotMeasured("time is not modelled")


@dataclass(slots=True)
class Draft:
    """What is known about the case so far."""

    fidelity: Fidelity
    place: str = ""
    port: str = ""
    image: Image | None = None
    latency: Latency | NotMeasured = _UNTIMED
    layers: tuple[LayerCounts, ...] | NotMeasured = _UNTIMED
    memory: Memory | None = None
    output: record.OutputCheck | NotMeasured = _UNCHECKED
    clock: record.ClockCheck | NotMeasured = _UNCHECKED
    flashing: record.Flashing | NotMeasured = _UNFLASHED
    timing_model: record.TimingModel | NotMeasured = _UNMODELLED
    conditions: dict[str, str | int | bool] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def measurement(
        self,
        request: RunRequest,
        prepared: Prepared,
        *,
        outcome: Outcome,
        reason: str,
        step: Step,
        steps_ns: dict[str, int],
        started_at: datetime,
        duration_ns: int,
    ) -> Measurement:
        """The record of the case, with a reason in the place of every value that is not known."""
        return Measurement(
            case=prepared.case,
            fidelity=self.fidelity,
            outcome=outcome,
            reason=reason,
            step=step,
            latency=self.latency,
            layers=self.layers,
            footprint=_footprint(prepared, self),
            process_memory=NotMeasured("a microcontroller has no processes"),
            shares=NotMeasured("the core does all the work"),
            output=self.output,
            clock=self.clock,
            flashing=self.flashing,
            timing_model=self.timing_model,
            conditions=self.conditions,
            conditions_after={},
            steps_ns=steps_ns,
            provenance=provenance(
                request,
                started_at=started_at,
                duration_ns=duration_ns,
                place=self.place,
                port=self.port,
                image_sha256=self.image.info.image_sha256.hex() if self.image else "",
            ),
            warnings=tuple(self.warnings),
        )


def conditions(manifest: Manifest) -> dict[str, str | int | bool]:
    """What the device says about how it runs."""
    return {
        **{f"device.{key}": value for key, value in manifest.text.items()},
        "core_clock_hz": manifest.core_clock_hz,
        "icache": manifest.icache,
        "dcache": manifest.dcache,
        "prefetch": manifest.prefetch,
        "flash_wait_states": manifest.flash_wait_states,
        "time_scale_permille": manifest.time_scale_permille,
        "reset_cause": manifest.reset_cause,
        "protocol_version": manifest.protocol_version,
    }


def timing_model(manifest: Manifest) -> record.TimingModel | NotMeasured:
    """The model of time that a simulated board says it uses."""
    text = manifest.text
    if manifest.fidelity is not FidelityCode.SIMULATED:
        return _UNMODELLED
    try:
        return record.TimingModel(
            version=text["timing_model"],
            error_percent=float(text["timing_error_percent"]),
            basis=text["timing_basis"],
        )
    except (KeyError, ValueError):
        return NotMeasured("the simulated board does not say which model of time it uses")


def _footprint(prepared: Prepared, draft: Draft) -> Footprint:
    """Bytes by use: what the device reported, and what follows from the model alone."""
    memory = draft.memory
    ended = NotMeasured("the case ended before the device reported its memory")

    def known(value: int | None, what: str) -> int | NotMeasured:
        return value if value is not None else NotMeasured(f"the {draft.fidelity} board has no {what}")

    built = draft.image.built if draft.image else None
    if built is not None:
        ram, flash = built.footprint.ram_bytes, built.footprint.flash_bytes
        return Footprint(
            activation_ram_bytes=ram["activations"] + ram.get("scratch", 0),
            runtime_ram_bytes=built.footprint.runtime_ram_bytes,
            weights_flash_bytes=flash["weights"],
            code_flash_bytes=built.footprint.code_flash_bytes,
            stack_bytes=known(memory.stack_used_bytes, "stack") if memory else ended,
            heap_bytes=known(memory.heap_used_bytes, "heap") if memory else ended,
        )
    return Footprint(
        activation_ram_bytes=known(memory.arena_used_bytes, "arena") if memory else ended,
        runtime_ram_bytes=known(memory.static_bytes, "static data") if memory else ended,
        weights_flash_bytes=prepared.weight_bytes,
        code_flash_bytes=NotMeasured(
            "an image for the simulated board has no code"
            if draft.fidelity is Fidelity.SIMULATED
            else "the image was not built here"
        ),
        stack_bytes=known(memory.stack_used_bytes, "stack") if memory else ended,
        heap_bytes=known(memory.heap_used_bytes, "heap") if memory else ended,
    )
