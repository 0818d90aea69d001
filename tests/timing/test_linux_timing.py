"""Time of models on Linux boards: near published rows; what is assumed is said, the rest is refused."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchrunner.errors import NoTimingModelError
from benchrunner.model import LayerKind
from benchrunner.timing import LinuxPrediction, load_linux_coefficients, predict_linux

TOOLS = Path(__file__).parents[2] / "tools"
A7_TWO, A7_ONE, ACCELERATOR = "Cortex-A7 2 threads", "Cortex-A7 1 thread", "NPU/GPU"


def differences(shipped: dict[str, Any], fitted: dict[str, Any], tolerance: float) -> list[str]:
    """Of the command that all fits share; found beside the tool once that is loaded."""
    found: list[str] = importlib.import_module("fit_command").differences(shipped, fitted, tolerance)
    return found


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_mpu_timing", TOOLS / "fit_mpu_timing.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fit_mpu_timing"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def fitted(tool: ModuleType) -> dict[str, Any]:
    found: dict[str, Any] = tool.document(tool.load_rows())
    return found


def network(tool: ModuleType, name: str, size: int) -> Sequence[Any]:
    layers: Sequence[Any] = tool.NETWORKS[name].build((size, size, 3)).layers
    return layers


def on_mp157(layers: Sequence[Any], **changes: Any) -> LinuxPrediction:
    return predict_linux(
        layers, "tflite", **({"core": "Cortex-A7", "clock_hz": 800_000_000, "threads": 2} | changes)
    )


def test_the_shipped_numbers_are_what_the_published_times_give(
    tool: ModuleType, fitted: dict[str, Any]
) -> None:
    shipped = json.loads(tool.COEFFICIENTS.read_text(encoding="utf-8"))
    assert differences(shipped, fitted, tolerance=1e-6) == []


@pytest.mark.parametrize("core", [A7_TWO, A7_ONE])
def test_networks_left_out_are_off_by_at_most_15_percent_on_the_processors(
    fitted: dict[str, Any], core: str
) -> None:
    assert fitted["errors"][core]["median_percent"] <= 15
    assert load_linux_coefficients().errors[core].median_percent == fitted["errors"][core]["median_percent"]


def test_the_error_on_npu_and_gpu_is_stated(fitted: dict[str, Any]) -> None:
    error = fitted["errors"][ACCELERATOR]
    assert error["networks"] == 2
    assert 10 < error["median_percent"] <= 25


def test_rows_that_only_repeat_an_older_table_are_not_counted_twice(tool: ModuleType) -> None:
    rows = tool.load_rows()
    assert (len(rows.cpu), len(rows.gpu), len(rows.npu), len(rows.left_out)) == (39, 4, 4, 16)
    assert len({(r.model, r.resolution, r.core, r.engine) for r in rows.cpu}) == len(rows.cpu)


def test_a_row_whose_layers_have_other_macs_is_refused(tool: ModuleType, tmp_path: Path) -> None:
    wrong = tmp_path / "calibration.csv"
    wrong.write_text(tool.CALIBRATION.read_text(encoding="utf-8").replace("11783232", "11783233"))
    with pytest.raises(ValueError, match="11783232 MACs, not 11783233"):
        tool.load_rows(wrong)


# Published by zoo 2.1.0 (X-LINUX-AI v5.1.0). These networks are in the fit: this is about units and clocks.
@pytest.mark.parametrize(
    ("name", "size", "core", "threads", "clock_hz", "published_ms"),
    [
        ("FdMobileNet 0.25", 224, "Cortex-A7", 2, 800_000_000, 22.76),
        ("FdMobileNet 0.25", 128, "Cortex-A7", 2, 800_000_000, 8.08),
        ("FdMobileNet 0.25", 224, "Cortex-A7", 1, 1_000_000_000, 33.50),
        ("ST FdMobileNet v1", 128, "Cortex-A7", 1, 1_000_000_000, 19.43),
    ],
)
def test_processors_take_about_the_published_time(
    tool: ModuleType, name: str, size: int, core: str, threads: int, clock_hz: int, published_ms: float
) -> None:
    found = predict_linux(
        network(tool, name, size), "benchmark-model", core=core, threads=threads, clock_hz=clock_hz
    )
    assert found.total_ns == pytest.approx(published_ms * 1e6, rel=0.20)
    assert (found.cpu_ns, found.npu_ns, found.gpu_ns) == (found.total_ns, 0, 0)
    assert sum(found.layer_ns) == found.total_ns


@pytest.mark.parametrize(
    ("name", "size", "published_ms", "npu_percent"),
    [("FdMobileNet 0.25", 224, 6.60, 12.28), ("FdMobileNet 0.25", 128, 2.17, 15.66),
     ("ST FdMobileNet v1", 224, 7.84, 10.82), ("ST FdMobileNet v1", 128, 2.85, 12.75)],
)  # fmt: skip
def test_npu_and_gpu_take_about_the_published_time_in_the_published_shares(
    tool: ModuleType, name: str, size: int, published_ms: float, npu_percent: float
) -> None:
    layers = network(tool, name, size)
    found = predict_linux(layers, "nbg", core="Cortex-A35", clock_hz=800_000_000)
    assert found.total_ns == pytest.approx(published_ms * 1e6, rel=0.25)
    assert 100 * found.npu_ns / found.total_ns == pytest.approx(npu_percent, abs=4)
    assert found.npu_ns + found.gpu_ns == found.total_ns == sum(found.layer_ns)
    assert found.cpu_ns == 0


def test_half_the_clock_takes_twice_the_time(tool: ModuleType) -> None:
    layers = network(tool, "MobileNetV1 0.25", 96)
    fast, slow = (on_mp157(layers, clock_hz=clock_hz).total_ns for clock_hz in (800_000_000, 400_000_000))
    assert slow == pytest.approx(2 * fast, rel=1e-6)


def test_one_thread_takes_longer_than_two_and_four_no_less_than_two(tool: ModuleType) -> None:
    layers = network(tool, "MobileNetV1 0.25", 96)
    one, two, four = (on_mp157(layers, threads=threads).total_ns for threads in (1, 2, 4))
    assert 1.5 < one / two < 2.2
    assert four == two


def test_a_prediction_says_how_far_it_may_be_off_and_on_what_it_stands(tool: ModuleType) -> None:
    found = on_mp157(network(tool, "FdMobileNet 0.25", 128))
    error = load_linux_coefficients().errors[A7_TWO]
    assert found.error_percent == error.median_percent
    assert found.version == load_linux_coefficients().version
    for part in ("TensorFlow Lite 2.11.0", "v5.1.0", A7_TWO, f"{error.rows} rows"):
        assert part in found.basis


def test_an_error_that_two_networks_of_one_family_make_small_is_not_promised(tool: ModuleType) -> None:
    found = on_mp157(network(tool, "FdMobileNet 0.25", 128), threads=1)
    error = load_linux_coefficients().errors[A7_ONE]
    assert found.error_percent == error.family_median_percent > 3 * error.median_percent
    assert "one thread is that of a chip with one CPU" in found.basis


def test_a_core_without_published_times_is_an_assumption_and_says_so(tool: ModuleType) -> None:
    layers = network(tool, "FdMobileNet 0.25", 128)
    found = on_mp157(layers, core="Cortex-A35", clock_hz=1_500_000_000)
    assert found.error_percent == 50
    assert "assumed to take 0.8 of the cycles of a Cortex-A7" in found.basis
    assert "assumed" not in on_mp157(layers).basis


@pytest.mark.parametrize(
    ("asked", "taken"), [("v5.0.0", "v5.0.0"), ("v6.1.1", "v5.1.0"), ("v2.2.0", "v3.0.0"), ("", "v3.0.0")]
)
def test_a_release_without_rows_takes_the_newest_earlier_one(
    tool: ModuleType, asked: str, taken: str
) -> None:
    found = on_mp157(network(tool, "FdMobileNet 0.25", 128), x_linux_ai_version=asked)
    assert f"X-LINUX-AI {taken} " in found.basis


@pytest.mark.parametrize(
    ("engine", "changes", "message"),
    [
        ("onnxruntime", {}, "no timing model for engine 'onnxruntime'"),
        ("tflite", {"core": "Cortex-A72"}, "expected one of Cortex-A7, Cortex-A35"),
        ("tflite", {"core": "Cortex-A7", "threads": 0}, "0 threads"),
        ("tflite", {"clock_hz": 0}, "0 Hz"),
        ("nbg", {"quantization": "per-tensor"}, "per-tensor weights on the NPU"),
    ],
)
def test_what_no_published_time_covers_is_refused(
    tool: ModuleType, engine: str, changes: dict[str, Any], message: str
) -> None:
    layers = network(tool, "FdMobileNet 0.25", 128)
    asked: dict[str, Any] = {"core": "Cortex-A35", "clock_hz": 1_000_000_000} | changes
    with pytest.raises(NoTimingModelError, match=message):
        predict_linux(layers, engine, **asked)


@pytest.mark.parametrize("engine", ["tflite", "nbg"])
def test_an_operator_that_is_not_known_is_refused_by_name(tool: ModuleType, engine: str) -> None:
    layers = list(network(tool, "FdMobileNet 0.25", 128))
    layers[3] = replace(layers[3], kind=LayerKind.UNKNOWN, operator="CUSTOM:FFT")
    with pytest.raises(NoTimingModelError, match="layer 3: CUSTOM:FFT"):
        predict_linux(layers, engine, core="Cortex-A7", clock_hz=1_000_000_000)
