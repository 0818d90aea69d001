"""Convolutions and fully connected layers give the oracle's bytes and touch nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from kernel_host import Driver, build_driver, run_layer
from weighted_models import Layer, convolutions, fully_connected

from benchrunner.firmware.lowering import lower
from benchrunner.runtime import ORACLE, Interpreter

drawn = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    found = Driver(build_driver(tmp_path_factory.mktemp("kernels")))
    yield found
    assert found.close() == 0


def assert_equals_the_oracle(driver: Driver, layer: Layer) -> None:
    data, model, stimulus = layer.build(), layer.model(), layer.stimulus()
    (expected,) = Interpreter(data, ORACLE).run([stimulus])
    lowered = lower(model, model.graph.operators[0])
    assert list(run_layer(driver, model, lowered, stimulus)) == list(expected)
    (overlap,) = lowered.overlaps
    assert list(run_layer(driver, model, lowered, stimulus, overlap.lead_bytes)) == list(expected)


@drawn
@given(layer=convolutions("CONV_2D"))
def test_a_convolution_equals_the_oracle(driver: Driver, layer: Layer) -> None:
    assert_equals_the_oracle(driver, layer)


@drawn
@given(layer=convolutions("DEPTHWISE_CONV_2D"))
def test_a_depthwise_convolution_equals_the_oracle(driver: Driver, layer: Layer) -> None:
    assert_equals_the_oracle(driver, layer)


@drawn
@given(layer=fully_connected())
def test_a_fully_connected_layer_equals_the_oracle(driver: Driver, layer: Layer) -> None:
    assert_equals_the_oracle(driver, layer)
