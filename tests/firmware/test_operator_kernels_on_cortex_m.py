"""The kernels as compiled for Cortex-M, with their DSP instructions, give the oracle's bytes as well."""

from __future__ import annotations

import pytest
from arm_host import CORES, EmulatedCore, build_for
from drawn_elements import activations, from_float, pads, requantisations, resizes, to_float, transposes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layer_host import Layers
from oracle_check import assert_equals_the_oracle
from single_layers import means, pools, softmaxes, sums_and_products
from weighted_models import convolutions, depthwise_in_fours, fully_connected, pointwise

drawn = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

LAYERS = {
    "CONV_2D": convolutions("CONV_2D"),
    "CONV_2D of single pixels": pointwise(),
    "DEPTHWISE_CONV_2D": convolutions("DEPTHWISE_CONV_2D"),
    "DEPTHWISE_CONV_2D of 3x3": depthwise_in_fours(st.just((3, 3))),
    "DEPTHWISE_CONV_2D in fours": depthwise_in_fours(st.tuples(st.integers(1, 5), st.integers(1, 5))),
    "FULLY_CONNECTED": fully_connected(),
    "ADD": sums_and_products("ADD"),
    "SUB": sums_and_products("SUB"),
    "MUL": sums_and_products("MUL"),
    "AVERAGE_POOL_2D": pools("AVERAGE_POOL_2D"),
    "MAX_POOL_2D": pools("MAX_POOL_2D"),
    "MEAN": means(),
    "SOFTMAX": softmaxes(),
    "TANH": activations("TANH"),
    "QUANTIZE": requantisations(),
    "QUANTIZE from float": from_float(),
    "DEQUANTIZE": to_float(),
    "TRANSPOSE": transposes(),
    "PAD": pads("PAD"),
    "RESIZE_NEAREST_NEIGHBOR": resizes(),
}


@pytest.fixture(scope="module", params=CORES)
def layers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Layers:
    program = build_for(request.param, tmp_path_factory.mktemp(request.param))
    return Layers(EmulatedCore(request.param, program))


@pytest.mark.parametrize("operator", LAYERS)
@drawn
@given(data=st.data())
def test_the_compiled_kernel_equals_the_oracle(layers: Layers, operator: str, data: st.DataObject) -> None:
    assert_equals_the_oracle(layers, data.draw(LAYERS[operator]))
