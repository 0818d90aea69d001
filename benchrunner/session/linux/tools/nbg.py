"""ST's `nbg_benchmark`: without a warm-up, so a start is two processes; their difference is the warm time."""

from __future__ import annotations

from collections.abc import Callable

from benchrunner.deadline import Deadline
from benchrunner.errors import BenchrunnerError, LabError, ToolOutputError
from benchrunner.protocol.linux_tools import (
    PROFILING_ENVIRONMENT,
    DriverLayer,
    NbgResult,
    parse_driver_profile,
    parse_nbg_benchmark,
    shares_percent,
)
from benchrunner.record import LayerCounts, NotMeasured, ProcessMemory, Shares, Start
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

TOOL = "nbg_benchmark"
SHARES_OF_DRIVER = (
    "share of the layers' time in a separate profiled run of nbg_benchmark, as the driver prints it: "
    "NPU = NN, TP and SC, GPU = SH, CPU = SW"
)


def measure(
    shell: Shell,
    request: ToolRequest,
    deadline: Deadline,
    log: ToolLog,
    progress: Callable[[int, int], None],
) -> ToolResult:
    """For each start one process of one loop and one of `runs` loops more; then a profiled one.

    The mean of the tool has the cold first inference in it. (total of n + 1 loops - one cold loop) / n is the
    mean of the n others. With w warm-ups a third process tells what w loops take together.
    """
    tool = find_tool(shell, TOOL, deadline)
    warmups = max(1, request.warmups or 1)  # the cold one is always among them
    each = 2 if warmups == 1 else 3
    calls = each * request.starts + 1

    def run(name: str, number: int, loops: int) -> NbgResult:
        argv = pinned(request, [tool, "-m", request.model, "-l", str(loops)])
        found = parse_nbg_benchmark(call(shell, argv, name, deadline, log, folder=request.folder))
        if found.loops != loops:
            raise ToolOutputError(f"{TOOL}: {loops} loops were asked for, {found.loops} were run")
        progress(number, calls)
        return found

    starts, every = [], []
    for number in range(request.starts):
        name, begun = f"start {number + 1}", each * number
        cold = base = run(f"{name}, cold", begun + 1, 1)
        if warmups > 1:
            base = run(f"{name}, warm-up", begun + 2, warmups)
        warm = run(name, begun + each, warmups + request.runs)
        starts.append(_start(cold, base, warm))
        every += [cold, base, warm]
    warnings: list[str] = []
    layers = _profile(shell, tool, request, deadline, log, warnings)
    progress(calls, calls)
    peaks = [result.peak_bytes for result in every if result.peak_bytes is not None]
    unknown = NotMeasured(f"{TOOL} does not tell")
    conditions: dict[str, str | int | bool] = {
        "estimator": f"each start is the mean of {request.runs} inferences after "
        f"{'a cold one' if warmups == 1 else f'{warmups} others'}, from the totals of two processes, of "
        f"{warmups + request.runs} and {warmups} loops ({TOOL} knows no warm-up)",
        "input": f"{TOOL} draws the first input itself; others are what is in memory",
    }
    clocks = sorted({result.npu_hz for result in every if result.npu_hz is not None})
    if clocks:
        conditions["accelerator_clock_hz"] = clocks[-1]
    if len(clocks) > 1:
        warnings.append(f"the NPU's clock moved between starts: {clocks[0]} to {clocks[-1]} Hz")
    return ToolResult(
        tool=tool,
        version=tool_version(tool),
        starts=tuple(starts),
        layers=tuple(LayerCounts(n, layer.operator, layer.time_ns) for n, layer in enumerate(layers))
        or NotMeasured("the driver printed no layer times in the profiled run"),
        shares=_shares(layers),
        process_memory=ProcessMemory(unknown, unknown, max(peaks), f"ru_maxrss, as {TOOL} prints it")
        if peaks
        else NotMeasured(f"{TOOL} printed no peak working set size"),
        conditions=conditions,
        warnings=tuple(warnings),
    )


def _start(cold: NbgResult, base: NbgResult, warm: NbgResult) -> Start:
    """`base`: the loops that `warm` has before its timed ones, by themselves."""
    base_ns, total_ns = base.mean_ns * base.loops, warm.mean_ns * warm.loops
    warm_ns = (total_ns - base_ns) // (warm.loops - base.loops)
    if warm_ns <= 0:
        raise ToolOutputError(
            f"{TOOL}: {base.loops} cold loops took {base_ns} ns, {warm.loops} loops {total_ns} ns",
            hint="more runs make the warm loops outweigh a cold one that varies: --runs 100",
        )
    return Start(
        init_counts=NotMeasured(f"{TOOL} did not tell") if cold.verify_ns is None else cold.verify_ns,
        cold_counts=NotMeasured(f"this version of {TOOL} runs the graph once before it times")
        if cold.warmed
        else cold.mean_ns,
        warmup_counts=(),
        timed_counts=(warm_ns,),
        output_crc32=(),
    )


def _profile(
    shell: Shell, tool: str, request: ToolRequest, deadline: Deadline, log: ToolLog, warnings: list[str]
) -> tuple[DriverLayer, ...]:
    """Layer times of one inference; a profiled run that fails takes no time away."""
    argv = pinned(request, [tool, "-m", request.model, "-l", "1"])
    try:
        text = call(
            shell, argv, "profile", deadline, log, folder=request.folder, environment=PROFILING_ENVIRONMENT
        )
        return parse_driver_profile(text)
    except LabError:
        raise
    except BenchrunnerError as error:
        warnings.append(f"profiled run: {error.message}")
        return ()


def _shares(layers: tuple[DriverLayer, ...]) -> Shares | NotMeasured:
    found = shares_percent(layers)
    if found is None:
        return NotMeasured("the driver printed no layer times in the profiled run")
    return Shares(found["npu"], found["gpu"], found["cpu"], SHARES_OF_DRIVER)
