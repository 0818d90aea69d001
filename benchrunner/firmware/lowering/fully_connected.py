"""FULLY_CONNECTED as calls of its kernels."""

from __future__ import annotations

import numpy as np

from benchrunner.firmware.lowered import (
    Call,
    Constant,
    ConstantArgument,
    Lowered,
    Overlap,
    ScratchArgument,
    StructArgument,
    TensorArgument,
)
from benchrunner.firmware.lowering.convolution import bias_values
from benchrunner.firmware.lowering.geometry import lead_bytes
from benchrunner.firmware.lowering.packing import folded_channels, packed_fours
from benchrunner.firmware.lowering.quantisation import (
    activation_range,
    int8_activation,
    scale_of,
    weight_scales,
    zero_of,
)
from benchrunner.firmware.lowering.registry import require
from benchrunner.model import Model, Operator


def lower_fully_connected(model: Model, operator: Operator, *, plain: bool = False) -> Lowered:
    """A fully connected layer; leading dimensions of the input count as batch.

    `plain` takes the loops that the fast kernel is compared with.
    """
    tensors = model.graph.tensors
    source, weights, target = (
        tensors[operator.inputs[0]],
        tensors[operator.inputs[1]],
        tensors[operator.outputs[0]],
    )
    int8_activation(source, "input")
    int8_activation(target, "output")
    require(len(weights.shape) == 2, f"weights {weights.name}: expected 2 dimensions")
    require(
        operator.options.get("weights_format", 0) == 0, f"weights {weights.name}: expected the default format"
    )
    scales = weight_scales(weights, 0)
    output_c, input_c = weights.shape
    batches = source.elements // input_c
    require(
        source.elements == batches * input_c and target.elements == batches * output_c,
        f"{source.elements} values in and {target.elements} out for weights of {output_c} x {input_c}",
    )
    bias_tensor = (
        tensors[operator.inputs[2]] if len(operator.inputs) > 2 and operator.inputs[2] >= 0 else None
    )
    factors = [scale_of(source) * scale / scale_of(target) for scale in scales]
    flat = np.frombuffer(weights.data or b"", np.int8).reshape(output_c, input_c)
    bias = bias_values(bias_tensor, output_c)
    zeros = (zero_of(source), zero_of(target))
    fast = folded_channels(flat, bias, factors, zeros, in_double=True)
    packed = packed_fours(fast) if fast and not plain else None
    if packed:
        kernel, ctypes, scratch_bytes = "fully_connected_s8", ("uint32_t", "int32_t"), 8 * -(-input_c // 4)
        reads, written = np.arange(batches) * input_c, np.arange(1, batches + 1) * output_c
    else:
        kernel, ctypes, scratch_bytes = "fully_connected_scalar_s8", ("int8_t", "uint32_t"), 0
        factor_words = np.array(factors, "<f8").view("<u4").reshape(-1, 2)
        packed = flat.tobytes(), np.column_stack([bias.view("<u4"), factor_words]).astype("<u4").tobytes()
        reads = np.repeat(np.arange(batches) * input_c, output_c)
        written = np.arange(1, len(reads) + 1)
    arguments = (
        TensorArgument(source.index, "const int8_t *"),
        ConstantArgument("weights"),
        ConstantArgument("channels"),
        TensorArgument(target.index, "int8_t *"),
        *((ScratchArgument(),) if scratch_bytes else ()),
        _shape(
            batches, (input_c, output_c), zeros, activation_range(operator.text("activation", "NONE"), target)
        ),
    )
    return Lowered(
        layer=operator.index,
        calls=(Call(kernel, arguments),),
        sources=(f"{kernel}.c",),
        constants=(Constant("weights", ctypes[0], packed[0]), Constant("channels", ctypes[1], packed[1])),
        scratch_bytes=scratch_bytes,
        overlaps=(Overlap(source.index, target.index, lead_bytes(reads, written)),),
    )


def _shape(
    batches: int, channels: tuple[int, int], zeros: tuple[int, int], output_range: tuple[int, int]
) -> StructArgument:
    """Pairs are of input and output, the range is its smallest and largest value."""
    values = {
        "batches": batches,
        "input_c": channels[0],
        "output_c": channels[1],
        "input_zero": zeros[0],
        "output_zero": zeros[1],
        "output_min": output_range[0],
        "output_max": output_range[1],
    }
    return StructArgument(
        "fully_connected_shape_t", tuple((name, str(value)) for name, value in values.items())
    )
