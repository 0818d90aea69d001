"""The board's own tools on simulated boards, read by the parsers that read the real ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from linux_boards import shell_on

from benchrunner.deadline import Deadline
from benchrunner.errors import FallBackError, ToolMissingError, ToolOutputError
from benchrunner.model import layer_costs, parse_model
from benchrunner.protocol.linux_tools import parse_nbg_benchmark, parse_unified
from benchrunner.session.linux.tools import ToolLog, ToolRequest, ToolResult, find_tool, measure_with_tool
from benchrunner.simulator.linux import LinuxFaults, simulated_binary
from benchrunner.timing import predict_linux
from benchrunner.transport.ssh import SshShell
from benchrunner.zoo import resolve_model

MODEL = resolve_model("fdmobilenet_0.25_128_int8").read_bytes()
DELEGATE = "/usr/lib/libvx_delegate.so.2"
FILES = {"m.tflite": MODEL, "m.nb": simulated_binary(MODEL), "m.onnx": simulated_binary(MODEL)}


def prepared(shell: SshShell) -> SshShell:
    shell.run(["mkdir", "/tmp/models"], Deadline(60))
    for name, data in FILES.items():
        shell.put(data, f"/tmp/models/{name}", Deadline(60))
    return shell


def measured(shell: SshShell, engine: str, name: str, **options: object) -> ToolResult:
    request = ToolRequest(f"/tmp/models/{name}", "/tmp", runs=20, starts=2, **options)  # type: ignore[arg-type]
    return measure_with_tool(engine, shell, request, Deadline(60), ToolLog())


def text(shell: SshShell, *words: str) -> str:
    done = shell.run(list(words), Deadline(60))
    return (done.stdout + done.stderr).decode()


@pytest.fixture(scope="module")
def mp257() -> Iterator[SshShell]:
    with shell_on("stm32mp257f-dk") as shell:
        yield prepared(shell)


def test_benchmark_model_times_profiles_and_tells_its_memory(mp257: SshShell) -> None:
    result = measured(mp257, "benchmark-model", "m.tflite", threads=2)
    layers = layer_costs(parse_model(MODEL, "m"))
    expected = predict_linux(
        layers, "tflite", core="Cortex-A35", clock_hz=1_500_000_000, threads=2, x_linux_ai_version="v6.1.1"
    )

    assert result.version == "2.18.0"
    assert [start.timed_counts[0] for start in result.starts] == [
        pytest.approx(expected.total_ns, rel=0.05) for _ in range(2)
    ]
    assert isinstance(result.layers, tuple)
    assert len(result.layers) == len(layers)
    assert sum(layer.counts for layer in result.layers) == pytest.approx(expected.total_ns, rel=0.05)
    assert result.process_memory.peak_bytes > 9 << 20  # type: ignore[union-attr, operator]


def test_benchmark_model_proves_that_the_npu_ran(mp257: SshShell) -> None:
    result = measured(mp257, "benchmark-model", "m.tflite", delegate=DELEGATE)

    assert result.conditions["delegation"] == "complete"
    assert result.shares.cpu_percent == 0.0  # type: ignore[union-attr]


def test_nbg_benchmark_times_the_npu_and_tells_the_shares(mp257: SshShell) -> None:
    result = measured(mp257, "nbg", "m.nb")
    expected = predict_linux(
        layer_costs(parse_model(MODEL, "m")), "nbg", core="Cortex-A35", clock_hz=800_000_000
    )

    assert result.starts[0].timed_counts[0] == pytest.approx(expected.total_ns, rel=0.05)
    assert result.conditions["accelerator_clock_hz"] == 800_000_000
    assert result.shares.npu_percent == pytest.approx(100 * expected.npu_ns / expected.total_ns, abs=0.5)  # type: ignore[union-attr]
    assert "output_0.txt" in text(mp257, "ls", "/tmp")


def test_nbg_benchmark_exits_with_0_and_without_a_result_for_a_real_binary(mp257: SshShell) -> None:
    mp257.put(b"VPMN" + bytes(1000), "/tmp/real.nb", Deadline(60))
    tool = find_tool(mp257, "nbg_benchmark", Deadline(60))
    done = mp257.run([tool, "-m", "/tmp/real.nb"], Deadline(60))

    assert done.status == 0
    assert b"made for it, no real ones" in done.stderr
    with pytest.raises(ToolOutputError):
        parse_nbg_benchmark(done.stdout.decode())


def test_nbg_benchmark_computes_the_utilisation(mp257: SshShell) -> None:
    tool = find_tool(mp257, "nbg_benchmark", Deadline(60))
    result = parse_nbg_benchmark(text(mp257, tool, "-m", "/tmp/models/m.nb", "-l", "10", "-c", "4"))

    assert result.case_mmac == 4
    expected = 100 * 4e6 / (768 * 800e6 * result.mean_ns / 1e9)
    assert result.mac_utilisation_percent == pytest.approx(expected, abs=0.01)


def test_onnxruntime_perf_test_times_with_quantiles(mp257: SshShell) -> None:
    result = measured(mp257, "onnxruntime", "m.onnx", threads=2)

    assert "median" in str(result.conditions["estimator"])
    assert result.starts[0].timed_counts[0] > 1_000_000


def test_the_unified_table_has_a_row_for_each_model(mp257: SshShell) -> None:
    printed = text(mp257, "x-linux-ai-benchmark", "-d", "/tmp/models", "--export_results")
    report = parse_unified(printed)

    assert {row.runtime for row in report.rows} == {"nbg", "tflite", "onnxruntime"}
    assert report.machine["X-LINUX-AI Version"] == "v6.1.1"
    assert report.warnings
    assert "\x1b[34mNBG models benchmark\x1b[0m" in printed
    widths = {len(line) for line in printed.splitlines() if line.startswith("║") and "Model Name" in line}
    assert widths


def test_boards_without_npu_have_no_nbg_benchmark() -> None:
    with shell_on("stm32mp135f-dk") as shell:
        with pytest.raises(ToolMissingError):
            measured(prepared(shell), "nbg", "m.nb")
        report = parse_unified(text(shell, "x-linux-ai-benchmark", "-d", "/tmp/models"))

        assert [(row.runtime, row.npu_percent) for row in report.rows] == [
            ("tflite", None),
            ("onnxruntime", None),
        ]


@pytest.mark.parametrize(
    ("engine", "name", "tool"),
    [
        ("benchmark-model", "m.tflite", "benchmark_model"),
        ("nbg", "m.nb", "nbg_benchmark"),
        ("onnxruntime", "m.onnx", "onnxruntime_perf_test"),
    ],
)
def test_a_tool_can_be_missing_silent_or_fall_back(engine: str, name: str, tool: str) -> None:
    delegate = {"benchmark-model": DELEGATE, "onnxruntime": "vsinpu"}.get(engine)
    for faults, error in (
        (LinuxFaults(tool_missing=tool), ToolMissingError),
        (LinuxFaults(tool_without_result=True), ToolOutputError),
        (LinuxFaults(silent_cpu_fallback=True), FallBackError),
    ):
        with shell_on("stm32mp257f-dk", faults) as shell, pytest.raises(error):
            measured(prepared(shell), engine, name, delegate=delegate)
