"""`onnxruntime_perf_test`: the command that ST runs, several times; on the CPU, or by the VSINPU provider."""

from __future__ import annotations

from collections.abc import Callable

from benchrunner.deadline import Deadline
from benchrunner.protocol.linux_tools import OnnxruntimeResult, parse_onnxruntime_perf_test
from benchrunner.record import NotMeasured, ProcessMemory, Shares, Start
from benchrunner.session.linux.tools.call import (
    ToolLog,
    ToolRequest,
    ToolResult,
    call,
    find_tool,
    pinned,
    tool_version,
)
from benchrunner.transport.shell import Shell

TOOL = "onnxruntime_perf_test"


def measure(
    shell: Shell,
    request: ToolRequest,
    deadline: Deadline,
    log: ToolLog,
    progress: Callable[[int, int], None],
) -> ToolResult:
    """The tool keeps its first inference out of the times, and has no other warm-up."""
    tool = find_tool(shell, TOOL, deadline)
    argv = [tool, "-I", "-m", "times", "-r", str(request.runs), "-P", "-y", "1", "-x", str(request.threads)]
    if request.delegate:
        argv += ["-e", request.delegate]
    argv = pinned(request, [*argv, request.model])
    results = []
    for number in range(request.starts):
        text = call(shell, argv, f"start {number + 1}", deadline, log, folder=request.folder)
        results.append(parse_onnxruntime_perf_test(text))
        progress(number + 1, request.starts)
    medians = all("p50" in result.latencies_ns for result in results)
    peaks = [result.peak_bytes for result in results if result.peak_bytes is not None]
    unknown = NotMeasured(f"{TOOL} does not tell")
    conditions: dict[str, str | int | bool] = {
        "estimator": f"each start is the {'median' if medians else 'mean'} of {request.runs} inferences "
        f"after the first, as {TOOL} gives it",
        "input": f"{TOOL} draws the inputs itself",
        "threads": request.threads,
    }
    if request.delegate:
        conditions["execution_provider"] = request.delegate
    return ToolResult(
        tool=tool,
        version=tool_version(tool),
        starts=tuple(_start(result, medians=medians) for result in results),
        layers=NotMeasured(f"{TOOL} prints no layer times"),
        shares=_shares(request),
        process_memory=ProcessMemory(unknown, unknown, max(peaks), f"peak working set size of {TOOL}")
        if peaks
        else NotMeasured(f"{TOOL} printed no peak working set size"),
        conditions=conditions,
        warnings=(),
    )


def _start(result: OnnxruntimeResult, *, medians: bool) -> Start:
    missing = NotMeasured(f"{TOOL} did not tell")
    figure = result.latencies_ns["p50"] if medians else result.mean_ns
    return Start(
        init_counts=missing if result.init_ns is None else result.init_ns,
        cold_counts=missing if result.first_ns is None else result.first_ns,
        warmup_counts=(),
        timed_counts=(figure,),
        output_crc32=(),
    )


def _shares(request: ToolRequest) -> Shares | NotMeasured:
    if request.delegate:
        return NotMeasured(f"{TOOL} does not tell which unit executed which layer")
    unused = NotMeasured("no accelerator was used")
    return Shares(unused, unused, 100.0, "no accelerator was used")
