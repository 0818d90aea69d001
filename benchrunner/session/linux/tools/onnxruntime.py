"""`onnxruntime_perf_test`: the command that ST runs, several times; on the CPU, or by the VSINPU provider."""

from __future__ import annotations

from collections.abc import Callable

from benchrunner.deadline import Deadline
from benchrunner.errors import FallBackError
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
# Nothing that the tool prints tells which provider executed a node. A run that takes the CPU's time and the
# CPU's share of the processor was the CPU's.
_SAME_TIME = 0.15
_SAME_USAGE = 0.8


def measure(
    shell: Shell,
    request: ToolRequest,
    deadline: Deadline,
    log: ToolLog,
    progress: Callable[[int, int], None],
) -> ToolResult:
    """The tool keeps its first inference out of the times, and has no other warm-up.

    With an execution provider one more start is made without it, to see that they differ.
    """
    tool = find_tool(shell, TOOL, deadline)
    calls = request.starts + bool(request.delegate)

    def run(name: str, number: int, provider: list[str]) -> OnnxruntimeResult:
        options = ["-I", "-m", "times", "-r", str(request.runs), "-P", "-y", "1", "-x", str(request.threads)]
        argv = pinned(request, [tool, *options, *provider, request.model])
        found = parse_onnxruntime_perf_test(call(shell, argv, name, deadline, log, folder=request.folder))
        progress(number, calls)
        return found

    provider = ["-e", request.delegate] if request.delegate else []
    results = [run(f"start {n + 1}", n + 1, provider) for n in range(request.starts)]
    if request.delegate:
        _prove_provider(request.delegate, results, run("control on the CPU", calls, []))
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
        warnings=(f"{TOOL} has one warm-up: {request.warmups} cannot be asked for",)
        if request.warmups not in (None, 1)
        else (),
    )


def _prove_provider(provider: str, results: list[OnnxruntimeResult], cpu: OnnxruntimeResult) -> None:
    """Raises `FallBackError` where a start with the provider cannot be told from one without it."""
    for result in results:
        same_time = abs(result.mean_ns / max(1, cpu.mean_ns) - 1) < _SAME_TIME
        same_usage = (
            result.cpu_percent is None
            or cpu.cpu_percent is None
            or result.cpu_percent >= _SAME_USAGE * cpu.cpu_percent
        )
        if same_time and same_usage:
            raise FallBackError(
                f"{TOOL}: with {provider} {result.mean_ns} ns and {result.cpu_percent} % of the CPU, without "
                f"{cpu.mean_ns} ns and {cpu.cpu_percent} %: the CPU executed both",
                hint="the model has operators that the provider does not take; the log has both outputs",
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
