"""Constant folding: what of a graph is known before it runs, above all the shapes that converters compute.

A model converted with an open batch size computes the target of its reshapes: SHAPE, STRIDED_SLICE, PACK. As
an open dimension counts as 1 here, all of that is known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchrunner.errors import UnsupportedOperatorError
from benchrunner.firmware.lowering.movement import Selection, selections
from benchrunner.model import Model, Operator, Tensor

_TYPES = ("int32", "int64")  # shapes and indices; values of the network are never computed here
FOLDED = (
    *("SHAPE", "STRIDED_SLICE", "SLICE", "PACK", "CONCATENATION", "GATHER"),
    *("REDUCE_PROD", "CAST", "ADD", "SUB", "MUL"),
)


def fold(model: Model) -> Model:
    """`model` with every tensor that does not depend on its inputs as a constant.

    Operators keep their numbers; one whose outputs are all constant is lowered to nothing. A RESHAPE
    whose target is known now has an output of that shape.
    """
    found = list(model.graph.tensors)
    for operator in model.graph.operators:
        current = _with_tensors(model, found)
        if operator.name == "RESHAPE":
            _fix_shape(operator, found)
        elif operator.name in FOLDED:
            value = _value(current, operator)
            if value is not None:
                index = operator.outputs[0]
                data = memoryview(value.astype(value.dtype.newbyteorder("<")).tobytes())
                found[index] = replace(found[index], shape=value.shape, data=data, dynamic=False)
    return _with_tensors(model, found)


def _with_tensors(model: Model, found: list[Tensor]) -> Model:
    return replace(model, graph=replace(model.graph, tensors=tuple(found)))


def _fix_shape(operator: Operator, found: list[Tensor]) -> None:
    if len(operator.inputs) < 2 or operator.inputs[1] < 0:
        return
    x, target = (found[index] for index in operator.inputs[:2])
    y = found[operator.outputs[0]]
    if target.data is None or target.dtype not in _TYPES:
        return
    sizes = [int(size) for size in _array(target).reshape(-1)]
    known = 1
    for size in sizes:
        known *= size if size >= 0 else 1
    if sizes.count(-1) == 1 and known > 0:
        sizes[sizes.index(-1)] = x.elements // known
    if min(sizes, default=1) >= 0:
        found[y.index] = replace(y, shape=tuple(sizes), dynamic=False)


def _array(tensor: Tensor) -> Any:
    import numpy as np

    return np.frombuffer(tensor.data or b"", np.dtype(tensor.dtype).newbyteorder("<")).reshape(tensor.shape)


def _value(model: Model, operator: Operator) -> Any:
    """What `operator` computes, as an array of its output's type, or None where that is not known."""
    import numpy as np

    inputs = [model.graph.tensors[index] for index in operator.inputs if index >= 0]
    if len(operator.outputs) != 1 or model.graph.tensors[operator.outputs[0]].dtype not in _TYPES:
        return None
    y = model.graph.tensors[operator.outputs[0]]
    if operator.name == "SHAPE":
        return np.asarray(inputs[0].shape, y.dtype) if inputs else None
    if not inputs or any(not tensor.constant or tensor.dtype not in _TYPES for tensor in inputs):
        return None
    try:
        return np.asarray(_computed(model, operator, [_array(tensor) for tensor in inputs]), y.dtype)
    except (ValueError, IndexError, UnsupportedOperatorError):
        return None  # shapes that contradict each other: the lowering that meets them says so


def _computed(model: Model, operator: Operator, inputs: list[Any]) -> Any:
    import numpy as np

    match operator.name:
        case "STRIDED_SLICE" | "SLICE":
            return _selected(inputs[0], selections(model, operator))
        case "PACK":
            return np.stack(inputs, operator.integer("axis"))
        case "CONCATENATION":
            return np.concatenate(inputs, operator.integer("axis"))
        case "GATHER":
            return np.take(inputs[0], inputs[1], operator.integer("axis"))
        case "REDUCE_PROD":
            keep = bool(operator.options.get("keep_dims"))
            return inputs[0].prod(axis=tuple(int(axis) for axis in inputs[1].reshape(-1)), keepdims=keep)
        case "CAST":
            return inputs[0]
        case "ADD":
            return inputs[0] + inputs[1]
        case "SUB":
            return inputs[0] - inputs[1]
        case "MUL":
            return inputs[0] * inputs[1]
        case name:
            raise ValueError(name)


def _selected(value: Any, taken: list[Selection]) -> Any:
    for axis in reversed(range(len(taken))):
        part = taken[axis]
        indices = range(part.start, part.start + part.count * part.step, part.step)
        value = value.take(list(indices) if part.kept else part.start, axis)
    return value
