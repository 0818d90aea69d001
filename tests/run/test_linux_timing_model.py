"""What a record of a simulated Linux board says about its time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import record_factory as factory

from benchrunner.model import LayerCost, layer_costs, load_model
from benchrunner.record import NotMeasured, TimingModel
from benchrunner.run.linux_timing import simulated_timing
from benchrunner.zoo import resolve_model

CASE = factory.linux().case


@pytest.fixture(scope="module")
def layers() -> tuple[LayerCost, ...]:
    return tuple(layer_costs(load_model(resolve_model("fdmobilenet_0.25_128_int8"))))


@pytest.mark.parametrize(
    ("engine", "execution", "core", "threads", "words"),
    [
        ("tflite", "2 CPU", "Cortex-A7", 2, "Cortex-A7 2 threads"),
        ("benchmark-model", "1 CPU", "Cortex-A7", 1, "Cortex-A7 1 thread"),
        ("tflite", "2 CPU", "Cortex-A35", 2, "assumed to take 0.8"),
        ("nbg", "NPU/GPU", "Cortex-A35", 1, "OpenVX"),
        ("onnxruntime", "1 CPU", "Cortex-A7", 1, "stands in for ONNX Runtime"),
    ],
)
def test_a_simulated_time_names_its_model_and_its_error(
    layers: tuple[LayerCost, ...], engine: str, execution: str, core: str, threads: int, words: str
) -> None:
    case = replace(CASE, engine=engine, execution_engine=execution)
    found = simulated_timing(case, layers, core=core, threads=threads, x_linux_ai_version="v6.1.1")
    assert isinstance(found, TimingModel)
    assert words in found.basis
    assert found.version.startswith("mpu-")
    assert 2 < found.error_percent <= 50


def test_a_core_without_a_model_of_time_is_named(layers: tuple[LayerCost, ...]) -> None:
    found = simulated_timing(CASE, layers, core="Cortex-A72", threads=1, x_linux_ai_version="")
    assert isinstance(found, NotMeasured)
    assert "no timing model for Cortex-A72" in str(found)
