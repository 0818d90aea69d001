"""The same network otherwise: with another input, or with its padding as layers of their own."""

from __future__ import annotations

import math
import struct
from dataclasses import replace

from benchrunner.errors import ModelError
from benchrunner.model import Graph, Model, Operator, Tensor
from benchrunner.model.fingerprint import graph_sha256

Shape = tuple[int, ...]

_SAME_SHAPE = (
    *("SOFTMAX", "LOGISTIC", "TANH", "RELU", "RELU6", "RELU_N1_TO_1", "LEAKY_RELU", "HARD_SWISH"),
    *("QUANTIZE", "DEQUANTIZE"),
)
_BROADCAST = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_INTEGERS = {"int32": "i", "int64": "q"}


def resized(model: Model, height: int, width: int, channels: int) -> Model:
    """`model` with an input of that size; weights of the first layer are zero where they change their shape.

    Raises `ModelError` naming the layer for which there is no such network: a dense layer behind a map, say.
    """
    graph = model.graph
    tensors = list(graph.tensors)
    if len(graph.inputs) != 1 or len(tensors[graph.inputs[0]].shape) != 4:
        raise ModelError(f"{model.source}: only a model with one image as input can be given another size")
    source = tensors[graph.inputs[0]]
    tensors[source.index] = replace(source, shape=(source.shape[0], height, width, channels))
    for operator in graph.operators:
        if all(tensors[index].constant for index in operator.outputs):
            continue
        shapes = [graph.tensors[i].shape for i in operator.inputs if i >= 0]
        if shapes == [tensors[i].shape for i in operator.inputs if i >= 0]:
            continue
        shape = _output_shape(model, operator, tensors)
        (output,) = operator.outputs
        if min(shape, default=1) < 1:
            raise model.error(operator, f"nothing is left of an input of {height}x{width}x{channels}")
        tensors[output] = replace(tensors[output], shape=shape)
    return _with(model, replace(graph, tensors=tuple(tensors)))


def _output_shape(model: Model, operator: Operator, tensors: list[Tensor]) -> Shape:
    x = tensors[operator.inputs[0]]
    old = model.graph.tensors[operator.outputs[0]].shape
    match operator.name:
        case "CONV_2D":
            weights = tensors[operator.inputs[1]]
            if weights.shape[3] != x.shape[3]:
                weights = _rewoven(weights, (*weights.shape[:3], x.shape[3]))
                tensors[weights.index] = weights
            return _window(operator, x.shape, (weights.shape[1], weights.shape[2]), old[3])
        case "DEPTHWISE_CONV_2D":
            weights = tensors[operator.inputs[1]]
            if old[3] % x.shape[3] or weights.shape[3] != old[3] or x.shape[3] != _input(model, operator)[3]:
                raise model.error(operator, f"its weights are for {weights.shape[3]} channels")
            return _window(operator, x.shape, (weights.shape[1], weights.shape[2]), old[3])
        case name if name in _POOLS:
            kernel = (operator.integer("filter_h"), operator.integer("filter_w"))
            return _window(operator, x.shape, kernel, x.shape[3])
        case name if name in _SAME_SHAPE:
            return x.shape
        case name if name in _BROADCAST:
            return _broadcast(model, operator, [tensors[i].shape for i in operator.inputs])
        case "PAD" | "PADV2":
            pads = _values(model, operator, tensors[operator.inputs[1]])
            sides = zip(x.shape, pads[::2], pads[1::2], strict=True)
            return tuple(size + before + after for size, before, after in sides)
        case "MEAN":
            axes = {axis % len(x.shape) for axis in _values(model, operator, tensors[operator.inputs[1]])}
            if operator.options.get("keep_dims"):
                return tuple(1 if i in axes else size for i, size in enumerate(x.shape))
            return tuple(size for i, size in enumerate(x.shape) if i not in axes)
        case "CONCATENATION":
            axis = operator.integer("axis") % len(x.shape)
            total = sum(tensors[i].shape[axis] for i in operator.inputs)
            return (*x.shape[:axis], total, *x.shape[axis + 1 :])
        case _:
            raise model.error(operator, f"is for an input of {_text(_input(model, operator))}")


def _input(model: Model, operator: Operator) -> Shape:
    return model.graph.tensors[operator.inputs[0]].shape


def _window(operator: Operator, shape: Shape, kernel: tuple[int, int], channels: int) -> Shape:
    sizes = []
    for axis, side in ((1, "h"), (2, "w")):
        dilation = operator.options.get(f"dilation_{side}", 1)
        covered = (
            (kernel[axis - 1] - 1) * int(str(dilation)) if operator.text("padding", "") == "VALID" else 0
        )
        sizes.append(-(-(shape[axis] - covered) // operator.integer(f"stride_{side}")))
    return shape[0], sizes[0], sizes[1], channels


def _broadcast(model: Model, operator: Operator, shapes: list[Shape]) -> Shape:
    rank = max(map(len, shapes))
    found = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        wanted = {size for size in sizes if size != 1}
        if len(wanted) > 1:
            raise model.error(operator, f"no operands of shapes {' and '.join(map(_text, shapes))}")
        found.append(wanted.pop() if wanted else 1)
    return tuple(found)


def _values(model: Model, operator: Operator, tensor: Tensor) -> list[int]:
    if tensor.data is None or tensor.dtype not in _INTEGERS:
        raise model.error(operator, f"{tensor.name} is not a constant of whole numbers")
    return list(struct.unpack(f"<{tensor.elements}{_INTEGERS[tensor.dtype]}", tensor.data))


def _rewoven(weights: Tensor, shape: Shape) -> Tensor:
    return replace(weights, shape=shape, data=memoryview(bytes(math.prod(shape))))


def padding_apart(model: Model) -> Model:
    """`model` as the Keras applications export it: a PAD before every depthwise layer of stride 2.

    It computes the same. A model that has no such layer with padding of its own comes back as it is.
    """
    tensors = list(model.graph.tensors)
    operators: list[Operator] = []
    for operator in model.graph.operators:
        source = tensors[operator.inputs[0]] if operator.inputs else None
        if source is not None and operator.name == "DEPTHWISE_CONV_2D" and _pads_at_stride_2(operator):
            kernel = tensors[operator.inputs[1]].shape[1:3]
            pads = [0, 0]
            for axis, size in ((1, kernel[0]), (2, kernel[1])):
                length = source.shape[axis]
                total = max(0, (-(-length // 2) - 1) * 2 + size - length)
                pads += [total // 2, total - total // 2]
            pads += [0, 0]
            if any(pads):
                shape = tuple(
                    size + sum(pads[2 * axis : 2 * axis + 2]) for axis, size in enumerate(source.shape)
                )
                count = len(tensors)
                data = memoryview(struct.pack("<8i", *pads))
                tensors.append(Tensor(count, "paddings", (4, 2), "int32", None, data))
                name = tensors[operator.outputs[0]].name + "/pad"
                tensors.append(replace(source, index=count + 1, name=name, shape=shape))
                operators.append(Operator(len(operators), "PAD", 1, (source.index, count), (count + 1,), {}))
                options = {**operator.options, "padding": "VALID"}
                operator = replace(operator, inputs=(count + 1, *operator.inputs[1:]), options=options)
        operators.append(replace(operator, index=len(operators)))
    if len(operators) == len(model.graph.operators):
        return model
    return _with(model, replace(model.graph, tensors=tuple(tensors), operators=tuple(operators)))


def _pads_at_stride_2(operator: Operator) -> bool:
    options = operator.options
    strides = (options.get("stride_h"), options.get("stride_w"))
    dilated = (options.get("dilation_h", 1), options.get("dilation_w", 1)) != (1, 1)
    return options.get("padding") == "SAME" and strides == (2, 2) and not dilated


def expansion_fused(model: Model) -> Model:
    """`model` with every pointwise layer and the depthwise layer behind it as one, for its memory only.

    Of the map between them only as many rows are kept as the window of the depthwise layer is high.
    """
    graph = model.graph
    tensors = list(graph.tensors)
    readers: dict[int, list[Operator]] = {}
    for operator in graph.operators:
        for index in set(operator.inputs):
            readers.setdefault(index, []).append(operator)
    behind: dict[int, Operator] = {}  # pointwise layer -> its depthwise one
    for operator in graph.operators:
        if operator.name == "CONV_2D" and tensors[operator.inputs[1]].shape[1:3] == (1, 1):
            (output,) = operator.outputs
            (reader, *others) = readers.get(output, []) or [operator]
            if reader.name == "DEPTHWISE_CONV_2D" and not others and output not in graph.outputs:
                behind[operator.index] = reader
    merged = {reader.index for reader in behind.values()}
    operators: list[Operator] = []
    for operator in graph.operators:
        if operator.index in merged:
            continue
        if operator.index in behind:
            reader, (between,) = behind[operator.index], operator.outputs
            batch, height, width, channels = tensors[between].shape
            rows = min(height, tensors[reader.inputs[1]].shape[1])
            tensors[between] = replace(tensors[between], shape=(batch, rows, width, channels))
            outputs = (*reader.outputs, between)
            operator = replace(operator, name="CUSTOM:fused", outputs=outputs)
        operators.append(replace(operator, index=len(operators)))
    return _with(model, replace(graph, tensors=tuple(tensors), operators=tuple(operators)))


def _with(model: Model, graph: Graph) -> Model:
    return replace(model, graph=graph, graph_sha256=graph_sha256(graph))


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape))
