"""Models of one convolution or fully connected layer, drawn over everything that their kernels take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from tflite_builder import ModelBuilder

from benchrunner.model import Model, parse_model

_ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
ACTIVATIONS = tuple(_ACTIVATIONS)
# "lowest": every input -128, every weight -127. "wide": weights of -128 as well. "dead": some channels have a
# bias of 2^30, weights of 0 and scales a millionth of the others', as training leaves them behind.
FILLS = ("random", "random", "random", "lowest", "wide", "dead")


@dataclass(frozen=True)
class Layer:
    """What a drawn layer is made of; printed where a test fails."""

    operator: str
    input_shape: tuple[int, ...]
    output_c: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: str = "VALID"
    activation: str = "NONE"
    per_channel: bool = True
    bias: bool = True
    input_zero: int = 0
    output_zero: int = 0
    factor: float = 1.0  # real multiplier relative to one that fills the range of the output
    fill: str = "random"  # or one of FILLS
    seed: int = 0

    def file(self) -> bytes:
        random = np.random.default_rng(self.seed)
        builder = ModelBuilder()
        input_scale = 0.02
        x = builder.tensor(self.input_shape, scales=(input_scale,), zero_points=(self.input_zero,))
        builder.inputs.append(x)
        depthwise = self.operator == "DEPTHWISE_CONV_2D"
        dense = self.operator == "FULLY_CONNECTED"
        input_c = self.input_shape[-1]
        if dense:
            shape: tuple[int, ...] = (self.output_c, input_c)
        else:
            shape = (1, *self.kernel, self.output_c) if depthwise else (self.output_c, *self.kernel, input_c)
        axis = 3 if depthwise else 0
        fan_in = int(np.prod(shape)) // self.output_c
        lowest = -128 if self.fill == "wide" else -127
        values = np.full(shape, -127) if self.fill == "lowest" else random.integers(lowest, 128, shape)
        scales = 0.003 * random.uniform(0.2, 1.8, self.output_c if self.per_channel else 1).astype(np.float32)
        dead = random.random(self.output_c) < (0.4 if self.fill == "dead" else 0)
        if len(scales) > 1:
            scales[dead] *= np.float32(1e-6)
        values = np.where(dead if axis else dead.reshape(-1, *[1] * (len(shape) - 1)), 0, values)
        w = builder.constant(
            values, "int8", scales=tuple(map(float, scales)), zero_points=(0,) * len(scales), axis=axis
        )
        operands = [x, w]
        if self.bias:
            bias_scales = tuple(float(np.float32(scale) * np.float32(input_scale)) for scale in scales)
            bias = random.integers(-(1 << 13), 1 << 13, self.output_c)
            bias[dead] = random.choice([1 << 30, -(1 << 30), 1 << 26], int(dead.sum()))
            operands.append(builder.constant(bias, scales=bias_scales, zero_points=(0,) * len(scales)))
        spread = input_scale * 0.003 * 73 * 73 * fan_in**0.5
        output_scale = float(np.float32(4 * spread / 255 / self.factor))
        y = builder.tensor(self._output_shape(), scales=(output_scale,), zero_points=(self.output_zero,))
        builder.operator(self.operator, operands, (y,), self._options())
        return builder.finish(y)

    def model(self) -> Model:
        return parse_model(self.file(), self.operator)

    def stimuli(self) -> list[bytes]:
        count = int(np.prod(self.input_shape))
        if self.fill == "lowest":
            return [b"\x80" * count]
        return [np.random.default_rng(self.seed + 1).integers(-128, 128, count).astype(np.int8).tobytes()]

    def _output_shape(self) -> tuple[int, ...]:
        if self.operator == "FULLY_CONNECTED":
            return (int(np.prod(self.input_shape[:-1])), self.output_c)
        sizes = []
        for size, kernel, stride, dilation in zip(
            self.input_shape[1:3], self.kernel, self.stride, self.dilation, strict=True
        ):
            sizes.append(-(-(size if self.padding == "SAME" else size - (kernel - 1) * dilation) // stride))
        return (self.input_shape[0], *sizes, self.output_c)

    def _options(self) -> tuple[str, dict[str, Any]]:
        activation = {"FusedActivationFunction": _ACTIVATIONS[self.activation]}
        if self.operator == "FULLY_CONNECTED":
            return "FullyConnectedOptions", activation
        fields: dict[str, Any] = {"Padding": 0 if self.padding == "SAME" else 1} | activation
        for axis, stride, dilation in zip("HW", self.stride, self.dilation, strict=True):
            fields |= {f"Stride{axis}": stride, f"Dilation{axis}Factor": dilation}
        if self.operator == "CONV_2D":
            return "Conv2DOptions", fields
        return "DepthwiseConv2DOptions", fields | {"DepthMultiplier": self.output_c // self.input_shape[3]}


# Mostly ordinary factors; 2^-9 and 2^11 leave nothing or saturate everything, and cross a multiplier of 1.
_FACTORS = st.one_of(st.floats(0.1, 4), st.sampled_from([2.0**-9, 2.0**-3, 2.0**6, 2.0**11]))


def _quantisation(draw: st.DrawFn, *, needs_bias: bool) -> dict[str, Any]:
    return {
        "activation": draw(st.sampled_from(ACTIVATIONS)),
        "per_channel": draw(st.booleans()),
        "bias": needs_bias or draw(st.booleans()),
        "input_zero": draw(st.one_of(st.sampled_from([-128, 0, 127]), st.integers(-128, 127))),
        "output_zero": draw(st.one_of(st.sampled_from([-128, 0, 127]), st.integers(-128, 127))),
        "factor": draw(_FACTORS),
        "fill": draw(st.sampled_from(FILLS)),
        "seed": draw(st.integers(0, 1000)),
    }


_KERNELS = st.one_of(
    st.sampled_from([(1, 1), (3, 3), (1, 3), (10, 4), (1, 7), (5, 5)]),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
_DILATIONS = st.sampled_from([(1, 1), (1, 1), (1, 1), (2, 2), (1, 3), (2, 1)])
_STRIDES = st.sampled_from([(1, 1), (2, 2), (1, 2), (2, 1), (3, 3)])


@st.composite
def convolutions(
    draw: st.DrawFn,
    operator: str,
    kernels: st.SearchStrategy[tuple[int, int]] = _KERNELS,
    strides: st.SearchStrategy[tuple[int, int]] = _STRIDES,
) -> Layer:
    kernel, dilation, stride = draw(kernels), draw(_DILATIONS), draw(strides)
    same = draw(st.booleans())
    sizes = []
    for taps, step in zip(kernel, dilation, strict=True):
        sizes.append(draw(st.integers(1 if same else (taps - 1) * step + 1, (taps - 1) * step + 7)))
    input_c = draw(st.one_of(st.sampled_from([1, 3, 4, 8, 16]), st.integers(1, 21)))
    if operator == "CONV_2D":
        output_c = draw(st.integers(1, 13))
    else:
        output_c = input_c * draw(st.sampled_from([1, 1, 1, 2, 3]))
    return Layer(
        operator,
        (draw(st.sampled_from([1, 1, 1, 2])), *sizes, input_c),
        output_c,
        kernel,
        stride,
        dilation,
        "SAME" if same else "VALID",
        **_quantisation(
            draw, needs_bias=operator == "CONV_2D"
        ),  # LiteRT's int8 CONV_2D refuses to go without
    )


def pointwise() -> st.SearchStrategy[Layer]:
    """Convolutions of one pixel by itself."""
    return convolutions("CONV_2D", st.just((1, 1)), st.just((1, 1)))


@st.composite
def depthwise_in_fours(draw: st.DrawFn, kernels: st.SearchStrategy[tuple[int, int]]) -> Layer:
    """Depthwise convolutions as networks have them: as many channels out as in, and a multiple of four."""
    layer = draw(convolutions("DEPTHWISE_CONV_2D", kernels))
    channels = 4 * draw(st.integers(1, 5))
    return replace(layer, input_shape=(*layer.input_shape[:3], channels), output_c=channels)


@st.composite
def fully_connected(draw: st.DrawFn) -> Layer:
    input_c = draw(st.one_of(st.integers(1, 40), st.sampled_from([128, 640])))
    shape = (draw(st.sampled_from([1, 1, 2, 3])), input_c)
    return Layer("FULLY_CONNECTED", shape, draw(st.integers(1, 19)), **_quantisation(draw, needs_bias=False))
