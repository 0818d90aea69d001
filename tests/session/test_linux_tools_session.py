"""The boards' own tools as engines: what is asked of them, what a record gets, and what is no result."""

from __future__ import annotations

import random
import stat
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tool_shell import Answer, LocalTools, ToolShell, lost

from benchrunner.deadline import Deadline
from benchrunner.errors import (
    FallBackError,
    LinkError,
    ModelError,
    ToolMissingError,
    ToolOutputError,
)
from benchrunner.protocol.linux_tools import parse_driver_profile, shares_percent
from benchrunner.record import NotMeasured, ProcessMemory, Shares
from benchrunner.session.linux.tools import (
    ToolLog,
    ToolRequest,
    ToolResult,
    find_tool,
    measure_with_tool,
    model_for,
)
from benchrunner.session.linux.tools.call import MAX_LOG_CHARACTERS
from benchrunner.transport.shell import Finished

DATA = Path(__file__).parents[1] / "data" / "linux_tools"
BENCHMARK_MODEL = "/usr/local/bin/tensorflow-lite-2.18.0/tools/benchmark_model"
NBG = "/usr/local/bin/nbg-benchmark-5.0.1/tools/nbg_benchmark"
ONNX = "/usr/local/bin/onnxruntime-1.19.2/tools/onnxruntime_perf_test"
REQUEST = ToolRequest(model="/tmp/x/m.tflite", folder="/tmp/x", runs=20, starts=3, threads=2)

COMMON = """INFO: Loaded model m.tflite
INFO: Initialized session in 3.337ms.
INFO: count=9 first=81913 curr=55502 min=55502 max=81913 avg=58984.7 std=8115
INFO: count=20 first=56576 curr=56299 min=54669 max=60236 avg=56265.8 std=982
INFO: Inference timings in us: Init: 3337, First inference: 81913, Warmup (avg): 58984.7, \
Inference (avg): 56265.8
"""
PEAK = "INFO: Overall peak memory footprint (MB) via periodic monitoring: 93.25\n"


def profile_of(*nodes: tuple[str, float]) -> str:
    total = sum(ms for _, ms in nodes)
    rows = "".join(
        f"\t{name:>24}\t{ms:9.3f}\t{ms:9.3f}\t{100 * ms / total:7.3f}%\t100.000%\t0.000\t1\t[x]:{n}\n"
        for n, (name, ms) in enumerate(nodes)
    )
    return (
        "Operator-wise Profiling Info for Regular Benchmark Runs:\n"
        "============================== Run Order ==============================\n"
        "\t[node type]\t[first]\t[avg ms]\t[%]\t[cdf%]\t[mem KB]\t[times called]\t[Name]\n"
        f"{rows}\nNumber of nodes executed: {len(nodes)}\n"
    )


CPU_PROFILE = profile_of(("CONV_2D", 50.0), ("SOFTMAX", 6.0))


def benchmark_model(
    argv: list[str], _environment: Mapping[str, str], *, extra: str = "", profile: str = CPU_PROFILE
) -> Finished:
    text = COMMON + extra
    if "--report_peak_memory_footprint=true" in argv:
        text += PEAK
    stdout = profile if "--enable_op_profiling=true" in argv else ""
    return Finished(0, stdout.encode(), text.encode())


def measured(
    engine: str, shell: ToolShell, request: ToolRequest = REQUEST, log: ToolLog | None = None
) -> ToolResult:
    return measure_with_tool(engine, shell, request, Deadline(60), log or ToolLog())


def test_benchmark_model_gives_a_value_for_each_start_and_says_which() -> None:
    shell, log = ToolShell([BENCHMARK_MODEL], benchmark_model), ToolLog()
    found = measured("benchmark-model", shell, log=log)
    assert [start.timed_counts for start in found.starts] == [(56_265_800,)] * 3
    assert [start.cold_counts for start in found.starts] == [81_913_000] * 3
    assert [start.init_counts for start in found.starts] == [3_337_000] * 3
    assert found.conditions["estimator"] == (
        "each start is the mean of 20 inferences after a warm-up, as benchmark_model gives it"
    )
    assert (found.version, found.tool) == ("2.18.0", BENCHMARK_MODEL)
    assert list(log.texts) == ["start 1", "start 2", "start 3", "peak memory", "profile"]
    assert log.texts["start 1"].startswith(f"$ {BENCHMARK_MODEL} --graph=/tmp/x/m.tflite --num_runs=20 ")
    assert "Inference (avg): 56265.8" in log.texts["start 1"]
    assert not found.warnings


def test_memory_and_profile_come_from_starts_of_their_own() -> None:
    shell = ToolShell([BENCHMARK_MODEL], benchmark_model)
    found = measured("benchmark-model", shell)
    timed = [argv for argv, _, _ in shell.calls[:3]]
    assert not [option for argv in timed for option in argv if "profiling" in option or "peak" in option]
    assert "--report_peak_memory_footprint=true" in shell.calls[3][0]
    assert "--enable_op_profiling=true" in shell.calls[4][0]
    assert isinstance(found.process_memory, ProcessMemory)
    assert found.process_memory.peak_bytes == round(93.25 * 2**20)
    assert not isinstance(found.layers, NotMeasured)
    assert [(layer.operator, layer.counts) for layer in found.layers] == [
        ("CONV_2D", 50_000_000),
        ("SOFTMAX", 6_000_000),
    ]
    assert all(folder == "/tmp/x" for _, _, folder in shell.calls)


def test_the_number_of_inferences_is_exact_and_the_warm_up_explicit() -> None:
    shell = ToolShell([BENCHMARK_MODEL], benchmark_model)
    measured("benchmark-model", shell, replace(REQUEST, warmups=7, xnnpack=False))
    for option in ("--min_secs=0", "--num_runs=20", "--num_threads=2", "--warmup_runs=7",
                   "--warmup_min_secs=0", "--use_xnnpack=false"):  # fmt: skip
        assert option in shell.calls[0][0]


def test_a_build_that_tells_medians_is_believed_to() -> None:
    quantiles = COMMON.replace("std=982", "std=982 p5=55000 median=56200 p95=59000")
    shell = ToolShell([BENCHMARK_MODEL], lambda argv, env: Finished(0, b"", quantiles.encode()))
    found = measured("benchmark-model", shell)
    assert found.starts[0].timed_counts == (56_200_000,)
    assert "median of 20 inferences" in str(found.conditions["estimator"])
    assert isinstance(found.layers, NotMeasured)
    assert any("no profile" in warning for warning in found.warnings)


def test_other_numbers_of_inferences_than_asked_for_are_named() -> None:
    shell = ToolShell([BENCHMARK_MODEL], benchmark_model)
    found = measured("benchmark-model", shell, replace(REQUEST, runs=50))
    assert "timed another number of inferences than 50 in 3 starts" in found.warnings[0]


def test_a_delegate_that_took_operators_is_proved_by_the_profile() -> None:
    profile = profile_of(("QUANTIZE", 1.0), ("Vx Delegate", 9.0))
    shell = ToolShell([BENCHMARK_MODEL], lambda argv, env: benchmark_model(argv, env, profile=profile))
    found = measured("benchmark-model", shell, replace(REQUEST, delegate="/usr/lib/libvx_delegate.so.2"))
    assert "--external_delegate_path=/usr/lib/libvx_delegate.so.2" in shell.calls[0][0]
    assert isinstance(found.shares, Shares)
    assert found.shares.cpu_percent == pytest.approx(10)
    assert isinstance(found.shares.npu_percent, NotMeasured)
    assert (found.conditions["delegated_nodes"], found.conditions["executed_nodes"]) == (1, 2)


@pytest.mark.parametrize(
    "extra",
    [
        "",  # the profile shows no delegate
        "INFO: Though EXTERNAL delegate is explicitly applied, the model graph will not be executed by the "
        "delegate.\n",
        "failed model not supported with VX-delegate external delegate retrying on CPU...\n",
    ],
)
def test_an_accelerated_run_that_the_cpu_did_is_no_result(extra: str) -> None:
    shell, log = ToolShell([BENCHMARK_MODEL], lambda a, e: benchmark_model(a, e, extra=extra)), ToolLog()
    with pytest.raises(FallBackError):
        measured("benchmark-model", shell, replace(REQUEST, delegate="/usr/lib/libvx_delegate.so.2"), log)
    assert "start 1" in log.texts


def test_that_xnnpack_is_announced_is_told_apart_from_what_it_took() -> None:
    extra = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
    shell = ToolShell([BENCHMARK_MODEL], lambda argv, env: benchmark_model(argv, env, extra=extra))
    found = measured("benchmark-model", shell)
    assert (found.conditions["xnnpack_announced"], found.conditions["delegated_nodes"]) == (True, 0)
    assert isinstance(found.shares, Shares)
    assert (found.shares.cpu_percent, str(found.shares.npu_percent)) == (
        100.0,
        "not measured: no accelerator was used",
    )


def nbg(argv: list[str], environment: Mapping[str, str], *, warm_us: int = 6600) -> Finished:
    loops = int(argv[argv.index("-l") + 1])
    mean = (10_000 + (loops - 1) * warm_us) / loops
    text = (
        f"Info: Network binary file set to: {argv[2]}\n"
        f"Info: Executing  {loops} inference(s) during this benchmark.\n"
        "Info: Verifying graph...\nInfo: Verifying graph took: 12ms or 12345us\n"
        "Info: NPU running at frequency: 800000000Hz.\n"
        f"Info: Loop:{loops},Average: {mean / 1000:.2f} ms or {mean:.2f} us\n"
        "Info: Peak working set size: 24612864 bytes\n"
    )
    if environment.get("CNN_PERF"):
        text = (
            "layer_id: 0 layer name: a operation[0]:VXNNE_OPERATOR_CONVOLUTION "
            "target:VXNNE_OPERATION_TARGET_SH.\n"
            "execution time:               877 us\n"
            "layer_id: 1 layer name: b operation[0]:VXNNE_OPERATOR_TENSOR_TRANS "
            "target:VXNNE_OPERATION_TARGET_TP.\n"
            "execution time:               123 us\n" + text
        )
    return Finished(0, text.encode(), b"")


def test_a_warm_time_of_the_npu_is_the_difference_of_two_processes() -> None:
    shell = ToolShell([NBG], nbg)
    found = measured("nbg", shell, replace(REQUEST, model="/tmp/x/m.nb"))
    loops = [argv[-1] for argv, _, _ in shell.calls]
    assert loops == ["1", "21", "1", "21", "1", "21", "1"]
    for start in found.starts:
        assert start.cold_counts == 10_000_000
        assert start.timed_counts[0] == pytest.approx(6_600_000, rel=1e-4)
        assert start.init_counts == 12_345_000
    assert found.conditions["accelerator_clock_hz"] == 800_000_000
    assert "two processes" in str(found.conditions["estimator"])
    assert isinstance(found.process_memory, ProcessMemory)
    assert found.process_memory.peak_bytes == 24_612_864


def test_warm_ups_of_the_npu_are_a_process_of_their_own() -> None:
    shell = ToolShell([NBG], nbg)
    found = measured("nbg", shell, replace(REQUEST, model="/tmp/x/m.nb", starts=1, warmups=5))
    assert [argv[-1] for argv, _, _ in shell.calls] == ["1", "5", "25", "1"]
    assert found.starts[0].timed_counts[0] == pytest.approx(6_600_000, rel=1e-4)
    assert found.starts[0].cold_counts == 10_000_000
    assert "after 5 others" in str(found.conditions["estimator"])


def test_warm_ups_that_a_tool_cannot_be_asked_for_are_named() -> None:
    shell = ToolShell([ONNX], lambda argv, _environment: onnxruntime(argv, 6.5, 4))
    assert (
        "10 cannot be asked for" in measured("onnxruntime", shell, replace(REQUEST, warmups=10)).warnings[0]
    )


def test_shares_of_npu_and_gpu_come_from_a_profiled_run_and_say_so() -> None:
    shell = ToolShell([NBG], nbg)
    found = measured("nbg", shell, replace(REQUEST, model="/tmp/x/m.nb"))
    assert isinstance(found.shares, Shares)
    shares = (found.shares.npu_percent, found.shares.gpu_percent, found.shares.cpu_percent)
    assert shares == pytest.approx((12.3, 87.7, 0))
    assert "separate profiled run" in found.shares.definition
    assert [bool(environment) for _, environment, _ in shell.calls] == [False] * 6 + [True]
    assert not isinstance(found.layers, NotMeasured)
    assert [layer.operator for layer in found.layers] == ["CONVOLUTION", "TENSOR_TRANS"]


def test_a_driver_that_prints_no_layer_times_leaves_the_shares_unmeasured() -> None:
    shell = ToolShell([NBG], lambda argv, _environment: nbg(argv, {}))
    found = measured("nbg", shell, replace(REQUEST, model="/tmp/x/m.nb"))
    assert isinstance(found.shares, NotMeasured)
    assert isinstance(found.layers, NotMeasured)
    assert len(found.starts) == 3


def test_a_cold_loop_that_takes_longer_than_all_loops_together_is_refused() -> None:
    shell = ToolShell([NBG], lambda argv, environment: nbg(argv, environment, warm_us=-480))
    with pytest.raises(ToolOutputError, match="1 cold loops took"):
        measured("nbg", shell, replace(REQUEST, model="/tmp/x/m.nb"))


def test_an_exit_status_of_0_without_a_result_is_a_failed_case() -> None:
    shell = ToolShell(
        [NBG], lambda _argv, _environment: Finished(0, b"Info: Verifying graph...\n", b"E: x\n")
    )
    with pytest.raises(ToolOutputError, match="printed no average"):
        measured("nbg", shell)


def test_an_exit_status_with_a_result_is_a_failed_case_too() -> None:
    shell = ToolShell([NBG], lambda argv, environment: replace(nbg(argv, environment), status=139))
    with pytest.raises(ToolOutputError, match="status 139"):
        measured("nbg", shell)


def test_onnxruntime_runs_the_command_of_st_and_takes_its_median() -> None:
    text = (DATA / "onnxruntime_perf_test.txt").read_bytes()
    shell = ToolShell([ONNX], lambda _argv, _environment: Finished(0, text, b""))
    found = measured("onnxruntime", shell, replace(REQUEST, model="/tmp/x/m.onnx"))
    assert " ".join(shell.calls[0][0][1:]) == "-I -m times -r 20 -P -y 1 -x 2 /tmp/x/m.onnx"
    assert [start.timed_counts for start in found.starts] == [(62_001_200,)] * 3
    assert found.starts[0].cold_counts == 85_000_000
    assert found.starts[0].init_counts == 2_747_160_000
    assert "median of 20 inferences" in str(found.conditions["estimator"])


def test_an_onnxruntime_that_tells_little_leaves_the_rest_unmeasured() -> None:
    shell = ToolShell([ONNX], lambda _a, _e: Finished(0, b"Average inference time cost: 62.5 ms\n", b""))
    found = measured("onnxruntime", shell)
    start = found.starts[0]
    assert start.timed_counts == (62_500_000,)
    assert isinstance(start.cold_counts, NotMeasured)
    assert isinstance(start.init_counts, NotMeasured)
    assert isinstance(found.process_memory, NotMeasured)


def onnxruntime(argv: list[str], npu_ms: float, npu_usage: int) -> Finished:
    ms, usage = (npu_ms, npu_usage) if "-e" in argv else (62.5, 180)
    return Finished(0, f"Average inference time cost: {ms} ms\nAvg CPU usage: {usage} %\n".encode(), b"")


@pytest.mark.parametrize(("npu_ms", "npu_usage"), [(6.5, 4), (6.5, 180), (60.0, 4), (120.0, 180)])
def test_an_execution_provider_is_compared_with_the_cpu(npu_ms: float, npu_usage: int) -> None:
    shell = ToolShell([ONNX], lambda argv, _environment: onnxruntime(argv, npu_ms, npu_usage))
    found = measured("onnxruntime", shell, replace(REQUEST, delegate="vsinpu"))
    assert [argv[-3:-1] for argv, _, _ in shell.calls[:3]] == [["-e", "vsinpu"]] * 3
    assert "-e" not in shell.calls[3][0]
    assert [start.timed_counts for start in found.starts] == [(round(npu_ms * 1e6),)] * 3
    assert isinstance(found.shares, NotMeasured)


def test_an_execution_provider_that_is_the_cpu_is_no_result() -> None:
    shell = ToolShell([ONNX], lambda argv, _environment: onnxruntime(argv, 60.0, 175))
    with pytest.raises(FallBackError, match="the CPU executed both"):
        measured("onnxruntime", shell, replace(REQUEST, delegate="vsinpu"))


@pytest.mark.parametrize("engine", ["benchmark-model", "nbg", "onnxruntime"])
def test_a_board_without_the_tool_says_what_to_install(engine: str) -> None:
    with pytest.raises(ToolMissingError, match="root@board:22: no ") as missing:
        measured(engine, ToolShell([], lost))
    assert "X-LINUX-AI" in missing.value.hint


def test_the_newest_of_several_versions_is_taken() -> None:
    older = BENCHMARK_MODEL.replace("2.18.0", "2.9.1")
    shell = ToolShell([BENCHMARK_MODEL, older, "/usr/bin/benchmark_model"], lost)
    assert find_tool(shell, "benchmark_model", Deadline(5)) == BENCHMARK_MODEL


@pytest.mark.parametrize("engine", ["benchmark-model", "nbg", "onnxruntime"])
def test_a_lost_connection_is_passed_on(engine: str) -> None:
    with pytest.raises(LinkError):
        measured(engine, ToolShell([BENCHMARK_MODEL, NBG, ONNX], lost))


SHELLS = [("sh",), ("bash", "--posix")]


@pytest.mark.parametrize("program", SHELLS)
def test_the_search_on_the_board_is_plain_shell(tmp_path: Path, program: tuple[str, ...]) -> None:
    root = tmp_path / "a board; $(touch x) *"
    shell = LocalTools([], lost, program=program)
    with pytest.raises(ToolMissingError):
        find_tool(shell, "benchmark_model", Deadline(60), root=str(root))
    for path in (BENCHMARK_MODEL, BENCHMARK_MODEL.replace("2.18.0", "2.9.1"), "/usr/bin/benchmark_model"):
        file = root / path[1:]
        file.parent.mkdir(parents=True)
        file.write_text("")
        file.chmod(0o755)
    (root / BENCHMARK_MODEL[1:]).chmod(0o644)  # cannot be executed
    found = find_tool(shell, "benchmark_model", Deadline(60), root=str(root))
    assert found == f"{root}{BENCHMARK_MODEL.replace('2.18.0', '2.9.1')}"
    with pytest.raises(ToolMissingError):
        find_tool(shell, "$(touch y); *", Deadline(60), root=str(root))
    assert not list(Path().glob("[xy]"))


@pytest.mark.parametrize(
    ("engine", "answer"),
    [("benchmark-model", benchmark_model), ("nbg", nbg)],
)
def test_a_tool_runs_on_the_cpus_that_were_asked_for(engine: str, answer: Answer) -> None:
    def unpinned(argv: list[str], environment: Mapping[str, str]) -> Finished:
        assert argv[:3] == ["taskset", "-c", "0,1"]
        return answer(argv[3:], environment)

    shell = ToolShell([BENCHMARK_MODEL, NBG], unpinned)
    assert len(measured(engine, shell, replace(REQUEST, affinity=(0, 1))).starts) == 3


def test_whatever_the_driver_prints_is_a_list_of_layers() -> None:
    draw = random.Random(7)
    words = ["target:", "VXNNE_OPERATION_TARGET_", "NN", "SH", " ", "\n", "execution time:", "12 us",
             "1e9 us",
             "99999999999999 us", "-3 us", "VXNNE_OPERATOR_", "\x1b[31m", "\r", "0.5 us"]  # fmt: skip
    for _ in range(2000):
        layers = parse_driver_profile("".join(draw.choices(words, k=draw.randrange(40))))
        assert all(layer.time_ns >= 0 and layer.unit in ("npu", "gpu", "cpu") for layer in layers)
        shares = shares_percent(layers)
        assert shares is None or sum(shares.values()) == pytest.approx(100)


def test_what_a_tool_prints_is_kept_up_to_a_bound() -> None:
    log = ToolLog()
    log.add("a", "x" * (MAX_LOG_CHARACTERS + 5))
    assert "[5 more characters were not kept]" in log.texts["a"]
    for number in range(40):
        log.add(str(number), "y" * MAX_LOG_CHARACTERS)
    assert sum(map(len, log.texts.values())) < (1 << 20) + 40 * 60


def test_times_of_the_driver_without_a_target_do_not_count() -> None:
    text = (
        "execution time: 5 us\ntarget:VXNNE_OPERATION_TARGET_NN\nexecution time: 3 us\nexecution time: 9 us\n"
    )
    (layer,) = parse_driver_profile(text)
    assert (layer.unit, layer.time_ns) == ("npu", 3_000)
    assert shares_percent((layer,)) == {"npu": 100.0, "gpu": 0.0, "cpu": 0.0}
    assert shares_percent(()) is None


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"tflite")
    return path


def converter(folder: Path, body: str) -> None:
    """A program of the converter's name, first on the PATH."""
    program = folder / "stedgeai"
    program.write_text(f"#!{sys.executable}\nimport pathlib, sys\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_a_network_binary_beside_the_model_is_taken(model: Path, tmp_path: Path) -> None:
    (tmp_path / "m.nb").write_bytes(b"nb")
    assert model_for("nbg", model, tmp_path / "out") == tmp_path / "m.nb"
    assert model_for("benchmark-model", model, tmp_path / "out") == model


def test_without_one_and_without_the_converter_it_is_asked_for(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="needs a network binary") as missing:
        model_for("nbg", model, tmp_path / "out")
    assert "stedgeai generate -m m.tflite --target stm32mp25" in missing.value.hint
    with pytest.raises(ToolMissingError, match=r"needs the model as \.onnx"):
        model_for("onnxruntime", model, tmp_path / "out")


def test_the_converter_makes_it_where_it_is_installed(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    converter(
        tmp_path,
        "a = sys.argv\n"
        "assert a[1:2] == ['generate'] and a[a.index('--target') + 1] == 'stm32mp25', a\n"
        "pathlib.Path(a[a.index('--output') + 1], 'made.nb').write_bytes(b'nb of ' + "
        "pathlib.Path(a[a.index('-m') + 1]).read_bytes())",
    )
    made = model_for("nbg", model, tmp_path / "out")
    assert made == tmp_path / "out" / "m.nb"
    assert made.read_bytes() == b"nb of tflite"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["m.nb"]


def test_a_converter_that_makes_nothing_is_quoted(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    converter(tmp_path, "print('E010: unsupported layer'); sys.exit(2)")
    with pytest.raises(ModelError, match=r"0 network binaries \(status 2\).*E010: unsupported layer"):
        model_for("nbg", model, tmp_path / "out")
