"""AVERAGE_POOL_2D, MAX_POOL_2D and MEAN of int8 tensors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from benchrunner.firmware.lowered import Call, Lowered, Overlap, StructArgument, TensorArgument
from benchrunner.firmware.lowering.operands import (
    fields,
    integers,
    output,
    output_range,
    require_types,
    scale_of,
    tensors,
)
from benchrunner.firmware.lowering.quantisation import fixed_point
from benchrunner.firmware.lowering.registry import Lowering, require
from benchrunner.model import Model, Operator, Tensor


def _pool(model: Model, operator: Operator) -> Lowered:
    (x,) = tensors(model, operator, (1,))
    y = output(model, operator)
    require_types([x, y], "int8")
    require(len(x.shape) == len(y.shape) == 4, f"shape {list(x.shape)} is not batch, height, width, channels")
    require(scale_of(x) == scale_of(y), "input and output differ in quantisation")
    low, high = output_range(operator, y)
    size = [operator.integer("filter_h"), operator.integer("filter_w")]
    stride = [operator.integer("stride_h"), operator.integer("stride_w")]
    require(0 < min(size + stride) <= max(size + stride) < 1 << 15, f"window {size}, strides {stride}")
    same = operator.text("padding", "") == "SAME"
    padding = []
    for axis in (0, 1):
        inside, outside = x.shape[1 + axis], y.shape[1 + axis]
        covered = inside if same else inside - size[axis] + 1
        require(
            outside == -(-covered // stride[axis]) > 0, f"{list(x.shape)} does not pool to {list(y.shape)}"
        )
        padding.append(max(0, (outside - 1) * stride[axis] + size[axis] - inside) // 2 if same else 0)
    require((x.shape[0], x.shape[3]) == (y.shape[0], y.shape[3]), "batch or channels differ")
    plan = StructArgument(
        "pool_s8_t",
        fields(
            batches=x.shape[0],
            channels=x.shape[3],
            input_height=x.shape[1],
            input_width=x.shape[2],
            output_height=y.shape[1],
            output_width=y.shape[2],
            filter_height=size[0],
            filter_width=size[1],
            stride_height=stride[0],
            stride_width=stride[1],
            padding_top=padding[0],
            padding_left=padding[1],
            low=low,
            high=high,
        ),
    )
    overlap = Overlap(x.index, y.index, _lead_bytes(x, y, stride, padding))
    kernel = "average_pool_s8" if operator.name == "AVERAGE_POOL_2D" else "max_pool_s8"
    return _reduction(operator, kernel, "pool_s8.c", x, y, plan, overlap)


def _lead_bytes(x: Tensor, y: Tensor, stride: list[int], padding: list[int]) -> int:
    """By how much the output must start before the input.

    Pixels are written in order, four channels at a time, each after its own window was read: a pixel may not
    reach the first byte that itself or a later one reads.
    """
    batches, height, width, channels = x.shape
    starts = [
        (batch * height + max(0, row * stride[0] - padding[0])) * width
        + max(0, column * stride[1] - padding[1])
        for batch, row, column in itertools.product(range(batches), range(y.shape[1]), range(y.shape[2]))
    ]
    lead = -math.inf
    earliest = math.inf  # of the later pixels' windows
    for pixel in reversed(range(len(starts))):
        lead = max(lead, pixel - starts[pixel], pixel + 1 - earliest)
        earliest = min(earliest, starts[pixel])
    return int(lead) * channels


def _mean(model: Model, operator: Operator) -> Lowered:
    x, axes_tensor = tensors(model, operator, (2,))
    y = output(model, operator)
    require_types([x, y], "int8")
    rank = len(x.shape)
    given = integers(axes_tensor)
    require(all(-rank <= axis < rank for axis in given), f"axes {given} of {rank}")
    axes = {axis % rank for axis in given}
    count = math.prod(x.shape[axis] for axis in axes)
    require(
        y.elements * count == x.elements, f"the mean of {list(x.shape)} over {given} is not {list(y.shape)}"
    )
    blocks = _alternating(x.shape, axes)
    source, result = scale_of(x), scale_of(y)
    multiplier, exponent = fixed_point(source.scale / result.scale)
    shift = min(count.bit_length() - 1, 32, 31 + exponent)
    multiplier, exponent = (multiplier << shift) // count, exponent - shift
    # The sum has 8 bits more than the number of values and a sign, and is taken twice.
    bits = count.bit_length() + max(exponent, 0)
    require(bits <= 21, f"the sum of {count} values, on the output's scale, does not fit 32 bits")
    plan = StructArgument(
        "mean_s8_t",
        fields(
            **dict(zip(("outer", "rows", "middle", "columns", "inner"), blocks, strict=True)),
            offset=-source.zero_point * count,
            left_shift=1 + max(exponent, 0),
            multiplier=multiplier,
            right_shift=max(-exponent, 0),
            output_zero_point=result.zero_point,
        ),
    )
    return _reduction(operator, "mean_s8", "mean_s8.c", x, y, plan, Overlap(x.index, y.index, 0))


def _alternating(shape: tuple[int, ...], axes: set[int]) -> list[int]:
    """Sizes of outer, rows, middle, columns and inner, of which rows and columns are taken the mean of."""
    found: list[tuple[bool, int]] = []
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        if found and found[-1][0] == (axis in axes):
            found[-1] = (found[-1][0], found[-1][1] * size)
        else:
            found.append((axis in axes, size))
    if not found or found[-1][0]:
        found.append((False, 1))
    blocks = [1] * 5
    require(
        len(found) <= 5 - (len(found) == 5 and found[0][0]),
        f"axes {sorted(axes)} of {list(shape)} are not run",
    )
    blocks[5 - len(found) :] = [size for _, size in found]
    return blocks


def _reduction(
    operator: Operator, kernel: str, source: str, x: Tensor, y: Tensor, plan: StructArgument, overlap: Overlap
) -> Lowered:
    addresses = (TensorArgument(x.index, "const int8_t *"), TensorArgument(y.index, "int8_t *"))
    return Lowered(operator.index, (Call(kernel, (*addresses, plan)),), (source,), overlaps=(overlap,))


LOWERINGS: Mapping[str, Lowering] = {"AVERAGE_POOL_2D": _pool, "MAX_POOL_2D": _pool, "MEAN": _mean}
