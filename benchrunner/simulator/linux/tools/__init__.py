"""The AI tools of a simulated board, in their real output formats, and where they are installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchrunner.simulator.linux.process import Program
from benchrunner.simulator.linux.tools.nbg import nbg_benchmark
from benchrunner.simulator.linux.tools.onnxruntime import onnxruntime_perf_test
from benchrunner.simulator.linux.tools.python import python
from benchrunner.simulator.linux.tools.tflite import benchmark_model
from benchrunner.simulator.linux.tools.unified import x_linux_ai, x_linux_ai_benchmark

if TYPE_CHECKING:
    from benchrunner.simulator.linux.machine import LinuxMachine

TOOLS: dict[str, Program] = {
    "benchmark_model": benchmark_model,
    "nbg_benchmark": nbg_benchmark,
    "onnxruntime_perf_test": onnxruntime_perf_test,
    "x-linux-ai": x_linux_ai,
    "x-linux-ai-benchmark": x_linux_ai_benchmark,
    "python3": python,
}


def places(machine: LinuxMachine) -> dict[str, list[tuple[str, int]]]:
    """Name of each tool -> the paths and sizes of its files on this board."""
    profile = machine.profile
    base = "/usr/local/bin"
    nbg = [(f"{base}/nbg-benchmark-6.4.19/tools/nbg_benchmark", 68_000)] if profile.has_npu else []
    return {
        "benchmark_model": [(f"{base}/tensorflow-lite-{profile.tflite}/tools/benchmark_model", 5_400_000)],
        "nbg_benchmark": nbg,
        "onnxruntime_perf_test": [
            (f"{base}/onnxruntime-{profile.onnxruntime}/tools/onnxruntime_perf_test", 900_000)
        ],
        "python3": [("/usr/bin/python3", 14_000), ("/usr/bin/python3.12", 14_000)],
    }
