"""How the oracle rounds a 32-bit sum to int8: the arithmetic that firmware has to match bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tflite_builder import ModelBuilder

from benchrunner.model import parse_model
from benchrunner.runtime import ORACLE, Interpreter, RuntimeName, seeded_input, select_runtime

Sums = NDArray[Any]


def twice_away_from_zero(sums: Sums, multiplier: int, shift: int) -> Sums:
    """Round to 31 fraction bits, then shift right; halves away from zero. CMSIS-NN's and TFLite Micro's."""
    high = ((sums << max(shift, 0)) * multiplier + (1 << 30)) >> 31
    right = max(-shift, 0)
    remainder, threshold = high & ((1 << right) - 1), (((1 << right) - 1) >> 1) + (high < 0)
    return (high >> right) + (remainder > threshold)


def twice_upwards(sums: Sums, multiplier: int, shift: int) -> Sums:
    high = ((sums << max(shift, 0)) * multiplier + (1 << 30)) >> 31
    right = max(-shift, 0)
    return (high + ((1 << right) >> 1)) >> right


def once(sums: Sums, multiplier: int, shift: int) -> Sums:
    return (sums * multiplier + (1 << (30 - shift))) >> (31 - shift)


ROUNDINGS = (twice_away_from_zero, twice_upwards, once)


def fixed_point(real: float) -> tuple[int, int]:
    """real = multiplier / 2^31 * 2^shift, multiplier in [2^30, 2^31)."""
    fraction, shift = math.frexp(real)
    multiplier = round(fraction * (1 << 31))
    return (multiplier // 2, shift + 1) if multiplier == 1 << 31 else (multiplier, shift)


def one_layer(operator: str) -> bytes:
    """One layer without activation, whose every output is a short sum: many halves, half of them negative."""
    builder = ModelBuilder(seed=3)
    match operator:
        case "CONV_2D":
            output = builder.conv(builder.input((1, 48, 48, 2)), 8, kernel=1, activation="NONE")
        case "DEPTHWISE_CONV_2D":
            output = builder.depthwise(builder.input((1, 48, 48, 8)), kernel=1, activation="NONE")
        case _:
            output = builder.dense(builder.input((1, 2)), 16_384)
    return builder.finish(output)


def computed(data: bytes, stimulus: bytes, rounding: Callable[[Sums, int, int], Sums]) -> list[int]:
    graph = parse_model(data, "one layer").graph
    (operator,) = graph.operators
    source, weights, bias = (graph.tensors[index] for index in operator.inputs)
    target = graph.tensors[operator.outputs[0]]
    assert weights.data is not None
    assert bias.data is not None
    assert source.quantisation
    assert weights.quantisation
    assert target.quantisation
    x = np.frombuffer(stimulus, np.int8).astype(np.int64).reshape(-1, source.shape[-1])
    x -= source.quantisation.zero_points[0]
    w = np.frombuffer(weights.data, np.int8).astype(np.int64).reshape(weights.shape)
    w = w.reshape(-1) if operator.name == "DEPTHWISE_CONV_2D" else w.reshape(w.shape[0], -1)
    sums = (x * w if w.ndim == 1 else x @ w.T) + np.frombuffer(bias.data, "<i4")
    scales = weights.quantisation.scales
    out = np.empty_like(sums)
    for channel in range(sums.shape[1]):
        scale = scales[channel % len(scales)]
        multiplier, shift = fixed_point(source.quantisation.scales[0] * scale / target.quantisation.scales[0])
        out[:, channel] = rounding(sums[:, channel], multiplier, shift)
    return [int(v) for v in np.clip(out + target.quantisation.zero_points[0], -128, 127).reshape(-1)]


def roundings_that_match(operator: str) -> list[str]:
    data = one_layer(operator)
    interpreter = Interpreter(data, ORACLE)
    stimulus = seeded_input(interpreter.inputs[0], 1)
    found = list(np.frombuffer(interpreter.run([stimulus])[0], np.int8))
    return [rounding.__name__ for rounding in ROUNDINGS if computed(data, stimulus, rounding) == found]


@pytest.mark.parametrize("operator", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_convolutions_round_twice_and_halves_away_from_zero(operator: str) -> None:
    assert roundings_that_match(operator) == ["twice_away_from_zero"]


def test_fully_connected_layers_round_as_the_runtime_does() -> None:
    # The only operator of the oracle in which the two runtimes differ (docs/decisions/output-oracle.md).
    expected = {RuntimeName.LITERT: "once", RuntimeName.TFLITE_RUNTIME: "twice_away_from_zero"}
    assert roundings_that_match("FULLY_CONNECTED") == [expected[select_runtime().name]]
