"""onnxruntime_perf_test. Its times are TensorFlow Lite's: no published ones of ONNX Runtime could be used."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from benchrunner.errors import BenchrunnerError
from benchrunner.simulator.linux.process import Process
from benchrunner.simulator.linux.tools.network import (
    NATIVE_BASE_BYTES,
    Execution,
    NotANetworkError,
    load_network,
    problem_text,
)

VSINPU_RETRY = "failed model not supported with VSINPU execution provider, retrying on CPU..."
_VALUED = ("-m", "-r", "-y", "-x", "-e", "-p", "-t", "-o", "-c")
_MAX_RUNS = 1_000_000
_SESSION_BYTES = 24 << 20


@dataclass(frozen=True, slots=True)
class OrtMeasured:
    session_ns: int
    first_ns: int
    timed_ns: list[int]
    peak_bytes: int
    execution: Execution


def onnxruntime_perf_test(process: Process) -> int:
    words = process.arguments[1:]
    values: dict[str, str] = {}
    rest = []
    while words:
        word = words.pop(0)
        if word in _VALUED and words:
            values[word] = words.pop(0)
        elif not word.startswith("-"):
            rest.append(word)
    runs, threads = values.get("-r", "1000"), values.get("-x", "0")
    if not rest or not runs.isdigit() or not threads.isdigit():
        process.stderr.write(b"perf_test [options...] model_path [result_file]\n")
        return 1
    machine = process.machine
    try:
        measured = measure(
            process,
            machine.files.read(process.path(rest[0])),
            runs=max(1, min(_MAX_RUNS, int(runs))),
            threads=int(threads) or machine.profile.linux.cpus,
            accelerated=values.get("-e") == "vsinpu",
        )
    except (OSError, BenchrunnerError, NotANetworkError) as error:
        reason = error.strerror if isinstance(error, OSError) else problem_text(error)
        process.stderr.write(f"Load model from {rest[0]} failed: {reason}\n".encode())
        return 1
    if measured.execution.fell_back:
        process.out(VSINPU_RETRY + "\n")
    _print(process, measured)
    return 0


def measure(process: Process, data: bytes, *, runs: int, threads: int, accelerated: bool) -> OrtMeasured:
    """Raises `BenchrunnerError`, `NotANetworkError`."""
    machine = process.machine
    network = load_network(machine, data, container=True)
    on_npu = accelerated and machine.profile.has_npu
    execution = Execution(process, network, threads=threads, accelerated=on_npu)
    session = execution.load_ns()
    first = execution.infer_ns(compiling=True)
    timed = []
    for number in range(runs):
        if number == runs // 2:
            execution.midway()
        timed.append(execution.infer_ns())
    peak = NATIVE_BASE_BYTES + _SESSION_BYTES + network.resident_bytes
    return OrtMeasured(session, first, timed, peak, execution)


def _print(process: Process, measured: OrtMeasured) -> None:
    process.out(f"Session creation time cost: {measured.session_ns / 1e9:.6g} s\n")
    process.out(f"First inference time cost: {measured.first_ns // 1_000_000} ms\n")
    if process.machine.faults.tool_without_result:
        return
    ordered = sorted(measured.timed_ns)
    total = sum(ordered) / 1e9
    mean = statistics.fmean(ordered)
    cpus = process.machine.profile.linux.cpus
    usage = 2 if measured.execution.accelerated else round(100 * measured.execution.threads / cpus)

    def latency(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e9

    process.out(
        f"Total inference time cost: {total:.6g} s\nTotal inference requests: {len(ordered)}\n"
        f"Average inference time cost: {mean / 1e6:.6g} ms\n"
        f"Total inference run time: {total * 1.0003:.6g} s\n"
        f"Number of inferences per second: {1e9 / mean:.6g}\nAvg CPU usage: {usage} %\n"
        f"Peak working set size: {measured.peak_bytes} bytes\nAvg CPU usage:{usage}\n"
        f"Min Latency: {latency(0):.6g} s\nMax Latency: {ordered[-1] / 1e9:.6g} s\n"
    )
    for name, share in (("P50", 0.5), ("P90", 0.9), ("P95", 0.95), ("P99", 0.99), ("P999", 0.999)):
        process.out(f"{name} Latency: {latency(share):.6g} s\n")
