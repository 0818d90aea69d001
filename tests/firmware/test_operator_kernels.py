"""Every operator but the weighted ones gives the oracle's bytes and touches nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from drawn_elements import (
    activations,
    concatenations,
    from_float,
    pads,
    requantisations,
    reshapes,
    resizes,
    slices,
    splits,
    strided_slices,
    to_float,
    transposes,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layer_host import Layers, host
from oracle_check import assert_equals_the_oracle
from single_layers import OneLayer, means, pools, softmaxes, sums_and_products

from benchrunner.firmware.lowering import lower
from benchrunner.runtime import ORACLE, Interpreter

drawn = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layers]:
    for machine in host(tmp_path_factory.mktemp("layers")):
        yield Layers(machine)


@drawn
@given(layer=sums_and_products("ADD"))
def test_a_sum_equals_the_oracle(layers: Layers, layer: OneLayer) -> None:
    assert_equals_the_oracle(layers, layer)


@drawn
@given(layer=sums_and_products("SUB"))
def test_a_difference_equals_the_oracle(layers: Layers, layer: OneLayer) -> None:
    assert_equals_the_oracle(layers, layer)


@drawn
@given(layer=sums_and_products("MUL"))
def test_a_product_equals_the_oracle(layers: Layers, layer: OneLayer) -> None:
    assert_equals_the_oracle(layers, layer)


@pytest.mark.parametrize("operator", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@drawn
@given(data=st.data())
def test_a_pool_equals_the_oracle(layers: Layers, operator: str, data: st.DataObject) -> None:
    assert_equals_the_oracle(layers, data.draw(pools(operator)))


@drawn
@given(layer=means())
def test_a_mean_equals_the_oracle(layers: Layers, layer: OneLayer) -> None:
    assert_equals_the_oracle(layers, layer)


@drawn
@given(layer=softmaxes())
def test_a_softmax_equals_the_oracle(layers: Layers, layer: OneLayer) -> None:
    assert_equals_the_oracle(layers, layer)


ELEMENTS = ("LOGISTIC", "TANH", "HARD_SWISH", "RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU")


@pytest.mark.parametrize("operator", ELEMENTS)
@drawn
@given(data=st.data())
def test_all_256_values_of_an_activation_equal_the_oracles(
    layers: Layers, operator: str, data: st.DataObject
) -> None:
    assert_equals_the_oracle(layers, data.draw(activations(operator)))


@pytest.mark.parametrize("drawn_layers", [requantisations(), from_float(), to_float()])
@drawn
@given(data=st.data())
def test_quantising_equals_the_oracle(
    layers: Layers, drawn_layers: st.SearchStrategy[OneLayer], data: st.DataObject
) -> None:
    assert_equals_the_oracle(layers, data.draw(drawn_layers))


MOVES = {
    "CONCATENATION": concatenations(),
    "SPLIT": splits("SPLIT"),
    "SPLIT_V": splits("SPLIT_V"),
    "SLICE": slices(),
    "STRIDED_SLICE": strided_slices(),
    "TRANSPOSE": transposes(),
    "PAD": pads("PAD"),
    "PADV2": pads("PADV2"),
    "RESIZE_NEAREST_NEIGHBOR": resizes(),
}


@pytest.mark.parametrize("operator", MOVES)
@drawn
@given(data=st.data())
def test_elements_are_moved_as_the_oracle_moves_them(
    layers: Layers, operator: str, data: st.DataObject
) -> None:
    assert_equals_the_oracle(layers, data.draw(MOVES[operator]))


@pytest.mark.parametrize("operator", ["RESHAPE", "SQUEEZE", "EXPAND_DIMS"])
@drawn
@given(data=st.data())
def test_a_new_shape_is_an_alias(operator: str, data: st.DataObject) -> None:
    layer = data.draw(reshapes(operator))
    graph, stimuli = layer.model().graph, layer.stimuli()
    assert Interpreter(layer.file(), ORACLE).run(stimuli) == tuple(stimuli)
    lowered = lower(layer.model(), graph.operators[0])
    assert lowered.aliases == ((graph.outputs[0], graph.inputs[0]),)
    assert lowered.calls == ()
