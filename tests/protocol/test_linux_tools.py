"""Output of the board's own tools: literal lines of several versions, what is missing, and noise."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from benchrunner.errors import ToolOutputError
from benchrunner.protocol import linux_tools
from benchrunner.protocol.linux_tools import (
    Delegation,
    decode,
    fall_back_text,
    parse_benchmark_model,
    parse_driver_profile,
    parse_nbg_benchmark,
    parse_onnxruntime_perf_test,
    parse_profile,
    parse_unified,
    parse_unified_json,
    parse_x_linux_ai_version,
    shares_percent,
)

DATA = Path(__file__).parents[1] / "data" / "linux_tools"


def golden(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


PARSERS: dict[str, Callable[[str], object]] = {
    "benchmark_model_2_11.txt": parse_benchmark_model,
    "benchmark_model_2_18_profile.txt": parse_benchmark_model,
    "nbg_benchmark.txt": parse_nbg_benchmark,
    "onnxruntime_perf_test.txt": parse_onnxruntime_perf_test,
    "x_linux_ai_benchmark.txt": parse_unified,
    "x_linux_ai_benchmark.json": parse_unified_json,
}


def test_an_old_build_of_benchmark_model() -> None:
    found = parse_benchmark_model(golden("benchmark_model_2_11.txt"))
    assert (found.init_ns, found.first_ns) == (3_337_000, 81_913_000)
    assert (found.warmup_mean_ns, found.mean_ns) == (58_984_700, 56_265_800)
    assert found.warmup is not None
    assert (found.warmup.count, found.warmup.max_ns) == (9, 81_913_000)
    timed = found.timed
    assert (timed.count, timed.first_ns, timed.min_ns, timed.max_ns) == (
        1061,
        56_576_000,
        54_669_000,
        60_236_000,
    )
    assert (timed.mean_ns, timed.std_ns) == (56_265_800, 982_000)
    assert (timed.p5_ns, timed.median_ns, timed.p95_ns) == (None, None, None)
    assert found.init_footprint_bytes == round(2.43359 * 2**20)
    assert found.overall_footprint_bytes == round(8.67578 * 2**20)
    assert found.peak_bytes == round(93.2383 * 2**20)
    assert found.xnnpack_announced
    assert found.delegation is Delegation.UNKNOWN
    assert found.profile is None


def test_a_newer_build_of_benchmark_model_with_quantiles_delegate_and_profile() -> None:
    found = parse_benchmark_model(golden("benchmark_model_2_18_profile.txt"))
    assert (found.timed.count, found.timed.median_ns) == (142, 7_003_000)  # not the count= of the profile
    assert (found.timed.p5_ns, found.timed.p95_ns) == (6_985_000, 7_031_000)
    assert (found.delegation, found.delegate_kernels) == (Delegation.PARTIAL, 1)
    assert not found.xnnpack_announced
    assert found.peak_bytes is None  # it could not sample
    profile = found.profile
    assert profile is not None
    assert [node.operator for node in profile.nodes] == ["QUANTIZE", "Vx Delegate", "SOFTMAX"]
    assert [node.mean_ns for node in profile.nodes] == [210_000, 6_580_000, 210_000]
    assert (profile.executed, profile.delegated) == (3, 1)
    assert profile.delegate_percent == pytest.approx(94)
    assert profile.nodes[0].name == "[model/q]:0"


def test_profile_columns_are_found_by_name_whatever_their_order() -> None:
    text = (
        "Operator-wise Profiling Info for Regular Benchmark Runs:\n"
        "============================== Run Order ==============================\n"
        "\t             [node type]\t  [start]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]"
        "\t[times called]\t[Name]\n"
        "\t                 CONV_2D\t    0.000\t    4.269\t    4.269\t  0.107%\t  0.107%\t     0.000"
        "\t        1\t[conv]:0\n\n"
    )
    profile = parse_profile(text)
    assert profile is not None
    (node,) = profile.nodes
    assert (node.mean_ns, node.percent, node.times_called) == (4_269_000, 0.107, 1)
    spaced = parse_profile(text.replace("\t", "   "))
    assert spaced == profile


@pytest.mark.parametrize("cut", ["Run Order", "[node type]", "[avg ms]"])
def test_a_profile_without_its_columns_is_refused(cut: str) -> None:
    text = golden("benchmark_model_2_18_profile.txt")
    begin = text.index("Operator-wise")
    with pytest.raises(ToolOutputError, match="op profile"):
        parse_profile(text[:begin] + text[begin:].replace(cut, "x"))


def test_a_single_inference_has_no_spread() -> None:
    text = golden("benchmark_model_2_11.txt").replace(
        "count=1061 first=56576 curr=56299 min=54669 max=60236 avg=56265.8 std=982", "count=1 curr=5"
    )
    timed = parse_benchmark_model(text).timed
    assert (timed.count, timed.min_ns, timed.mean_ns, timed.std_ns) == (1, 5_000, 5_000, 0)


def test_without_a_warm_up_there_is_one_line_of_counts() -> None:
    text = golden("benchmark_model_2_11.txt").replace("INFO: count=9 ", "INFO: ")
    found = parse_benchmark_model(text)
    assert found.warmup is None
    assert found.timed.count == 1061


def test_large_figures_in_scientific_notation() -> None:
    text = golden("benchmark_model_2_11.txt").replace("avg=56265.8", "avg=1.23457e+06")
    assert parse_benchmark_model(text).timed.mean_ns == 1_234_570_000


@pytest.mark.parametrize(
    ("line", "delegation"),
    [
        ("Explicitly applied EXTERNAL delegate, and the model graph will be completely executed",
         Delegation.COMPLETE),
        ("Though EXTERNAL delegate is explicitly applied, the model graph will not be executed",
         Delegation.NONE),
    ],
)  # fmt: skip
def test_what_a_delegate_took_is_told(line: str, delegation: Delegation) -> None:
    text = f"INFO: {line} by the delegate.\n" + golden("benchmark_model_2_11.txt")
    assert parse_benchmark_model(text).delegation is delegation
    assert bool(fall_back_text(text)) == (delegation is Delegation.NONE)


def test_nbg_benchmark() -> None:
    found = parse_nbg_benchmark(golden("nbg_benchmark.txt"))
    assert (found.loops, found.mean_ns, found.verify_ns) == (10, 6_600_120, 12_345_000)
    assert (found.npu_hz, found.peak_bytes) == (800_000_000, 24_612_864)
    assert (found.mac_utilisation_percent, found.case_mmac) == (None, None)


def test_nbg_benchmark_with_a_count_of_macs_and_an_unreadable_clock() -> None:
    text = golden("nbg_benchmark.txt").replace("Info: NPU running at frequency: 800000000Hz.\n", "")
    text += "Info: MAC utilization is 12.34% with caseMAC set to 300 Million of MAC\n"
    found = parse_nbg_benchmark(text)
    assert (found.npu_hz, found.mac_utilisation_percent, found.case_mmac) == (None, 12.34, 300)


def test_onnxruntime_perf_test() -> None:
    found = parse_onnxruntime_perf_test(golden("onnxruntime_perf_test.txt"))
    assert (found.requests, found.mean_ns) == (100, 62_293_500)
    assert (found.first_ns, found.init_ns) == (85_000_000, 2_747_160_000)
    assert found.peak_bytes == 114_634_752
    assert found.cpu_percent == 74
    assert found.latencies_ns["min"] == 52_942_200
    assert found.latencies_ns["p50"] == 62_001_200
    assert len(found.latencies_ns) == 7


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("benchmark_model_2_11.txt", "Inference timings in us"),
        ("benchmark_model_2_11.txt", "count="),
        ("nbg_benchmark.txt", "Average:"),
        ("onnxruntime_perf_test.txt", "Average inference time cost"),
        ("x_linux_ai_benchmark.txt", "Model Name"),
        ("x_linux_ai_benchmark.json", "ime"),
    ],
)
def test_without_the_line_of_the_result_there_is_an_error_that_names_it(name: str, line: str) -> None:
    with pytest.raises(ToolOutputError) as refused:
        PARSERS[name](golden(name).replace(line, "x"))
    assert len(refused.value.message) < 500


@pytest.mark.parametrize("parser", list(PARSERS.values()))
def test_silence_is_no_result(parser: Callable[[str], object]) -> None:
    with pytest.raises(ToolOutputError):
        parser("")


@pytest.mark.parametrize("wrong", ["nan", "inf", "-5", "1e400", "abc", "1e99999999"])
def test_a_time_that_is_no_time_is_refused(wrong: str) -> None:
    with pytest.raises(ToolOutputError):
        parse_nbg_benchmark(f"Info: Loop:10,Average: 6.60 ms or {wrong} us")
    with pytest.raises(ToolOutputError):
        parse_onnxruntime_perf_test(f"Average inference time cost: {wrong} ms")
    with pytest.raises(ToolOutputError):
        parse_benchmark_model(golden("benchmark_model_2_11.txt").replace("avg=56265.8", f"avg={wrong}"))


def test_the_table_of_the_unified_benchmark() -> None:
    report = parse_unified(golden("x_linux_ai_benchmark.txt"))
    assert report.machine["X-LINUX-AI Version"] == "v6.1.0"
    assert report.machine["CPU cores"] == "2"
    assert [(row.runtime, row.model, row.latency_ns) for row in report.rows] == [
        ("nbg", "fdmobilenet_0.25_224_int8", 6_600_000),
        ("nbg", "st_fdmobilenet_v1_224_int8", 7_840_000),
        ("tflite", "fdmobilenet_0.25_224_int8", 11_850_000),
        ("onnxruntime", "resnet8", 4_120_000),
    ]
    first, _, processor, _ = report.rows
    assert (first.cpu_percent, first.gpu_percent, first.npu_percent) == (0.0, 87.72, 12.28)
    assert (processor.cpu_percent, processor.gpu_percent, processor.npu_percent) == (100.0, None, None)
    assert first.peak_bytes == 20 << 20
    assert "cold first one included" in first.estimator
    assert any("GPU usage is 87.72%" in warning for warning in report.warnings)
    assert any("retrying on CPU" in warning for warning in report.warnings)


def test_the_columns_of_the_unified_benchmark_may_move_or_be_drawn_with_plain_bars() -> None:
    text = (
        "TensorFlow Lite models benchmark\n"
        "| Peak RAM (MB) | Inference Time (ms) | Model Name | CPU % | GPU % | NPU % |\n"
        "+---------------+---------------------+------------+-------+-------+-------+\n"
        "| 20.5 | 1.25 | m | 100 | NA | NA |\n"
    )
    (row,) = parse_unified(text).rows
    assert (row.model, row.latency_ns, row.peak_bytes) == ("m", 1_250_000, round(20.5 * 2**20))


def test_json_of_the_unified_benchmark_is_read_by_what_its_keys_mean() -> None:
    report = parse_unified_json(golden("x_linux_ai_benchmark.json"))
    processor, accelerated = report.rows
    assert (processor.runtime, processor.model, processor.latency_ns) == (
        "tflite", "fdmobilenet_0.25_128_int8", 8_080_000,
    )  # fmt: skip
    assert (processor.cpu_percent, processor.npu_percent) == (100, None)
    assert (accelerated.runtime, accelerated.model, accelerated.npu_percent) == ("nbg", "f.nb", 12.28)
    assert report.machine["X-LINUX-AI Version"] == "v6.1.1"


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{", '{"a": NaN}', "3", '{"name": "m", "inference_time_ms": 3}']
)
def test_json_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ToolOutputError):
        parse_unified_json(text)


@pytest.mark.parametrize(
    "line",
    [
        "failed model not supported with VX-delegate external delegate retrying on CPU...",
        "failed model not supported with VSINPU execution provider, retrying on CPU...",
    ],
)
def test_a_silent_fall_back_is_heard(line: str) -> None:
    assert fall_back_text(f"INFO: x\n\x1b[31m{line}\x1b[0m\n") == line
    assert fall_back_text("INFO: all is well") == ""


def test_the_version_of_the_package() -> None:
    assert parse_x_linux_ai_version("\n\nX-LINUX-AI version: v6.1.1\n\n") == "v6.1.1"
    with pytest.raises(ToolOutputError):
        parse_x_linux_ai_version("sh: x-linux-ai: not found")


@pytest.mark.parametrize("name", list(PARSERS))
def test_whatever_the_board_prints_is_a_result_or_the_typed_error(name: str) -> None:
    draw = random.Random(name)
    raw = golden(name).encode()
    for _ in range(300):
        damaged = bytearray(raw)
        for _ in range(draw.choice((1, 3, 30))):
            match draw.randrange(4):
                case 0:
                    damaged[draw.randrange(len(damaged))] = draw.randrange(256)
                case 1:
                    at = draw.randrange(len(damaged))
                    damaged[at:at] = draw.randbytes(draw.randrange(1, 20))
                case 2:
                    at = draw.randrange(len(damaged))
                    del damaged[at : at + draw.randrange(1, 40)]
                    damaged = damaged or bytearray(b"x")
                case _:
                    lines = bytes(damaged).split(b"\n")
                    draw.shuffle(lines)
                    damaged = bytearray(b"\n".join(lines))
        text = decode(bytes(damaged))
        for parser in (*PARSERS.values(), parse_profile, parse_x_linux_ai_version):
            try:
                parser(text)
            except ToolOutputError:
                continue


def test_pure_noise_is_never_a_result() -> None:
    draw = random.Random(4)
    for size in (0, 1, 100, 20_000):
        text = decode(draw.randbytes(size))
        for parser in PARSERS.values():
            with pytest.raises(ToolOutputError):
                parser(text)
        assert linux_tools.plain(text) is not None


# --- forms of other versions, as public sources have them (docs/linux-boards.md); the numbers are made up ---


NEWER_ONNXRUNTIME = """Setting intra_op_num_threads to 1
Session creation time cost: 0.0812 s
First inference time cost: 41 ms
Total inference time cost: 0.3105 s
Total inference requests: 10
Average inference time cost total: 31.050000 ms
Total inference run time: 0.3107 s
Number of inferences per second: 32.1853
Avg CPU usage: 49 %
Peak working set size: 60817408 bytes
Avg CPU usage:49
Peak working set size:60817408
Runs:10
Min Latency: 0.0309 s
P50 Latency: 0.0310 s (31.00 ms)
"""
OLDER_ONNXRUNTIME = """Total time cost: 3.105
Total iterations: 100
Average time cost: 31.05 ms
Total run time: 3.107 s
Min Latency is 0.0309 sec
P50 Latency is 0.0310 sec
"""


def test_onnxruntime_perf_test_of_other_versions() -> None:
    newer, older = map(parse_onnxruntime_perf_test, (NEWER_ONNXRUNTIME, OLDER_ONNXRUNTIME))
    assert (newer.mean_ns, newer.requests, newer.first_ns) == (31_050_000, 10, 41_000_000)
    assert (newer.peak_bytes, newer.cpu_percent) == (60_817_408, 49.0)
    assert newer.latencies_ns == {"min": 30_900_000, "p50": 31_000_000}
    assert (older.mean_ns, older.requests, older.first_ns) == (31_050_000, 100, None)
    assert older.latencies_ns == {"min": 30_900_000, "p50": 31_000_000}


def test_the_first_line_without_a_space_is_read_as_well() -> None:
    text = (
        "Session creation time cost:1.5 s\nTotal inference requests:4\nAverage inference time cost:2.5 ms\n"
    )
    found = parse_onnxruntime_perf_test(text)
    assert (found.init_ns, found.requests, found.mean_ns) == (1_500_000_000, 4, 2_500_000)


BLOCK_PROFILE = """layer_id:3 layer_name:ConvolutionReluPoolingLayer
operation_id:0 operation_name:VXNNE_OPERATOR_CONVOLUTION operation_target:VXNNE_OPERATION_TARGET_NN
abs_op_id:5
execution time:             480 us
"""


def test_the_drivers_profile_of_older_and_newer_versions() -> None:
    layers = parse_driver_profile(golden("driver_profile_one_line.txt"))
    assert [(layer.operator, layer.unit, layer.time_ns) for layer in layers] == [
        ("RESHUFFLE", "npu", 120_000),
        ("CONVOLUTION", "npu", 480_000),
        ("SOFTMAX", "gpu", 200_000),
    ]
    assert shares_percent(layers) == {"npu": 75.0, "gpu": 25.0, "cpu": 0.0}
    (layer,) = parse_driver_profile(BLOCK_PROFILE)
    assert (layer.operator, layer.unit, layer.time_ns) == ("CONVOLUTION", "npu", 480_000)


def test_the_first_version_of_nbg_benchmark_runs_the_graph_once_before_it_times() -> None:
    plain = golden("nbg_benchmark.txt")
    first = plain.replace(
        "Info: Started running the graph [10] loops ...",
        "Info: Initialized the graph\nInfo: Started running the graph [10] loops ... device id[0].",
    )
    assert first != plain
    assert not parse_nbg_benchmark(plain).warmed
    assert parse_nbg_benchmark(first).warmed
    assert parse_nbg_benchmark(first).mean_ns == parse_nbg_benchmark(plain).mean_ns


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.", "XNNPACK"),
        ("INFO: Created TensorFlow Lite delegate for GPU.", "GPU"),
        ("INFO: Created TensorFlow Lite delegate for NNAPI.", "NNAPI"),
    ],
)
def test_a_delegate_is_announced_in_two_forms(line: str, name: str) -> None:
    text = golden("benchmark_model_2_11.txt").replace(
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.", line
    )
    assert parse_benchmark_model(text).delegates_created == (name,)


def test_a_graph_of_which_a_delegate_takes_nothing_is_told_by_its_sentence() -> None:
    said = (
        "Though NNAPI delegate is explicitly applied, the model graph will not be executed by the delegate."
    )
    text = golden("benchmark_model_2_11.txt").replace(
        "INFO: Loaded model", f"INFO: {said}\nINFO: Loaded model"
    )
    assert parse_benchmark_model(text).delegation is Delegation.NONE
    assert fall_back_text(text)
