"""What lowerings ask of an operator's tensors, and how they name them in a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchrunner.firmware.lowered import Argument, Constant, ConstantArgument, LiteralArgument, TensorArgument
from benchrunner.firmware.lowering.quantisation import activation_range
from benchrunner.firmware.lowering.registry import require
from benchrunner.model import Model, Operator, Tensor


@dataclass(frozen=True, slots=True)
class Scale:
    """The one scale and zero point of a tensor."""

    scale: float
    zero_point: int


def tensors(model: Model, operator: Operator, inputs: Sequence[int]) -> list[Tensor]:
    """The inputs of `operator`, of which there must be as many as one of `inputs` says."""
    found = model.graph.present(operator.inputs)
    require(len(found) in inputs, f"has {len(found)} inputs, expected {' or '.join(map(str, inputs))}")
    for tensor in found:
        require(
            tensor.elements > 0, f"tensor {tensor.name!r} has shape {list(tensor.shape)}, nothing to compute"
        )
    return list(found)


def output(model: Model, operator: Operator) -> Tensor:
    require(len(operator.outputs) == 1, f"has {len(operator.outputs)} outputs, expected 1")
    found = model.graph.tensors[operator.outputs[0]]
    require(found.elements > 0, f"tensor {found.name!r} has shape {list(found.shape)}, nothing to compute")
    return found


def require_types(found: Sequence[Tensor], *allowed: str) -> None:
    for tensor in found:
        require(
            tensor.dtype in allowed,
            f"tensor {tensor.name!r} is {tensor.dtype}, expected {' or '.join(allowed)}",
        )


def require_same_shape(a: Tensor, b: Tensor) -> None:
    require(a.elements == b.elements, f"{a.name!r} has shape {list(a.shape)}, {b.name!r} {list(b.shape)}")


_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}


def scale_of(tensor: Tensor) -> Scale:
    """The per-tensor quantisation of an int8 or uint8 tensor, checked for values that no runtime can use."""
    found = tensor.quantisation
    require(found is not None and len(found.scales) > 0, f"tensor {tensor.name!r} has no quantisation")
    assert found is not None
    require(not found.per_axis, f"tensor {tensor.name!r} is quantised per axis")
    scale, zero_point = found.scales[0], found.zero_points[0]
    low, high = _RANGES.get(tensor.dtype, (0, 0))
    # Beyond that, quotients of two scales are no single-precision numbers any more.
    usable = 2.0**-60 < scale < 2.0**60 and low <= zero_point <= high
    require(usable, f"tensor {tensor.name!r} has scale {scale} and zero point {zero_point}")
    return Scale(scale, zero_point)


def output_range(operator: Operator, y: Tensor) -> tuple[int, int]:
    """The bounds of the fused activation."""
    return activation_range(operator.text("activation", "NONE"), y)


def integers(tensor: Tensor) -> list[int]:
    """The values of a constant of integers: axes, sizes, paddings."""
    require(tensor.data is not None, f"tensor {tensor.name!r} is computed at run time, expected a constant")
    assert tensor.data is not None
    require_types([tensor], "int32", "int64", "int8")
    width = {"int32": 4, "int64": 8, "int8": 1}[tensor.dtype]
    data = bytes(tensor.data)
    return [int.from_bytes(data[i : i + width], "little", signed=True) for i in range(0, len(data), width)]


def read(tensor: Tensor, ctype: str, constants: list[Constant]) -> Argument:
    """The argument that reads `tensor`; one that is constant is appended to `constants`."""
    if tensor.data is None:
        return TensorArgument(tensor.index, ctype)
    name = f"input_{len(constants)}"
    element = {"int8": "int8_t", "uint8": "uint8_t", "float32": "float"}.get(tensor.dtype, "int32_t")
    constants.append(Constant(name, element, bytes(tensor.data)))
    return ConstantArgument(name)


def number(value: int) -> LiteralArgument:
    return LiteralArgument(str(value))


def row(values: Sequence[int]) -> str:
    """The C initialiser of an array."""
    return "{" + ", ".join(map(str, values)) + "}"


def fields(**values: int | str) -> tuple[tuple[str, str], ...]:
    """The fields of a struct in C."""
    return tuple((name, str(value)) for name, value in values.items())
