"""Convolutions and fully connected layers give the oracle's bytes and touch nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layer_host import Layers, host
from oracle_check import assert_equals_the_oracle
from weighted_models import Layer, convolutions, depthwise_in_fours, fully_connected, pointwise

drawn = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layers]:
    for machine in host(tmp_path_factory.mktemp("weighted")):
        yield Layers(machine)


@drawn
@given(layer=convolutions("CONV_2D"))
def test_a_convolution_equals_the_oracle(layers: Layers, layer: Layer) -> None:
    assert_equals_the_oracle(layers, layer)


@drawn
@given(layer=pointwise())
def test_a_convolution_of_single_pixels_equals_the_oracle(layers: Layers, layer: Layer) -> None:
    assert_equals_the_oracle(layers, layer)


@drawn
@given(layer=depthwise_in_fours(st.just((3, 3))))
def test_a_depthwise_convolution_of_3x3_equals_the_oracle(layers: Layers, layer: Layer) -> None:
    assert_equals_the_oracle(layers, layer)


@drawn
@given(layer=depthwise_in_fours(st.tuples(st.integers(1, 5), st.integers(1, 5))))
def test_a_depthwise_convolution_in_fours_equals_the_oracle(layers: Layers, layer: Layer) -> None:
    assert_equals_the_oracle(layers, layer)


@drawn
@given(layer=convolutions("DEPTHWISE_CONV_2D"))
def test_a_depthwise_convolution_equals_the_oracle(layers: Layers, layer: Layer) -> None:
    assert_equals_the_oracle(layers, layer)


@drawn
@given(layer=fully_connected())
def test_a_fully_connected_layer_equals_the_oracle(layers: Layers, layer: Layer) -> None:
    assert_equals_the_oracle(layers, layer)
