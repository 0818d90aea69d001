"""Multipliers, bounds and refusals of the weighted layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
from layer_host import Layers, apart, host, over
from oracle_check import assert_equals_the_oracle
from tflite_builder import ModelBuilder, conv_options
from weighted_models import Layer

from benchrunner.errors import UnsupportedOperatorError
from benchrunner.firmware.lowered import Overlap
from benchrunner.firmware.lowering import lower, unsupported
from benchrunner.firmware.lowering.quantisation import fixed_point
from benchrunner.model import Model, parse_model
from benchrunner.runtime import ORACLE, Interpreter

CHANNELS = 64


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layers]:
    for machine in host(tmp_path_factory.mktemp("multipliers")):
        yield Layers(machine)


def rounded_twice(total: int, factor: float) -> int:
    multiplier, shift = fixed_point(factor)
    high = (total * multiplier + (1 << 30)) >> 31
    return math.floor(high / 2**-shift + 0.5)  # of positive sums


def rounded_once(total: int, factor: float) -> int:
    multiplier, shift = fixed_point(factor)
    return (total * multiplier + (1 << (30 - shift))) >> (31 - shift)


def in_double(total: int, factor: float) -> int:
    return math.floor(total * factor + 0.5)  # of positive sums


Rule = Callable[[int], int]


def telling_sum(near: float, rules: tuple[Rule, Rule]) -> int | None:
    """A sum near `near` that the two rules take to different outputs."""
    totals = range(round(near) - 400, round(near) + 400)
    return next((total for total in totals if rules[0](total) != rules[1](total)), None)


@dataclass
class TellingLayer:
    """Inputs of zero, and biases that tell by which arithmetic they become outputs.

    Of convolutions, whether scales are multiplied in single or double precision; of fully connected layers,
    whether a sum is multiplied by 31 bits or in double.
    """

    operator: str
    per_channel: bool
    told: int = 0
    built: list[bytes] = field(default_factory=list)

    def file(self) -> bytes:
        if self.built:
            return self.built[0]
        random = np.random.default_rng(11)
        dense = self.operator == "FULLY_CONNECTED"
        input_scale, output_scale = (float(np.float32(scale)) for scale in (0.0237, 600.1))
        scales = [float(s) for s in random.uniform(0.001, 0.003, CHANNELS).astype(np.float32)]
        scales = scales if self.per_channel else scales[:1]
        biases = []
        for scale in scales * (CHANNELS // len(scales)):
            real = input_scale * scale / output_scale
            single = float(np.float32(input_scale) * np.float32(scale)) / output_scale
            rules: tuple[Rule, Rule] = (
                (partial(rounded_once, factor=real), partial(in_double, factor=real))
                if dense
                else (partial(rounded_twice, factor=single), partial(rounded_twice, factor=real))
            )
            borders = [(step + 0.5) / real for step in range(55, 65)]
            total = next(filter(None, (telling_sum(border, rules) for border in borders)), None)
            self.told += total is not None
            biases.append(total or 0)
        builder = ModelBuilder()
        depthwise = self.operator == "DEPTHWISE_CONV_2D"
        input_c = CHANNELS if depthwise else 1
        x = builder.tensor((1, 1, 1, input_c)[2 if dense else 0 :], scales=(input_scale,), zero_points=(0,))
        builder.inputs.append(x)
        shape = (CHANNELS, 1) if dense else (1, 1, 1, CHANNELS) if depthwise else (CHANNELS, 1, 1, 1)
        zeros = (0,) * len(scales)
        w = builder.constant(
            np.ones(shape), "int8", scales=tuple(scales), zero_points=zeros, axis=3 if depthwise else 0
        )
        bias_scales = tuple(float(np.float32(input_scale) * np.float32(scale)) for scale in scales)
        b = builder.constant(biases, scales=bias_scales, zero_points=zeros)
        y = builder.tensor((1, 1, 1, CHANNELS)[2 if dense else 0 :], scales=(output_scale,), zero_points=(0,))
        options = conv_options(1, "VALID", "NONE", 1 if depthwise else None)
        if dense:
            options = ("FullyConnectedOptions", {"FusedActivationFunction": 0})
        builder.operator(self.operator, (x, w, b), (y,), options)
        self.built.append(builder.finish(y))
        return self.built[0]

    def model(self) -> Model:
        return parse_model(self.file(), self.operator)

    def stimuli(self) -> list[bytes]:
        return [bytes(CHANNELS if self.operator == "DEPTHWISE_CONV_2D" else 1)]


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("operator", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_sums_become_outputs_by_the_oracles_arithmetic(
    layers: Layers, operator: str, per_channel: bool
) -> None:
    layer = TellingLayer(operator, per_channel)
    assert_equals_the_oracle(layers, layer)
    assert layer.told >= CHANNELS // 2


@pytest.mark.parametrize("shift", [3, 6, 9])
def test_halves_of_a_fully_connected_layer_are_rounded_away_from_zero(layers: Layers, shift: int) -> None:
    halves = [sign * (2 * step + 1) << (shift - 1) for step in range(16) for sign in (1, -1)]
    builder = ModelBuilder()
    x = builder.tensor((1, 1), scales=(1.0,), zero_points=(0,))
    builder.inputs.append(x)
    w = builder.constant(np.ones((32, 1)), "int8", scales=(2.0**-shift,), zero_points=(0,))
    b = builder.constant(halves, scales=(2.0**-shift,), zero_points=(0,))
    y = builder.tensor((1, 32), scales=(1.0,), zero_points=(0,))
    builder.operator("FULLY_CONNECTED", (x, w, b), (y,), ("FullyConnectedOptions", {}))
    model = parse_model(builder.finish(y), "halves")
    lowered = lower(model, model.graph.operators[0])
    assert lowered.calls[0].function == "fully_connected_s8"
    places = apart(model.graph, [x, y])
    found = layers.run(model.graph, lowered, {x: b"\0"}, places)[y]
    assert [*np.frombuffer(found, np.int8)] == [sign * (step + 1) for step in range(16) for sign in (1, -1)]
    assert Interpreter(builder.finish(y), ORACLE).run([b"\0"]) == (found,)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.5, (1 << 30, 0)),
        (1.0, (1 << 30, 1)),
        (1 - 2.0**-40, (1 << 30, 1)),  # rounds up to the next power of two
        (2.0**-32, (1 << 30, -31)),
        (2.0**-33, (0, 0)),
        (0.75 * 2.0**-9, (3 << 29, -9)),
    ],
)
def test_a_factor_is_a_fraction_of_31_bits_and_a_shift(real: float, expected: tuple[int, int]) -> None:
    assert fixed_point(real) == expected


def test_a_factor_of_a_billion_is_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="expected a quotient below"):
        fixed_point(2.0**30)


OVERLAPPING = {
    "conv_1x1_s8": Layer("CONV_2D", (1, 6, 6, 8), 16, output_zero=-3),
    "conv_2d_s8": Layer("CONV_2D", (1, 7, 7, 8), 8, (3, 3), padding="SAME"),
    "depthwise_conv_3x3_s8": Layer("DEPTHWISE_CONV_2D", (1, 6, 6, 8), 8, (3, 3), padding="SAME"),
    "depthwise_conv_2d_s8": Layer("DEPTHWISE_CONV_2D", (1, 9, 9, 4), 4, (5, 5)),
    "fully_connected_s8": Layer("FULLY_CONNECTED", (5, 16), 24),
}


@pytest.mark.parametrize("kernel", OVERLAPPING)
def test_one_byte_less_lead_overwrites_what_is_still_read(layers: Layers, kernel: str) -> None:
    layer = OVERLAPPING[kernel]
    model, stimuli = layer.model(), layer.stimuli()
    graph = model.graph
    lowered = lower(model, graph.operators[0])
    assert lowered.calls[0].function == kernel
    (overlap,) = lowered.overlaps
    (expected,) = Interpreter(layer.file(), ORACLE).run(stimuli)
    inputs = dict(zip(graph.inputs, stimuli, strict=True))
    found = []
    for lead in (overlap.lead_bytes, overlap.lead_bytes - 1):
        places = over(
            graph, [*graph.inputs, *graph.outputs], Overlap(overlap.input_tensor, overlap.output_tensor, lead)
        )
        found.append(layers.run(graph, lowered, inputs, places)[graph.outputs[0]] == expected)
    assert found == [True, False]


@pytest.mark.parametrize(
    "operator", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"], ids=lambda name: name.lower()
)
def test_dead_channels_do_not_slow_a_layer_down(operator: str) -> None:
    shape = (1, 8) if operator == "FULLY_CONNECTED" else (1, 5, 5, 8)
    layer = Layer(operator, shape, 8, fill="dead", seed=4)
    model = layer.model()
    bias = model.graph.tensors[model.graph.operators[0].inputs[2]].data
    assert max(abs(np.frombuffer(bias or b"", "<i4"))) >= 1 << 26
    assert "scalar" not in lower(model, model.graph.operators[0]).calls[0].function


@pytest.mark.parametrize("fill", ["wide", "lowest"])
def test_what_the_packed_layout_cannot_hold_runs_on_the_plain_loops(layers: Layers, fill: str) -> None:
    # -128 over a negative weight is no int16; 3000 weights of -127 sum to more than 2^23.
    layer = Layer("FULLY_CONNECTED", (1, 3000), 4, fill=fill, seed=1)
    model = layer.model()
    assert lower(model, model.graph.operators[0]).calls[0].function == "fully_connected_scalar_s8"
    assert_equals_the_oracle(layers, layer)


def test_every_layer_that_is_refused_is_named_with_its_reason() -> None:
    builder = ModelBuilder()
    x = builder.conv(builder.input((1, 8, 8, 4)), 8)
    grouped, _ = builder._weights(x, (8, 3, 3, 2), 18, 0, 8)
    y = builder._activation((1, 8, 8, 8), "NONE")
    builder.operator("CONV_2D", (x, grouped), (y,), conv_options(1, "SAME", "NONE"))
    z = builder.depthwise(y)
    builder.tensors[builder.operators[-1].inputs[1]].zero_points = (1,) * 8
    model = parse_model(builder.finish(z), "refused.tflite")
    assert [str(layer) for layer in unsupported(model)] == [
        "layer 1 CONV_2D: grouped: 8 channels in, 2 per filter",
        "layer 2 DEPTHWISE_CONV_2D: weights t7: expected zero points of 0",
    ]
    with pytest.raises(UnsupportedOperatorError, match=r"^refused\.tflite: layer 1 CONV_2D: grouped"):
        lower(model, model.graph.operators[1])


def test_an_output_shape_that_does_not_follow_from_the_padding_is_refused() -> None:
    layer = replace(OVERLAPPING["conv_2d_s8"], padding="VALID")
    builder = ModelBuilder()
    x = builder.input((1, 7, 7, 8))
    weights, bias = builder._weights(x, (8, 3, 3, 8), 72, 0, 8)
    y = builder._activation((1, 7, 7, 8), "NONE")
    builder.operator("CONV_2D", (x, weights, bias), (y,), layer._options())
    model = parse_model(builder.finish(y), "shape.tflite")
    with pytest.raises(UnsupportedOperatorError, match=r"output size along h: expected 5 .*, found 7"):
        lower(model, model.graph.operators[0])
