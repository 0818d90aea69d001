"""Models of one operator other than convolutions, as drawn by the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from tflite_builder import ModelBuilder
from tflite_writer import Options

from benchrunner.model import Model, parse_model

ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}


@dataclass(frozen=True)
class Spec:
    """A tensor: activation, or constant where it has data."""

    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: float = 0.0  # 0 for none
    zero_point: int = 0
    data: Any = None


@dataclass(frozen=True)
class OneLayer:
    """A model of one operator; printed where a test fails."""

    operator: str
    inputs: tuple[Spec, ...]
    outputs: tuple[Spec, ...]
    options: Options | None = None
    version: int = 0
    seed: int = 0
    built: list[bytes] = field(default_factory=list, repr=False, compare=False)

    def file(self) -> bytes:
        if not self.built:
            builder = ModelBuilder()
            inputs = [_add(builder, spec) for spec in self.inputs]
            builder.inputs += [i for i, spec in zip(inputs, self.inputs, strict=True) if spec.data is None]
            outputs = [_add(builder, spec) for spec in self.outputs]
            builder.operator(self.operator, inputs, outputs, self.options, version=self.version)
            self.built.append(builder.finish(outputs))
        return self.built[0]

    def model(self) -> Model:
        return parse_model(self.file(), self.operator)

    def stimuli(self) -> list[bytes]:
        random = np.random.default_rng(self.seed)
        return [stimulus(spec, random) for spec in self.inputs if spec.data is None]


def _add(builder: ModelBuilder, spec: Spec) -> int:
    fields: dict[str, Any] = {}
    if spec.scale:
        fields = {"scales": (spec.scale,), "zero_points": (spec.zero_point,)}
    if spec.data is None:
        return builder.tensor(spec.shape, spec.dtype, **fields)
    return builder.constant(np.asarray(spec.data).reshape(spec.shape), spec.dtype, **fields)


def stimulus(spec: Spec, random: np.random.Generator) -> bytes:
    """Every stored value if there is room, in random order; floats beyond what the scale can store."""
    count = int(np.prod(spec.shape))
    if spec.dtype == "float32":
        return random.normal(0, 1, count).astype("<f4").tobytes()
    values = np.resize(random.permutation(256), count) if count >= 256 else random.integers(0, 256, count)
    extreme = random.random(count) < 0.1
    values[extreme] = random.choice([0x7F, 0x80, 0xFF, 0], int(extreme.sum()))
    return bytes(values.astype(np.uint8))


def constant_values(shape: Sequence[int], seed: int) -> Any:
    return np.random.default_rng(seed).integers(-128, 128, tuple(shape))


def activation(name: str, **fields: Any) -> dict[str, Any]:
    return {"FusedActivationFunction": ACTIVATIONS[name], **fields}


scales = st.floats(-9, 3).map(lambda exponent: float(np.float32(2.0**exponent)))
usual_scales = st.floats(-7, -2).map(lambda exponent: float(np.float32(2.0**exponent)))
zero_points = st.one_of(st.sampled_from([-128, 0, 127]), st.integers(-128, 127))
channels = st.one_of(st.integers(1, 21), st.sampled_from([4, 8, 16]))
seeds = st.integers(0, 1000)


def quantised(shape: Sequence[int], draw: st.DrawFn, scale: float | None = None) -> Spec:
    return Spec(tuple(shape), "int8", scale or draw(usual_scales), draw(zero_points))


@st.composite
def sums_and_products(draw: st.DrawFn, operator: str) -> OneLayer:
    rank = draw(st.integers(1, 4))
    shape = [draw(st.integers(1, 6)) for _ in range(rank)]
    if rank == 4:
        shape[0] = 1
    first = tuple(1 if draw(st.sampled_from([0, 0, 0, 1])) else size for size in shape)
    second = tuple(1 if draw(st.sampled_from([0, 0, 0, 1])) else size for size in shape)
    if draw(st.booleans()):
        first = second = tuple(shape)
    second = second[draw(st.sampled_from([0, 0, rank - 1])) :]
    result = np.broadcast_shapes(first, second)
    x, y = quantised(first, draw), quantised(second, draw)
    if draw(st.booleans()):
        y = Spec(y.shape, y.dtype, x.scale, y.zero_point)
    if draw(st.sampled_from([0, 0, 1])):
        y = Spec(y.shape, y.dtype, y.scale, y.zero_point, constant_values(y.shape, draw(seeds)))
    whole = x.scale * y.scale * 64 if operator == "MUL" else max(x.scale, y.scale)
    factor = draw(st.one_of(st.floats(0.3, 4), st.sampled_from([2.0**-8, 1.0, 2.0**6])))
    inputs = (y, x) if draw(st.booleans()) else (x, y)
    table = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}[operator]
    options = (table, activation(draw(st.sampled_from(list(ACTIVATIONS)))))
    output = quantised(result, draw, float(np.float32(whole * factor)))
    return OneLayer(operator, inputs, (output,), options, version=2, seed=draw(seeds))


@st.composite
def pools(draw: st.DrawFn, operator: str) -> OneLayer:
    same = draw(st.booleans())
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    limit = 12 if same else 9
    size = [draw(st.integers(1, min(limit, extent if not same else limit))) for extent in (height, width)]
    stride = [draw(st.integers(1, 4)), draw(st.integers(1, 4))]
    if draw(st.sampled_from([0, 0, 0, 1])):  # the sum of more than 256 values
        height, width, size, same = 18, 17, [18, 17], False
    depth, batches = draw(channels), draw(st.sampled_from([1, 1, 2]))
    x = quantised((batches, height, width, depth), draw)
    extents = [
        -(-(extent if same else extent - window + 1) // step)
        for extent, window, step in zip((height, width), size, stride, strict=True)
    ]
    fields = activation(draw(st.sampled_from(list(ACTIVATIONS))), Padding=0 if same else 1)
    fields |= {"StrideH": stride[0], "StrideW": stride[1], "FilterHeight": size[0], "FilterWidth": size[1]}
    y = Spec((batches, *extents, depth), "int8", x.scale, x.zero_point)
    return OneLayer(operator, (x,), (y,), ("Pool2DOptions", fields), version=2, seed=draw(seeds))


@st.composite
def means(draw: st.DrawFn) -> OneLayer:
    rank = draw(st.sampled_from([4, 4, 4, 1, 2, 3]))
    shape = [draw(st.integers(1, 9)) for _ in range(rank)]
    if draw(st.sampled_from([0, 0, 0, 1])) and rank == 4:
        shape = [1, 20, 19, 5]
    axes = sorted(draw(st.sets(st.integers(0, rank - 1), min_size=1)))
    if rank == 4 and draw(st.booleans()):
        axes = [1, 2]
    keep = draw(st.booleans())
    result = [1 if axis in axes else size for axis, size in enumerate(shape)]
    if not keep:
        result = [size for axis, size in enumerate(shape) if axis not in axes]
    given = [axis - rank if draw(st.sampled_from([0, 0, 1])) else axis for axis in axes]
    x = quantised(shape, draw)
    factor = draw(st.one_of(st.floats(0.2, 4), st.sampled_from([1.0, 2.0**-5, 2.0**5])))
    y = quantised(result, draw, float(np.float32(x.scale * factor)))
    if draw(st.booleans()):
        y = Spec(tuple(result), "int8", x.scale, x.zero_point)
    indices = Spec((len(given),), "int32", data=given)
    options = ("ReducerOptions", {"KeepDims": keep})
    return OneLayer("MEAN", (x, indices), (y,), options, version=2, seed=draw(seeds))


@st.composite
def softmaxes(draw: st.DrawFn) -> OneLayer:
    depth = draw(st.one_of(st.integers(1, 20), st.sampled_from([256, 1000, 4095])))
    shape = (*draw(st.sampled_from([(), (1,), (3,), (1, 2, 2)])), depth)
    # The reference ends the process where the exponentials add up to 512.
    x = quantised(shape, draw, draw(scales) if depth < 512 else draw(st.sampled_from([0.25, 0.5])))
    beta = draw(st.sampled_from([1.0, 1.0, 0.5, 2.0]))
    y = Spec(shape, "int8", 1 / 256, -128)
    return OneLayer("SOFTMAX", (x,), (y,), ("SoftmaxOptions", {"Beta": beta}), version=2, seed=draw(seeds))
