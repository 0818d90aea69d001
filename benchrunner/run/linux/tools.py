"""Engines that are the board's own tools: their file copied, the tool driven, its text kept."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchrunner.deadline import Deadline
from benchrunner.record import CounterUnit, Latency, NotMeasured
from benchrunner.resources import user_cache_folder
from benchrunner.run.linux.draft import LinuxDraft
from benchrunner.run.linux.prepare import PreparedLinux
from benchrunner.run.request import Observer, RunRequest, Step, StepTimer
from benchrunner.session.linux.tools import (
    MODEL_SUFFIXES,
    ToolLog,
    ToolRequest,
    measure_with_tool,
    model_for,
)
from benchrunner.transport.shell import Shell
from benchrunner.transport.staging import Staging

_NS: Final = 1_000_000_000


def copy(request: RunRequest, prepared: PreparedLinux, staging: Staging) -> ToolRequest:
    """Bring the model to the board in the form that the tool takes.

    Raises `ToolMissingError` where that form is not there and cannot be made.
    """
    options, deadline = request.linux, Deadline(request.limits.copy_s)
    folder = user_cache_folder() / "converted" / prepared.model.sha256[:32]
    data = _file(request, prepared, folder)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", prepared.model.name)[:100] + MODEL_SUFFIXES[request.engine]
    return ToolRequest(
        model=staging.put(data, name, deadline),
        folder=staging.make_folder("work", deadline),
        runs=request.runs,
        starts=options.starts,
        warmups=request.warmups,
        threads=options.threads,
        delegate=options.delegate,
        xnnpack=options.xnnpack,
        affinity=options.affinity,
    )


def _file(request: RunRequest, prepared: PreparedLinux, folder: Path) -> bytes:
    """The bytes that the tool is given. A simulated board takes a stand-in for the network binary or the ONNX
    model: it executes no real ones, and the converters need not be there.
    """
    if _takes_stand_in(request):
        from benchrunner.simulator.linux import simulated_binary

        return simulated_binary(prepared.model_bytes)
    return model_for(request.engine, request.model, folder).read_bytes()


def _takes_stand_in(request: RunRequest) -> bool:
    return request.simulate and MODEL_SUFFIXES[request.engine] != ".tflite"


def measure(
    request: RunRequest,
    tool_request: ToolRequest,
    shell: Shell,
    draft: LinuxDraft,
    timer: StepTimer,
    observer: Observer,
    *,
    counts_instructions: bool,
) -> None:
    """All calls of the tool. The raw text of each is in the record, also where one fails."""
    log = ToolLog()
    draft.output = NotMeasured("the tool keeps its outputs to itself")
    draft.logs, draft.tool_load = log.texts, log.load
    with timer(Step.START, request.engine):
        result = measure_with_tool(
            request.engine,
            shell,
            tool_request,
            Deadline(request.limits.tool_s),
            log,
            lambda done, total: observer.progress(done, total, "calls"),
        )
    draft.case = replace(draft.case, engine_version=result.version)
    draft.conditions |= {"tool": result.tool, **result.conditions}
    if _takes_stand_in(request):
        draft.conditions["model_file"] = "a stand-in that only simulated boards execute"
    clock_hz = result.conditions.get("accelerator_clock_hz")
    draft.note_accelerator_clock(clock_hz if isinstance(clock_hz, int) else None)
    draft.latency = Latency(
        unit=CounterUnit.INSTRUCTIONS if counts_instructions else CounterUnit.NANOSECONDS,
        counter_hz=_NS,
        starts=result.starts,
        overhead_counts=0,
        overhead_subtracted=False,
    )
    draft.layers, draft.shares, draft.process_memory = result.layers, result.shares, result.process_memory
    draft.warnings += result.warnings
