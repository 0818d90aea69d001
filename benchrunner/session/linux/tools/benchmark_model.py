"""TensorFlow Lite's `benchmark_model`: several starts, memory and profile each in a start of its own."""

from __future__ import annotations

from collections.abc import Callable

from benchrunner.deadline import Deadline
from benchrunner.errors import FallBackError, ToolOutputError
from benchrunner.protocol.linux_tools import (
    BenchmarkModelResult,
    Delegation,
    OpProfile,
    parse_benchmark_model,
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

TOOL = "benchmark_model"
SHARES_OF_PROFILE = "share of the operators' time in a separate profiled run of benchmark_model"
_MAX_SECONDS = 600  # its own limit of 150 s would silently time fewer inferences of a slow model
_PROFILED_RUNS = 10


def measure(
    shell: Shell,
    request: ToolRequest,
    deadline: Deadline,
    log: ToolLog,
    progress: Callable[[int, int], None],
) -> ToolResult:
    """Timed starts, then one for the memory and one for the profile: both disturb the times."""
    tool = find_tool(shell, TOOL, deadline)
    calls = request.starts + 2

    def run(name: str, number: int, *options: str, runs: int = request.runs) -> BenchmarkModelResult:
        argv = pinned(request, [tool, *_options(request, runs), *options])
        text = call(shell, argv, name, deadline, log, folder=request.folder)
        found = parse_benchmark_model(text)
        if request.delegate and found.delegation is Delegation.NONE:
            raise FallBackError(f"{TOOL}: the delegate {request.delegate} took no operator of the model")
        progress(number, calls)
        return found

    results = [run(f"start {n + 1}", n + 1) for n in range(request.starts)]
    warnings: list[str] = []
    memory = _optional(
        warnings,
        lambda: run("peak memory", calls - 1, "--report_peak_memory_footprint=true", runs=_PROFILED_RUNS),
    )
    profiled = _optional(
        warnings, lambda: run("profile", calls, "--enable_op_profiling=true", runs=_PROFILED_RUNS)
    )
    profile = profiled.profile if profiled else None
    if profiled and profile is None:
        warnings.append(f"this build of {TOOL} prints no profile of the operators")
    _prove_delegate(request, results, profile)
    short = sum(result.timed.count != request.runs for result in results)
    if short:
        warnings.append(f"{TOOL} timed another number of inferences than {request.runs} in {short} starts")
    return ToolResult(
        tool=tool,
        version=tool_version(tool),
        starts=tuple(_start(result) for result in results),
        layers=_layers(profile),
        shares=_shares(request, profile),
        process_memory=_memory(memory),
        conditions=_conditions(request, results, profile),
        warnings=tuple(warnings),
    )


def _options(request: ToolRequest, runs: int) -> list[str]:
    options = [
        f"--graph={request.model}",
        f"--num_runs={runs}",
        "--min_secs=0",  # otherwise the number of runs is only a minimum
        f"--max_secs={_MAX_SECONDS}",
        f"--num_threads={request.threads}",
    ]
    if request.warmups is not None:
        options += [f"--warmup_runs={request.warmups}", "--warmup_min_secs=0"]
    if request.xnnpack is not None:
        options.append(f"--use_xnnpack={str(request.xnnpack).lower()}")
    if request.delegate:
        options.append(f"--external_delegate_path={request.delegate}")
    return options


def _optional(warnings: list[str], run: Callable[[], BenchmarkModelResult]) -> BenchmarkModelResult | None:
    """A start that only adds detail: without it the case still has its times."""
    try:
        return run()
    except ToolOutputError as error:
        warnings.append(error.message)
        return None


def _prove_delegate(
    request: ToolRequest, results: list[BenchmarkModelResult], profile: OpProfile | None
) -> None:
    """A time counts as the accelerator's only where something shows that it took operators."""
    if not request.delegate:
        return
    told = all(result.delegation in (Delegation.PARTIAL, Delegation.COMPLETE) for result in results)
    if not told and not (profile and profile.delegated):
        raise FallBackError(
            f"{TOOL}: nothing shows that the delegate {request.delegate} took an operator of the model",
            hint="the log has what it printed; a build with op profiling would tell",
        )


def _figure(result: BenchmarkModelResult) -> int:
    return result.mean_ns if result.timed.median_ns is None else result.timed.median_ns


def _start(result: BenchmarkModelResult) -> Start:
    return Start(
        init_counts=result.init_ns,
        cold_counts=result.first_ns,
        warmup_counts=(),
        timed_counts=(_figure(result),),
        output_crc32=(),
    )


def _layers(profile: OpProfile | None) -> tuple[LayerCounts, ...] | NotMeasured:
    if profile is None:
        return NotMeasured(f"{TOOL} printed no profile of the operators")
    return tuple(LayerCounts(n, node.operator, node.mean_ns) for n, node in enumerate(profile.nodes))


def _shares(request: ToolRequest, profile: OpProfile | None) -> Shares | NotMeasured:
    if not request.delegate:
        unused = NotMeasured("no accelerator was used")
        return Shares(unused, unused, 100.0, "no accelerator was used")
    if profile is None:
        return NotMeasured(f"{TOOL} printed no profile of the operators")
    # NPU and GPU are one delegate here; only the driver's own profile tells them apart.
    inside = NotMeasured(
        f"the delegate's {profile.delegate_percent:.2f} % are not told apart by unit ({TOOL})"
    )
    return Shares(inside, inside, 100 - profile.delegate_percent, SHARES_OF_PROFILE)


def _memory(result: BenchmarkModelResult | None) -> ProcessMemory | NotMeasured:
    if result is None or result.peak_bytes is None:
        return NotMeasured(f"{TOOL} sampled no peak of its memory")
    unknown = NotMeasured(f"{TOOL} does not tell")
    return ProcessMemory(
        before_bytes=unknown,
        peak_before_bytes=unknown,
        peak_bytes=result.peak_bytes,
        source=f"{TOOL} --report_peak_memory_footprint, sampled by a thread in a separate start",
    )


def _conditions(
    request: ToolRequest, results: list[BenchmarkModelResult], profile: OpProfile | None
) -> dict[str, str | int | bool]:
    medians = all(result.timed.median_ns is not None for result in results)
    counts = sorted({result.timed.count for result in results})
    found: dict[str, str | int | bool] = {
        "estimator": f"each start is the {'median' if medians else 'mean'} of {counts[0]}"
        f"{f' to {counts[-1]}' if len(counts) > 1 else ''} inferences after a warm-up, as {TOOL} gives it",
        "threads": request.threads,
        "xnnpack_announced": any(result.xnnpack_announced for result in results),
    }
    if request.xnnpack is not None:
        found["xnnpack_requested"] = request.xnnpack
    if request.delegate:
        found["delegate"] = request.delegate
        found["delegation"] = results[0].delegation.value
    if profile:
        found["delegated_nodes"] = profile.delegated
        found["executed_nodes"] = profile.executed
    return found
