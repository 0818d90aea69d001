"""Models of one operator that works element by element, or moves elements, as drawn by the tests."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from single_layers import OneLayer, Spec, constant_values, quantised, scales, seeds, usual_scales, zero_points
from tflite_writer import Options

# All 256 stored values, an odd rest behind them.
ALL = (1, 9, 29, 1)

_OPTIONS: dict[str, Options | None] = {
    "LEAKY_RELU": ("LeakyReluOptions", {"Alpha": 0.1}),
    "HARD_SWISH": ("HardSwishOptions", {}),
}


@st.composite
def activations(draw: st.DrawFn, operator: str) -> OneLayer:
    x = Spec(ALL, "int8", draw(usual_scales), draw(zero_points))
    options = _OPTIONS.get(operator)
    if operator == "LOGISTIC":
        y = Spec(ALL, "int8", 1 / 256, -128)
    elif operator == "TANH":
        y = Spec(ALL, "int8", 1 / 128, 0)
    elif operator == "HARD_SWISH":  # as converters choose it: the output's scale is not far below the input's
        y = Spec(ALL, "int8", float(np.float32(x.scale * draw(st.floats(0.3, 2)))), draw(zero_points))
    else:
        y = Spec(ALL, "int8", float(np.float32(x.scale * draw(st.floats(0.02, 8)))), draw(zero_points))
    if operator == "LEAKY_RELU":
        alpha = draw(st.one_of(st.floats(-1.5, 1.5), st.sampled_from([0.0, 0.1, 0.3, 1.0])))
        options = ("LeakyReluOptions", {"Alpha": float(np.float32(alpha))})
    return OneLayer(operator, (x,), (y,), options, version=_version(operator), seed=draw(seeds))


def _version(operator: str) -> int:
    return {"RELU6": 2, "RELU": 2, "LOGISTIC": 2, "TANH": 2, "LEAKY_RELU": 2}.get(operator, 1)


@st.composite
def requantisations(draw: st.DrawFn) -> OneLayer:
    kinds = [("int8", "int8"), ("uint8", "int8"), ("int8", "uint8"), ("uint8", "uint8")]
    source, target = draw(st.sampled_from(kinds))
    x = Spec(ALL, source, draw(usual_scales), draw(zero_points) + 128 * (source == "uint8"))
    factor = draw(st.one_of(st.floats(0.02, 8), st.just(1.0)))
    y = Spec(ALL, target, float(np.float32(x.scale * factor)), draw(zero_points) + 128 * (target == "uint8"))
    if draw(st.booleans()):  # the same real values, the sign bit apart
        shift = 128 * ((target == "uint8") - (source == "uint8"))
        y = Spec(ALL, target, x.scale, x.zero_point + shift)
    return OneLayer("QUANTIZE", (x,), (y,), ("QuantizeOptions", {}), version=2, seed=draw(seeds))


@st.composite
def from_float(draw: st.DrawFn) -> OneLayer:
    target = draw(st.sampled_from(["int8", "uint8"]))
    shape = (draw(st.integers(1, 300)),)
    y = Spec(shape, target, draw(scales), draw(zero_points) + 128 * (target == "uint8"))
    return OneLayer("QUANTIZE", (Spec(shape, "float32"),), (y,), ("QuantizeOptions", {}), seed=draw(seeds))


@st.composite
def to_float(draw: st.DrawFn) -> OneLayer:
    source = draw(st.sampled_from(["int8", "uint8"]))
    shape = (draw(st.integers(1, 300)),)
    x = Spec(shape, source, draw(scales), draw(zero_points) + 128 * (source == "uint8"))
    return OneLayer("DEQUANTIZE", (x,), (Spec(shape, "float32"),), version=2, seed=draw(seeds))


_shapes = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple)


def _like(x: Spec, shape: tuple[int, ...]) -> Spec:
    return Spec(shape, x.dtype, x.scale, x.zero_point)


def _indices(values: Any) -> Spec:
    return Spec(np.asarray(values).shape, "int32", data=values)


@st.composite
def concatenations(draw: st.DrawFn) -> OneLayer:
    shape = draw(_shapes)
    axis = draw(st.integers(0, len(shape) - 1))
    first = quantised(shape, draw)
    inputs = [first]
    for _ in range(draw(st.integers(0, 3))):
        size = draw(st.integers(1, 6))
        part = _like(first, (*shape[:axis], size, *shape[axis + 1 :]))
        constant = draw(st.sampled_from([0, 0, 1]))
        data = constant_values(part.shape, draw(seeds)) if constant else None
        inputs.append(Spec(part.shape, part.dtype, part.scale, part.zero_point, data))
    whole = sum(part.shape[axis] for part in inputs)
    y = _like(first, (*shape[:axis], whole, *shape[axis + 1 :]))
    given = axis - len(shape) if draw(st.booleans()) else axis
    return OneLayer(
        "CONCATENATION", tuple(inputs), (y,), ("ConcatenationOptions", {"Axis": given}), 2, draw(seeds)
    )


@st.composite
def splits(draw: st.DrawFn, operator: str) -> OneLayer:
    shape = draw(_shapes)
    axis = draw(st.integers(0, len(shape) - 1))
    if operator == "SPLIT":
        parts = [draw(st.integers(1, 4))] * draw(st.integers(1, 4))
    else:
        parts = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    x = quantised((*shape[:axis], sum(parts), *shape[axis + 1 :]), draw)
    outputs = tuple(_like(x, (*shape[:axis], part, *shape[axis + 1 :])) for part in parts)
    where = Spec((), "int32", data=axis - len(shape) if draw(st.booleans()) else axis)
    inputs = (where, x) if operator == "SPLIT" else (x, _indices(parts), where)
    options = ("SplitOptions" if operator == "SPLIT" else "SplitVOptions", {"NumSplits": len(parts)})
    version = 2
    return OneLayer(operator, inputs, outputs, options, version, draw(seeds))


@st.composite
def slices(draw: st.DrawFn) -> OneLayer:
    shape = draw(_shapes)
    begin = [draw(st.integers(0, size - 1)) for size in shape]
    sizes = [draw(st.integers(1, size - start)) for size, start in zip(shape, begin, strict=True)]
    x = quantised(shape, draw)
    given = [
        -1 if start + count == size and draw(st.booleans()) else count
        for size, start, count in zip(shape, begin, sizes, strict=True)
    ]
    inputs = (x, _indices(begin), _indices(given))
    return OneLayer("SLICE", inputs, (_like(x, tuple(sizes)),), ("SliceOptions", {}), 2, draw(seeds))


@st.composite
def strided_slices(draw: st.DrawFn) -> OneLayer:
    shape = draw(_shapes)
    count = draw(st.integers(1, len(shape)))
    masks = {f"{name}Mask": draw(st.integers(0, (1 << count) - 1)) for name in ("Begin", "End", "ShrinkAxis")}
    ellipsis = draw(st.sampled_from([-1, -1, -1, count - 1, 0]))
    if ellipsis >= 0:
        masks["EllipsisMask"] = 1 << ellipsis
    begins, ends, steps, index = [], [], [], []
    axis = 0
    for position in range(count):
        if position == ellipsis:
            begins, ends, steps = [*begins, 0], [*ends, 0], [*steps, 1]
            index.append(Ellipsis)
            axis += len(shape) - (count - 1)
            continue
        size = shape[axis]
        step = draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
        if masks["ShrinkAxisMask"] >> position & 1:
            step = 1
        start = draw(st.integers(0, size - 1))
        stop = (
            min(size, start + draw(st.integers(1, size))) if step > 0 else start - draw(st.integers(1, size))
        )
        given_stop = stop if stop >= 0 else -size - 1
        begins.append(start - size if draw(st.booleans()) else start)
        ends.append(given_stop)
        steps.append(step)
        if masks["ShrinkAxisMask"] >> position & 1:
            index.append(0 if masks["BeginMask"] >> position & 1 else start)
        else:
            first = None if masks["BeginMask"] >> position & 1 else start
            last = None if masks["EndMask"] >> position & 1 else given_stop
            index.append(slice(first, last, step))
        axis += 1
    result = np.empty(shape)[tuple(index)].shape
    x = quantised(shape, draw)
    inputs = (x, _indices(begins), _indices(ends), _indices(steps))
    return OneLayer(
        "STRIDED_SLICE", inputs, (_like(x, result),), ("StridedSliceOptions", masks), 2, draw(seeds)
    )


@st.composite
def transposes(draw: st.DrawFn) -> OneLayer:
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5).map(tuple))
    order = draw(st.permutations(range(len(shape))))
    x = quantised(shape, draw)
    y = _like(x, tuple(shape[axis] for axis in order))
    return OneLayer("TRANSPOSE", (x, _indices(list(order))), (y,), ("TransposeOptions", {}), 2, draw(seeds))


@st.composite
def pads(draw: st.DrawFn, operator: str) -> OneLayer:
    shape = draw(_shapes)
    amounts = [[draw(st.integers(0, 3)), draw(st.integers(0, 3))] for _ in shape]
    x = quantised(shape, draw)
    y = _like(x, tuple(size + sum(pair) for size, pair in zip(shape, amounts, strict=True)))
    inputs = [x, _indices(amounts)]
    if operator == "PADV2":
        value = draw(st.integers(-128, 127))
        inputs.append(Spec((1,), "int8", x.scale, x.zero_point, [value]))
    options = ("PadOptions" if operator == "PAD" else "PadV2Options", {})
    return OneLayer(operator, tuple(inputs), (y,), options, 2, draw(seeds))


@st.composite
def resizes(draw: st.DrawFn) -> OneLayer:
    shape = (
        draw(st.sampled_from([1, 1, 2])),
        *(draw(st.integers(1, 20)) for _ in range(2)),
        draw(st.integers(1, 5)),
    )
    size = [draw(st.integers(1, 40)) for _ in range(2)]
    x = quantised(shape, draw)
    mode = draw(st.sampled_from([{}, {"AlignCorners": True}, {"HalfPixelCenters": True}]))
    y = _like(x, (shape[0], *size, shape[3]))
    options = ("ResizeNearestNeighborOptions", mode)
    return OneLayer("RESIZE_NEAREST_NEIGHBOR", (x, _indices(size)), (y,), options, 3, draw(seeds))


@st.composite
def reshapes(draw: st.DrawFn, operator: str) -> OneLayer:
    shape = draw(_shapes)
    if operator == "SQUEEZE":
        shape = (1, *shape)
        x = quantised(shape, draw)
        return OneLayer(operator, (x,), (_like(x, shape[1:]),), ("SqueezeOptions", {"SqueezeDims": [0]}), 1)
    x = quantised(shape, draw)
    if operator == "EXPAND_DIMS":
        axis = draw(st.integers(0, len(shape)))
        inputs = (x, Spec((), "int32", data=axis))
        return OneLayer(
            operator, inputs, (_like(x, (*shape[:axis], 1, *shape[axis:])),), ("ExpandDimsOptions", {})
        )
    target = draw(st.sampled_from([(math.prod(shape),), (1, math.prod(shape)), shape[::-1]]))
    inputs = (x, _indices(list(target)))
    return OneLayer(operator, inputs, (_like(x, target),), ("ReshapeOptions", {"NewShape": list(target)}))
