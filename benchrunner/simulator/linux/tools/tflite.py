"""TensorFlow Lite's benchmark_model, as X-LINUX-AI ships it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from benchrunner.errors import BenchrunnerError
from benchrunner.simulator.linux.process import Process, encode
from benchrunner.simulator.linux.tools.network import (
    NATIVE_BASE_BYTES,
    Execution,
    load_network,
    problem_text,
)

VX_RETRY = "failed model not supported with VX-delegate external delegate retrying on CPU..."
_DEFAULTS = {
    "num_runs": "50",
    "min_secs": "1",
    "max_secs": "150",
    "num_threads": "1",
    "warmup_runs": "1",
    "warmup_min_secs": "0.5",
    "run_delay": "-1",
    "use_xnnpack": "",
    "enable_op_profiling": "false",
    "report_peak_memory_footprint": "false",
    "external_delegate_path": "",
    "graph": "",
    "profiling_output_csv_file": "",
    "input_layer_value_files": "",
    "print_preinvoke_state": "false",
}
_MAX_RUNS = 1_000_000
_MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of the tool."""

    init_us: int
    warmup_us: list[int]
    timed_us: list[int]
    peak_bytes: int
    execution: Execution

    @property
    def mean_us(self) -> float:
        return statistics.fmean(self.timed_us)


def benchmark_model(process: Process) -> int:
    options = dict(_DEFAULTS)
    for word in process.arguments[1:]:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in options or not equals:
            process.stderr.write(encode(f"ERROR: Unconsumed cmdline flags: {word}\n"))
            return 1
        options[name] = value
    process.out("INFO: STARTING!\nINFO: Log parameter values verbosely: [0]\n")
    process.out(f"INFO: Graph: [{options['graph']}]\n")
    try:
        data = process.machine.files.read(process.path(options["graph"]))
        measured = measure(process, data, options)
    except OSError:
        process.out(
            f"ERROR: Could not open '{options['graph']}'.\nERROR: Failed to mmap model {options['graph']}\n"
        )
        process.out("ERROR: Benchmarking failed.\n")
        return 1
    except BenchrunnerError as error:
        process.out(f"ERROR: {problem_text(error)}\nERROR: Benchmarking failed.\n")
        return 1
    except ValueError:
        process.out("ERROR: Failed to parse flags.\n")
        return 1
    _print(process, options, measured)
    return 0


def measure(process: Process, data: bytes, options: dict[str, str]) -> Measured:
    """Raises `BenchrunnerError`, `ValueError` for options that are no numbers."""
    machine = process.machine
    network = load_network(machine, data)
    delegate = options["external_delegate_path"]
    if delegate:
        machine.files.find(process.path(delegate))
    accelerated = bool(delegate) and machine.profile.has_npu
    execution = Execution(process, network, threads=int(options["num_threads"]), accelerated=accelerated)
    init = execution.load_ns()
    warmup = _times(
        execution, int(options["warmup_runs"]), float(options["warmup_min_secs"]), 150.0, cold=True
    )
    timed = _times(
        execution,
        int(options["num_runs"]),
        float(options["min_secs"]),
        float(options["max_secs"]),
        cold=False,
    )
    peak = NATIVE_BASE_BYTES + network.resident_bytes
    return Measured(init // 1000, warmup, timed, peak, execution)


def _times(execution: Execution, runs: int, least_s: float, most_s: float, *, cold: bool) -> list[int]:
    found: list[int] = []
    total_s = 0.0
    while (len(found) < runs or total_s < least_s) and total_s < most_s and len(found) < _MAX_RUNS:
        if not cold and len(found) == max(1, runs // 2):
            execution.midway()
        ns = execution.infer_ns(compiling=cold and not found)
        found.append(max(1, ns // 1000))
        total_s += ns / 1e9
    return found or [max(1, execution.infer_ns() // 1000)]


def _counts(times: list[int]) -> str:
    """A line of counts as 2.18 has it."""
    if len(times) == 1:
        return f"count=1 curr={times[0]}"
    ordered = sorted(times)

    def quantile(share: float) -> int:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return (
        f"count={len(times)} first={times[0]} curr={times[-1]} min={ordered[0]} max={ordered[-1]} "
        f"avg={statistics.fmean(times):.6g} std={int(statistics.pstdev(times))} "
        f"p5={quantile(0.05)} median={quantile(0.5)} p95={quantile(0.95)}"
    )


def _print(process: Process, options: dict[str, str], measured: Measured) -> None:
    profile = process.machine.profile
    execution = measured.execution
    process.out(f"INFO: Loaded model {options['graph']}\n")
    if options["external_delegate_path"]:
        process.out("INFO: Vx delegate: allowed_cache_mode set to 0.\nINFO: EXTERNAL delegate created.\n")
        if execution.fell_back:
            process.out(VX_RETRY + "\n")
        elif execution.accelerated:
            process.out(
                "INFO: Explicitly applied EXTERNAL delegate, and the model graph will be completely executed "
                "by the delegate.\n"
            )
    elif options["use_xnnpack"] == "true" or (profile.xnnpack and options["use_xnnpack"] != "false"):
        process.out("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
    process.out(f"INFO: The input model file size (MB): {len(execution.network.data) / 1e6:.6g}\n")
    process.out(f"INFO: Initialized session in {measured.init_us / 1000:.6g}ms.\n")
    process.out(
        "INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if "
    )
    process.out("exceeding 150 seconds.\n")
    process.out(f"INFO: {_counts(measured.warmup_us)}\n\nINFO: {_counts(measured.timed_us)}\n\n")
    if process.machine.faults.tool_without_result:
        return
    process.out(
        f"INFO: Inference timings in us: Init: {measured.init_us}, First inference: {measured.warmup_us[0]}, "
        f"Warmup (avg): {statistics.fmean(measured.warmup_us):.6g}, "
        f"Inference (avg): {measured.mean_us:.6g}\n"
    )
    grown = execution.network.resident_bytes
    process.out(
        "INFO: Note: memory as the tool sees it, which needs some itself.\n"
        f"INFO: Memory footprint delta from the start of the tool (MB): init={grown * 0.6 / _MEBIBYTE:.6g} "
        f"overall={grown / _MEBIBYTE:.6g}\n"
    )
    peak = measured.peak_bytes / _MEBIBYTE if options["report_peak_memory_footprint"] == "true" else -1 / 1024
    process.out(f"INFO: Overall peak memory footprint (MB) via periodic monitoring: {peak:.6g}\n")
    if options["enable_op_profiling"] == "true":
        process.out(_profile(measured))


_HEAD = ("[node type]", "[first]", "[avg ms]", "[%]", "[cdf%]", "[mem KB]", "[times called]", "[Name]")
_Row = tuple[str, float, float, float, str]  # type, ms, %, cumulated %, name


def _table(title: str, rows: list[_Row]) -> str:
    lines = [f"============================== {title} ==============================", _line(_HEAD)]
    lines += [
        _line((kind, f"{ms:.3f}", f"{ms:.3f}", f"{share:.3f}%", f"{sum_:.3f}%", "0.000", "1", name))
        for kind, ms, share, sum_, name in rows
    ]
    return "\n".join(lines) + "\n\n"


def _line(cells: tuple[str, ...]) -> str:
    widths = (24, 9, 9, 8, 8, 10, 14, 0)
    return "\t" + "\t".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


def _profile(measured: Measured) -> str:
    execution = measured.execution
    scale = measured.mean_us / max(1e-9, execution.prediction.total_ns / 1000)
    if execution.accelerated:
        times = [("Vx Delegate", measured.mean_us / 1000, "[delegate]:0")]
    else:
        times = [
            (layer.operator, ns / 1e6 * scale, f"[{layer.name}]:{layer.index}")
            for layer, ns in zip(execution.network.layers, execution.prediction.layer_ns, strict=True)
        ]
    total = sum(ms for _, ms, _ in times) or 1.0

    def rows(ordered: list[tuple[str, float, str]]) -> list[_Row]:
        found, so_far = [], 0.0
        for kind, ms, name in ordered:
            so_far += ms
            found.append((kind, ms, 100 * ms / total, 100 * so_far / total, name))
        return found

    kinds: dict[str, list[float]] = {}
    for kind, ms, _ in times:
        kinds.setdefault(kind, []).append(ms)
    summary = "".join(
        "\t"
        + "\t".join(
            (kind.rjust(24), f"{len(each):9d}", f"{sum(each):10.3f}", f"{100 * sum(each) / total:9.3f}%")
        )
        + f"\t{100.0:9.3f}%\t     0.000\t{len(each):9d}\n"
        for kind, each in kinds.items()
    )
    return (
        "INFO: Operator-wise Profiling Info for Regular Benchmark Runs:\n"
        + _table("Run Order", rows(times))
        + _table("Top by Computation Time", rows(sorted(times, key=lambda row: -row[1])[:10]))
        + f"Number of nodes executed: {len(times)}\n"
        "============================== Summary by node type ==============================\n"
        "\t             [Node type]\t  [count]\t  [avg ms]\t    [avg %]\t    [cdf %]\t"
        "  [mem KB]\t[times called]\n"
        + summary
        + f"\nTimings (microseconds): {_counts(measured.timed_us)}\nMemory (bytes): count=0\n"
        f"{len(times)} nodes observed\n\n"
    )
