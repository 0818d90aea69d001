"""ST's nbg_benchmark: it executes network binaries on the NPU and GPU, without a warm-up."""

from __future__ import annotations

import random
from collections.abc import Mapping
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

_UNITS_OF_THE_NPU = 768  # multiply-accumulate units, as the tool divides by
_MAX_LOOPS = 1_000_000
_PROFILING = ("VIV_VX_PROFILE", "CNN_PERF", "NN_EXT_SHOW_PERF")


@dataclass(frozen=True, slots=True)
class NbgMeasured:
    verify_us: int
    total_us: float
    loops: int
    peak_bytes: int
    execution: Execution

    @property
    def mean_us(self) -> float:
        return self.total_us / self.loops


def nbg_benchmark(process: Process) -> int:
    words = process.arguments[1:]
    values: dict[str, str] = {}
    while words:
        option = words.pop(0)
        if option in ("-m", "-i", "-c", "-l") and words:
            values[option] = words.pop(0)
        elif option.startswith("--") and "=" in option:
            name, _, value = option[2:].partition("=")
            values[
                {"nb_file": "-m", "input_file": "-i", "case_mmac": "-c", "loops": "-l"}.get(name, name)
            ] = value
        elif option in ("-h", "--help"):
            process.out(
                "Usage: nbg_benchmark -m <nbg_file .nb> -i <input_file .tensor/.txt> -c <int> -l <int>\n"
            )
            return 0
    path, loops_text, case = values.get("-m", ""), values.get("-l", "1"), values.get("-c", "")
    if not path:
        process.out("Error: no network binary file has been set.\n")
        return 1
    loops = max(1, min(_MAX_LOOPS, int(loops_text) if loops_text.isdigit() else 1))
    process.out(f"Info: Network binary file set to: {path}\n")
    process.out(f"Info: Executing  {loops} inference(s) during this benchmark.\nInfo: Verifying graph...\n")
    try:
        data = process.machine.files.read(process.path(path))
        measured = measure(process, data, loops)
    except (OSError, BenchrunnerError, NotANetworkError) as error:
        reason = error.strerror if isinstance(error, OSError) else problem_text(error)
        process.stderr.write(f"Error: {path}: {reason}\nError: Fail to create the graph.\n".encode())
        return 0  # as the tool has it: its status says nothing
    _print(process, measured, case)
    return 0


def measure(process: Process, data: bytes, loops: int) -> NbgMeasured:
    """Raises `BenchrunnerError`, `NotANetworkError`."""
    network = load_network(process.machine, data, container=True)
    execution = Execution(process, network, accelerated=True)
    verify = execution.load_ns(verify=True)
    total = 0
    for number in range(loops):
        if number == loops // 2 and loops > 1:
            execution.midway()
        total += execution.infer_ns()
    return NbgMeasured(
        verify // 1000, total / 1000, loops, NATIVE_BASE_BYTES + network.resident_bytes, execution
    )


def _print(process: Process, measured: NbgMeasured, case: str) -> None:
    hz = process.machine.profile.accelerator_hz
    process.out(f"Info: Verifying graph took: {measured.verify_us // 1000}ms or {measured.verify_us}us\n")
    if measured.execution.fell_back:
        process.out("failed model not supported with VX-delegate external delegate retrying on CPU...\n")
    if hz is not None:
        process.out(f"Info: NPU running at frequency: {hz}Hz.\n")
    process.out(f"Info: Started running the graph [{measured.loops}] loops ...\n")
    if wants_profile(process.environment):
        process.out(driver_profile(measured.execution, process.machine.seed))
    if process.machine.faults.tool_without_result:
        process.stderr.write(b"Error: Fail to run the graph.\n")
        return
    if case.isdigit() and hz:
        used = 100 * int(case) * 1e6 / (_UNITS_OF_THE_NPU * hz * measured.mean_us / 1e6)
        process.out(f"Info: MAC utilization is {used:.2f}% with caseMAC set to {case} Million of MAC\n")
    else:
        process.out("Info: No Case MAC has been specified for this model.\n")
        process.out("Info: The MAC Utilization cannot be computed.\n")
    mean = measured.mean_us
    process.out(f"Info: Loop:{measured.loops},Average: {mean / 1000:.2f} ms or {mean:.2f} us\n")
    process.out(f"Info: Peak working set size: {measured.peak_bytes} bytes\n")
    for index, output in enumerate(measured.execution.network.cost.layers[-1:]):
        draw = random.Random(measured.loops)
        values = "".join(f"{draw.randrange(256)}\n" for _ in range(min(1000, output.output_elements)))
        process.machine.files.write(process.path(f"output_{index}.txt"), values.encode())


def wants_profile(environment: Mapping[str, str]) -> bool:
    return any(environment.get(name) == "1" for name in _PROFILING)


def driver_profile(execution: Execution, seed: int) -> str:
    """What the driver prints for each operation when it is asked for a profile."""
    prediction = execution.prediction
    total = max(1, prediction.npu_ns + prediction.gpu_ns)
    draw = random.Random(f"{seed} profile")
    lines = []
    for layer, ns in zip(execution.network.layers, prediction.layer_ns, strict=True):
        for target, share in (("TP", prediction.npu_ns / total), ("SH", prediction.gpu_ns / total)):
            if ns:
                us = ns * share / 1000 * (1.0 + draw.uniform(-0.002, 0.002))
                lines.append(
                    f"layer_id: {layer.index} layer name: {layer.operator} operation[0]: "
                    f"VXNNE_OPERATOR_{layer.operator} target: VXNNE_OPERATION_TARGET_{target}.\n"
                    f"execution time: {us:10.3f} us\n"
                )
    return "".join(lines)


def shares_percent(execution: Execution) -> tuple[float, float]:
    """NPU and GPU."""
    prediction = execution.prediction
    total = max(1, prediction.npu_ns + prediction.gpu_ns)
    return 100 * prediction.npu_ns / total, 100 * prediction.gpu_ns / total
