"""What each layer computes and moves: multiply-accumulates, parameters, bytes, sizes that time depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from benchrunner.model.graph import Model, Operator, Tensor


class LayerKind(StrEnum):
    CONVOLUTION = "convolution"
    POINTWISE = "pointwise"  # 1x1 convolution
    DEPTHWISE = "depthwise"
    DENSE = "dense"
    POOL = "pool"  # average and maximum pooling, mean and sum over axes
    ELEMENTWISE = "elementwise"
    ACTIVATION = "activation"  # softmax, sigmoid ...: a function of each element or row
    QUANTISE = "quantise"  # quantise, dequantise, cast
    COPY = "copy"  # moves elements: pad, concatenate, transpose, slice
    VIEW = "view"  # the same bytes under another shape
    UNKNOWN = "unknown"


_KINDS: Mapping[LayerKind, str] = {
    LayerKind.CONVOLUTION: "CONV_2D TRANSPOSE_CONV CONV_3D",
    LayerKind.DEPTHWISE: "DEPTHWISE_CONV_2D",
    LayerKind.DENSE: "FULLY_CONNECTED BATCH_MATMUL",
    LayerKind.POOL: (
        "AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD "
        "REDUCE_ANY REDUCE_ALL ARG_MAX ARG_MIN"
    ),
    LayerKind.ELEMENTWISE: (
        "ADD SUB MUL DIV MAXIMUM MINIMUM SQUARED_DIFFERENCE ADD_N POW FLOOR_DIV FLOOR_MOD NEG ABS "
        "SQRT RSQRT SQUARE EXP LOG SIN COS FLOOR CEIL ROUND SIGN EQUAL NOT_EQUAL LESS LESS_EQUAL "
        "GREATER GREATER_EQUAL LOGICAL_AND LOGICAL_OR LOGICAL_NOT SELECT SELECT_V2 WHERE"
    ),
    LayerKind.ACTIVATION: (
        "SOFTMAX LOG_SOFTMAX LOGISTIC TANH RELU RELU6 RELU_N1_TO_1 RELU_0_TO_1 LEAKY_RELU PRELU "
        "ELU GELU HARD_SWISH L2_NORMALIZATION"
    ),
    LayerKind.QUANTISE: "QUANTIZE DEQUANTIZE CAST",
    LayerKind.COPY: (
        "PAD PADV2 MIRROR_PAD CONCATENATION TRANSPOSE SLICE STRIDED_SLICE PACK UNPACK SPLIT "
        "SPLIT_V GATHER GATHER_ND TILE BROADCAST_TO REVERSE_V2 SPACE_TO_DEPTH DEPTH_TO_SPACE "
        "SPACE_TO_BATCH_ND BATCH_TO_SPACE_ND FILL ZEROS_LIKE ONE_HOT RANGE SHAPE RANK "
        "RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR TOPK_V2"
    ),
    LayerKind.VIEW: "RESHAPE SQUEEZE EXPAND_DIMS",
}
_KIND_OF: Mapping[str, LayerKind] = {name: kind for kind, names in _KINDS.items() for name in names.split()}


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One operator. Bytes and elements of inputs and outputs are of activations, not of constants.

    `macs` is None where the operator is not known: no number is better than a wrong one. Convolutions and
    dense layers count one per product, with the output's size; every other known operator counts 0.
    Sizes that an operator does not have are 1 (`kernel`, `stride`, `out_h`, `out_w`).
    """

    index: int
    operator: str
    name: str  # of the first output
    kind: LayerKind
    macs: int | None
    parameters: int  # weights and biases, batch normalisation folded as the file has it
    weight_bytes: int
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    input_elements: int
    output_elements: int
    input_bytes: int
    output_bytes: int
    dtype: str  # of the first output
    activation: str
    kernel_h: int = 1
    kernel_w: int = 1
    stride_h: int = 1
    stride_w: int = 1
    in_channels: int = 1
    out_channels: int = 1
    out_h: int = 1
    out_w: int = 1


def layer_costs(model: Model) -> tuple[LayerCost, ...]:
    """The cost of every operator, in the order in which they run.

    Raises `ModelError` naming the layer where its shapes contradict each other.
    Source of the formulas: Howard et al., MobileNets, arXiv 1704.04861, section 3.1, counted by output size.
    """
    return tuple(_cost(model, operator) for operator in model.graph.operators)


def _cost(model: Model, operator: Operator) -> LayerCost:
    graph = model.graph
    kind = _KIND_OF.get(operator.name, LayerKind.UNKNOWN)
    inputs, outputs = graph.activations(operator.inputs), graph.activations(operator.outputs)
    weights = graph.weights(operator)
    sizes = _sizes(model, operator, kind)
    if (
        kind is LayerKind.CONVOLUTION
        and operator.name == "CONV_2D"
        and sizes["kernel_h"] == sizes["kernel_w"] == 1
    ):
        kind = LayerKind.POINTWISE
    return LayerCost(
        index=operator.index,
        operator=operator.name,
        name=outputs[0].name if outputs else "",
        kind=kind,
        macs=_macs(model, operator, kind),
        parameters=sum(t.elements for t in weights),
        weight_bytes=sum(t.size_bytes for t in weights),
        input_shapes=tuple(t.shape for t in inputs),
        output_shapes=tuple(t.shape for t in outputs),
        input_elements=sum(t.elements for t in inputs),
        output_elements=sum(t.elements for t in outputs),
        input_bytes=sum(t.size_bytes for t in inputs),
        output_bytes=sum(t.size_bytes for t in outputs),
        dtype=outputs[0].dtype if outputs else "",
        activation=operator.text("activation", "NONE"),
        **sizes,
    )


def _macs(model: Model, operator: Operator, kind: LayerKind) -> int | None:
    tensors = model.graph.tensors
    match operator.name:
        case "CONV_2D" | "DEPTHWISE_CONV_2D":
            _, height, width, channels = tensors[operator.inputs[1]].shape
            products = height * width * (1 if kind is LayerKind.DEPTHWISE else channels)
            return tensors[operator.outputs[0]].elements * products
        case "FULLY_CONNECTED":
            return tensors[operator.outputs[0]].elements * tensors[operator.inputs[1]].shape[1]
        case "TRANSPOSE_CONV":  # every input element meets every weight of its channel
            channels, height, width, _ = _tensor(model, operator, 1, 4).shape
            return _tensor(model, operator, 2, 4).elements * height * width * channels
        case "CONV_3D":
            depth, height, width, channels, _ = _tensor(model, operator, 1, 5).shape
            return _output(model, operator).elements * depth * height * width * channels
        case "BATCH_MATMUL":
            left = _tensor(model, operator, 0)
            if len(left.shape) < 2:
                raise model.error(operator, f"expected a matrix, found shape {left.shape}")
            return _output(model, operator).elements * left.shape[-2 if operator.options.get("adj_x") else -1]
        case _:
            return None if kind is LayerKind.UNKNOWN else 0


def _sizes(model: Model, operator: Operator, kind: LayerKind) -> dict[str, int]:
    """Kernel, stride, channels and output size, checked against each other where they must agree."""
    match operator.name:
        case "CONV_2D" | "DEPTHWISE_CONV_2D":
            return _convolution(model, operator, depthwise=kind is LayerKind.DEPTHWISE)
        case "FULLY_CONNECTED":
            return _dense(model, operator)
        case "AVERAGE_POOL_2D" | "MAX_POOL_2D" | "L2_POOL_2D":
            kernel = (_option(model, operator, "filter_h"), _option(model, operator, "filter_w"))
            return _window(model, operator, kernel)
        case _:
            graph = model.graph
            return _channels(graph.activations(operator.inputs), graph.activations(operator.outputs))


def _channels(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> dict[str, int]:
    before = inputs[0].shape if inputs else ()
    after = outputs[0].shape if outputs else ()
    height, width = after[1:3] if len(after) == 4 else (1, 1)
    return {
        "in_channels": before[-1] if before else 1,
        "out_channels": after[-1] if after else 1,
        "out_h": height,
        "out_w": width,
    }


def _convolution(model: Model, operator: Operator, *, depthwise: bool) -> dict[str, int]:
    source, weights = _tensor(model, operator, 0, 4), _tensor(model, operator, 1, 4)
    result = _output(model, operator)
    sizes = _window(model, operator, weights.shape[1:3])
    channels = source.shape[3]
    if depthwise:
        agrees = weights.shape[3] == sizes["out_channels"] and channels and weights.shape[3] % channels == 0
    else:
        per_group = weights.shape[3]
        agrees = weights.shape[0] == sizes["out_channels"] and per_group > 0 and channels % per_group == 0
    if not agrees:
        raise model.error(
            operator, f"weights {weights.shape} do not lead from {source.shape} to {result.shape}"
        )
    return sizes


def _dense(model: Model, operator: Operator) -> dict[str, int]:
    source, weights, result = (
        _tensor(model, operator, 0),
        _tensor(model, operator, 1, 2),
        _output(model, operator),
    )
    units, channels = weights.shape
    dynamic = source.dynamic or result.dynamic
    if not dynamic and source.elements * units != result.elements * channels:
        raise model.error(
            operator, f"weights {weights.shape} do not lead from {source.shape} to {result.shape}"
        )
    return {"in_channels": channels, "out_channels": units}


def _window(model: Model, operator: Operator, kernel: tuple[int, ...]) -> dict[str, int]:
    source, result = _tensor(model, operator, 0, 4), _output(model, operator)
    if len(result.shape) != 4:
        raise model.error(operator, f"expected an output of 4 dimensions, found shape {result.shape}")
    sizes = {"in_channels": source.shape[3], "out_channels": result.shape[3]}
    padding = operator.text("padding", "SAME")
    for axis, side in ((1, "h"), (2, "w")):
        size, stride = kernel[axis - 1], _option(model, operator, f"stride_{side}")
        dilation = operator.integer(f"dilation_{side}") if f"dilation_{side}" in operator.options else 1
        if size < 1 or stride < 1 or dilation < 1:
            raise model.error(
                operator, f"kernel {size}, stride {stride}, dilation {dilation}: all must be positive"
            )
        covered = 0 if padding == "SAME" else (size - 1) * dilation
        expected = -(-(source.shape[axis] - covered) // stride)
        if result.shape[axis] != expected and not (source.dynamic or result.dynamic):
            raise model.error(
                operator,
                f"{padding} padding, kernel {size}, stride {stride} lead from {source.shape} to {expected} "
                f"along axis {axis}, the file says {result.shape}",
            )
        sizes |= {f"kernel_{side}": size, f"stride_{side}": stride, f"out_{side}": result.shape[axis]}
    return sizes


def _option(model: Model, operator: Operator, name: str) -> int:
    if name not in operator.options:
        raise model.error(operator, f"has no option {name}")
    return operator.integer(name)


def _tensor(model: Model, operator: Operator, position: int, rank: int | None = None) -> Tensor:
    if position >= len(operator.inputs) or operator.inputs[position] < 0:
        raise model.error(operator, f"input {position} is missing")
    tensor = model.graph.tensors[operator.inputs[position]]
    if rank is not None and len(tensor.shape) != rank:
        raise model.error(
            operator, f"expected input {position} of {rank} dimensions, found shape {tensor.shape}"
        )
    return tensor


def _output(model: Model, operator: Operator) -> Tensor:
    if len(operator.outputs) != 1:
        raise model.error(operator, f"expected one output, found {len(operator.outputs)}")
    return model.graph.tensors[operator.outputs[0]]
