"""CONV_2D and DEPTHWISE_CONV_2D as calls of their kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchrunner.firmware.lowered import (
    Call,
    Constant,
    ConstantArgument,
    LiteralArgument,
    Lowered,
    Overlap,
    ScratchArgument,
    TensorArgument,
)
from benchrunner.firmware.lowering.geometry import ConvShape, first_read, lead_bytes, padding_before
from benchrunner.firmware.lowering.packing import SUM_LIMIT, folded_channels, packed_pairs, packed_taps
from benchrunner.firmware.lowering.quantisation import (
    activation_range,
    fixed_point,
    int8_activation,
    scale_of,
    weight_scales,
    zero_of,
)
from benchrunner.firmware.lowering.registry import require
from benchrunner.model import Model, Operator, Tensor


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution taken apart. `weights` as in the model, [C, kh, kw, c] or, depthwise, [1, kh, kw, C]."""

    layer: int
    source: int  # tensors
    target: int
    shape: ConvShape
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    factors: tuple[float, ...]  # of the sums of every output channel


def lower_conv_2d(model: Model, operator: Operator, *, plain: bool = False) -> Lowered:
    """An ordinary convolution; `plain` takes the loops that the fast kernels are compared with."""
    found = _taken_apart(model, operator, channel_axis=0)
    grouped = found.shape.input_c != found.weights.shape[3]
    require(not grouped, f"grouped: {found.shape.input_c} channels in, {found.weights.shape[3]} per filter")
    fast = None if plain else _columns(found, found.weights)
    return fast or _scalar(found, "conv_2d_scalar_s8")


def lower_depthwise_conv_2d(model: Model, operator: Operator, *, plain: bool = False) -> Lowered:
    """A depthwise convolution, with any depth multiplier; `plain` as for `lower_conv_2d`."""
    found = _taken_apart(model, operator, channel_axis=3)
    shape = found.shape
    require(
        found.weights.shape[0] == 1 and shape.output_c % shape.input_c == 0,
        f"weights of shape {list(found.weights.shape)} for {shape.input_c} channels",
    )
    if plain:
        return _scalar(found, "depthwise_conv_2d_scalar_s8")
    fast = None
    if shape.input_c == 1:  # an ordinary convolution, but for the order of the weights
        fast = _columns(found, found.weights.transpose(3, 1, 2, 0))
    elif shape.input_c == shape.output_c and shape.input_c % 4 == 0:
        fast = _taps(found)
    return fast or _scalar(found, "depthwise_conv_2d_scalar_s8")


def _taken_apart(model: Model, operator: Operator, channel_axis: int) -> Convolution:
    tensors = model.graph.tensors
    source, weights, target = (
        tensors[operator.inputs[0]],
        tensors[operator.inputs[1]],
        tensors[operator.outputs[0]],
    )
    int8_activation(source, "input")
    int8_activation(target, "output")
    for tensor in (source, weights, target):
        require(len(tensor.shape) == 4, f"{tensor.name}: expected 4 dimensions, found {len(tensor.shape)}")
    scales = weight_scales(weights, channel_axis)
    count = weights.shape[channel_axis]
    require(
        target.shape[3] == count and target.shape[0] == source.shape[0],
        f"output of shape {list(target.shape)} for {source.shape[0]} images and {count} filters",
    )
    kernel_h, kernel_w = weights.shape[1:3]
    low, high = activation_range(operator.text("activation", "NONE"), target)
    batches, input_h, input_w, input_c = source.shape
    shape = ConvShape(
        batches=batches,
        input_h=input_h,
        input_w=input_w,
        input_c=input_c,
        output_h=target.shape[1],
        output_w=target.shape[2],
        output_c=count,
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        stride_h=operator.integer("stride_h"),
        stride_w=operator.integer("stride_w"),
        dilation_h=operator.integer("dilation_h"),
        dilation_w=operator.integer("dilation_w"),
        pad_top=padding_before(operator, "h", input_h, kernel_h, target.shape[1]),
        pad_left=padding_before(operator, "w", input_w, kernel_w, target.shape[2]),
        input_zero=zero_of(source),
        output_zero=zero_of(target),
        output_min=low,
        output_max=high,
    )
    bias = tensors[operator.inputs[2]] if len(operator.inputs) > 2 and operator.inputs[2] >= 0 else None
    # PopulateConvolutionQuantizationParams in tensorflow/lite/kernels/kernel_util.cc: products in double.
    factors = [scale_of(source) * scale / scale_of(target) for scale in scales]
    return Convolution(
        operator.index,
        source.index,
        target.index,
        shape,
        np.frombuffer(weights.data or b"", np.int8).reshape(weights.shape),
        bias_values(bias, count),
        tuple(factors),
    )


def bias_values(bias: Tensor | None, count: int) -> NDArray[np.int32]:
    """The bias of `count` channels, zeros where the layer has none."""
    if bias is None:
        return np.zeros(count, np.int32)
    require(
        bias.constant and bias.dtype == "int32" and bias.elements == count,
        f"bias {bias.name}: expected {count} constants of int32, found {bias.elements} of {bias.dtype}",
    )
    return np.frombuffer(bias.data or b"", "<i4").astype(np.int32)


def _columns(found: Convolution, weights: NDArray[np.int8]) -> Lowered | None:
    """Packed weights, [C, kh, kw, c], times two windows at once; None where the layer does not pack."""
    shape = found.shape
    flat = _rows_in_groups(weights)
    channels = folded_channels(flat, found.bias, found.factors, (shape.input_zero, shape.output_zero))
    packed = packed_pairs(channels) if channels else None
    if packed is None:
        return None
    window_bytes = flat.shape[1]
    columns_bytes = 16 * -(-window_bytes // 4)
    kernel, copied_bytes = "conv_1x1_s8", 0
    shared: tuple[str, ...] = ("columns_s8.c",)
    if (shape.kernel_h, shape.kernel_w, shape.stride_h, shape.stride_w) != (1, 1, 1, 1):
        kernel, shared = "conv_2d_s8", ("columns_s8.c", "window_s8.c")
        side_by_side = shape.dilation_w == 1 or shape.kernel_w == 1
        copied_bytes = 0 if side_by_side and shape.window_stays_inside else window_bytes
    reads = first_read(shape)
    reads[: len(reads) - 1 : 2] = np.minimum(reads[: len(reads) - 1 : 2], reads[1::2])
    written = np.minimum(np.arange(2, len(reads) + 2, 2), len(reads)) * shape.output_c
    lead = lead_bytes(reads[::2], written)
    constants = (Constant("weights", "uint32_t", packed[0]), Constant("channels", "int32_t", packed[1]))
    return _fast(found, kernel, shared, constants, columns_bytes + copied_bytes, lead)


def _rows_in_groups(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Weights [C, kh, kw, c] as [C, window], in the order of bytes that conv_2d_s8.h asks for."""
    rows = weights.reshape(*weights.shape[:2], -1)
    whole = rows.shape[2] // 4 * 4
    parts = [part.reshape(len(weights), -1) for part in (rows[:, :, :whole], rows[:, :, whole:])]
    return np.concatenate(parts, axis=1)


def _taps(found: Convolution) -> Lowered | None:
    """Four channels and two taps at a time; None where the layer does not pack."""
    shape = found.shape
    flat = found.weights.reshape(-1, shape.output_c).T
    zeros = (shape.input_zero, shape.output_zero)
    channels = folded_channels(flat, found.bias, found.factors, zeros, limit=SUM_LIMIT)
    if channels is None:
        return None
    three = (shape.kernel_h, shape.kernel_w) == (3, 3)
    kernel = "depthwise_conv_3x3_s8" if three else "depthwise_conv_2d_s8"
    shared = ("depthwise_runs.c", "window_s8.c")
    # Four channels of a pixel are read, and written, before the next four are read.
    fours = np.arange(0, shape.input_c, 4)
    reads = (first_read(shape)[:, None] + fours).reshape(-1)
    scratch_bytes = 0 if shape.window_stays_inside else flat.size
    lead = lead_bytes(reads, np.arange(4, 4 * len(reads) + 4, 4))
    constants = (Constant("packed", "uint32_t", packed_taps(channels)),)
    return _fast(found, kernel, shared, constants, scratch_bytes, lead)


def _fast(
    found: Convolution,
    kernel: str,
    shared: tuple[str, ...],
    constants: tuple[Constant, ...],
    scratch_bytes: int,
    lead: int,
) -> Lowered:
    arguments = (
        TensorArgument(found.source, "const int8_t *"),
        *(ConstantArgument(constant.name) for constant in constants),
        TensorArgument(found.target, "int8_t *"),
        ScratchArgument() if scratch_bytes else LiteralArgument("0"),
        found.shape.argument(),
    )
    return Lowered(
        layer=found.layer,
        calls=(Call(kernel, arguments),),
        sources=(f"{kernel}.c", *shared),
        constants=constants,
        scratch_bytes=scratch_bytes,
        overlaps=(Overlap(found.source, found.target, lead),),
    )


def _scalar(found: Convolution, kernel: str) -> Lowered:
    """The plain loops: one output channel of one pixel after the other, each reading the whole window."""
    channels = np.column_stack([found.bias, [fixed_point(factor) for factor in found.factors]])
    reads = np.repeat(first_read(found.shape), found.shape.output_c)
    lead = lead_bytes(reads, np.arange(1, len(reads) + 1))
    arguments = (
        TensorArgument(found.source, "const int8_t *"),
        ConstantArgument("weights"),
        ConstantArgument("channels"),
        TensorArgument(found.target, "int8_t *"),
        found.shape.argument(),
    )
    return Lowered(
        layer=found.layer,
        calls=(Call(kernel, arguments),),
        sources=(f"{kernel}.c",),
        constants=(
            Constant("weights", "int8_t", found.weights.tobytes()),
            Constant("channels", "int32_t", channels.astype("<i4").tobytes()),
        ),
        overlaps=(Overlap(found.source, found.target, lead),),
    )
