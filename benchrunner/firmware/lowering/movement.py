"""Operators that move elements or rename them: aliases, and copies of blocks between two layouts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchrunner.firmware.lowered import (
    Call,
    Constant,
    ConstantArgument,
    Lowered,
    StructArgument,
    TensorArgument,
)
from benchrunner.firmware.lowering.operands import (
    fields,
    integers,
    number,
    output,
    read,
    require_same_shape,
    require_types,
    row,
    scale_of,
    tensors,
)
from benchrunner.firmware.lowering.registry import Lowering, require
from benchrunner.firmware.lowering.rounding import round_half_away, single
from benchrunner.model import Model, Operator, Tensor
from benchrunner.model.graph import DTYPE_BITS

_SOURCE = "copy_blocks.c"
_LOOPS = 5


def _alias(model: Model, operator: Operator) -> Lowered:
    x = tensors(model, operator, (1, 2))[0]
    y = output(model, operator)
    require_types([y], x.dtype)
    require_same_shape(x, y)
    if x.constant:
        return _copy(operator, x, y, [(x.elements, 1, 1)])
    return Lowered(operator.index, (), (), aliases=((y.index, x.index),))


# Loops of a copy in elements: count, step in the input, step in the output.
Loops = Sequence[tuple[int, int, int]]


def _copy(operator: Operator, x: Tensor, y: Tensor, loops: Loops) -> Lowered:
    """A copy of all of `loops` as the whole of an operator."""
    constants: list[Constant] = []
    call = _copy_call(x, y, loops, constants)
    return Lowered(operator.index, (call,), (_SOURCE,), tuple(constants))


def _copy_call(
    x: Tensor, y: Tensor, loops: Loops, constants: list[Constant], input_start: int = 0, output_start: int = 0
) -> Call:
    """A copy along `loops`, outermost first; starts in elements."""
    require_types([y], x.dtype)
    require(DTYPE_BITS[x.dtype] % 8 == 0 and x.dtype != "string", f"elements of {x.dtype} are not moved")
    width = DTYPE_BITS[x.dtype] // 8
    axes: list[tuple[int, int, int]] = []  # in bytes, innermost first
    block = width
    for count, step_in, step_out in reversed(loops):
        axis = (count, step_in * width, step_out * width)
        if count == 1:
            continue
        if not axes and axis[1:] == (block, block):
            block *= count
        elif axes and axis[1:] == (axes[-1][0] * axes[-1][1], axes[-1][0] * axes[-1][2]):
            axes[-1] = (axes[-1][0] * count, *axes[-1][1:])
        else:
            axes.append(axis)
    require(len(axes) <= _LOOPS, f"the copy takes more than {_LOOPS} loops")
    axes += [(1, 0, 0)] * (_LOOPS - len(axes))
    axes.reverse()
    plan = StructArgument(
        "copy_blocks_t",
        fields(
            size=row([axis[0] for axis in axes]),
            input_step=row([axis[1] for axis in axes]),
            output_step=row([axis[2] for axis in axes]),
            input_start=input_start * width,
            output_start=output_start * width,
            block_bytes=block,
        ),
    )
    return Call("copy_blocks", (read(x, "const void *", constants), TensorArgument(y.index, "void *"), plan))


def _steps(shape: Sequence[int]) -> list[int]:
    """Elements from one index to the next along each axis."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _whole(part: Sequence[int], inside: Sequence[int], outside: Sequence[int]) -> list[tuple[int, int, int]]:
    """Loops over `part`, which lies in tensors of the shapes `inside` and `outside`."""
    require(len(part) == len(inside) == len(outside), f"ranks of {list(inside)} and {list(outside)} differ")
    return list(zip(part, _steps(inside), _steps(outside), strict=True))


def _axis(value: int, rank: int) -> int:
    require(-rank <= value < rank, f"axis {value} of {rank}")
    return value % rank


def _concatenate(model: Model, operator: Operator) -> Lowered:
    found = model.graph.present(operator.inputs)
    y = output(model, operator)
    require(operator.text("activation", "NONE") == "NONE", "a fused activation is not run")
    rank = len(y.shape)
    axis = _axis(operator.integer("axis"), rank)
    constants: list[Constant] = []
    calls, position = [], 0
    for x in found:
        require_types([x], y.dtype)
        _require_same_scale(x, y)
        expected = (*y.shape[:axis], *x.shape[axis : axis + 1], *y.shape[axis + 1 :])
        require(x.shape == expected, f"{x.name!r} has shape {list(x.shape)}, the output {list(y.shape)}")
        start = position * _steps(y.shape)[axis]
        calls.append(_copy_call(x, y, _whole(x.shape, x.shape, y.shape), constants, output_start=start))
        position += x.shape[axis]
    require(position == y.shape[axis], f"inputs fill {position} of {y.shape[axis]} along axis {axis}")
    return Lowered(operator.index, tuple(calls), (_SOURCE,), tuple(constants))


def _require_same_scale(x: Tensor, y: Tensor) -> None:
    """The oracle moves stored values as they are."""
    if y.dtype in ("int8", "uint8"):
        require(scale_of(x) == scale_of(y), f"{x.name!r} and {y.name!r} differ in quantisation")


def _split(model: Model, operator: Operator) -> Lowered:
    found = tensors(model, operator, (2, 3))
    results = [model.graph.tensors[index] for index in operator.outputs]
    axis_tensor, x = (found[0], found[1]) if operator.name == "SPLIT" else (found[-1], found[0])
    given = integers(axis_tensor)
    require(len(given) == 1, f"axes {given}, expected one")
    axis = _axis(given[0], len(x.shape))
    constants: list[Constant] = []
    calls, position = [], 0
    for y in results:
        _require_same_scale(x, y)
        expected = (*x.shape[:axis], *y.shape[axis : axis + 1], *x.shape[axis + 1 :])
        require(y.shape == expected, f"{y.name!r} has shape {list(y.shape)}, the input {list(x.shape)}")
        start = position * _steps(x.shape)[axis]
        calls.append(_copy_call(x, y, _whole(y.shape, x.shape, y.shape), constants, input_start=start))
        position += y.shape[axis]
    require(position == x.shape[axis], f"outputs take {position} of {x.shape[axis]} along axis {axis}")
    return Lowered(operator.index, tuple(calls), (_SOURCE,), tuple(constants))


@dataclass(frozen=True, slots=True)
class Selection:
    """What SLICE and STRIDED_SLICE take along one axis of the input."""

    start: int
    count: int
    step: int
    kept: bool = True  # False for an axis that the output does not have


def selections(model: Model, operator: Operator) -> list[Selection]:
    """The part of its input that SLICE or STRIDED_SLICE takes, axis by axis."""
    found = tensors(model, operator, (3,) if operator.name == "SLICE" else (4,))
    shape = found[0].shape
    if operator.name == "SLICE":
        begins, sizes = integers(found[1]), integers(found[2])
        require(len(begins) == len(sizes) == len(shape), f"begin {begins}, size {sizes} of {list(shape)}")
        taken = []
        for begin, count, size in zip(begins, sizes, shape, strict=True):
            count = size - begin if count == -1 else count
            require(begin >= 0 < count <= size - begin, f"begin {begins}, size {sizes} of {list(shape)}")
            taken.append(Selection(begin, count, 1))
        return taken
    begins, ends, steps = (integers(tensor) for tensor in found[1:])
    require(len(begins) == len(ends) == len(steps), f"begin {begins}, end {ends}, strides {steps}")
    masks = {name: operator.integer(f"{name}_mask") for name in ("begin", "end", "ellipsis", "shrink_axis")}
    require(operator.integer("new_axis_mask") == 0, "new_axis_mask is not run")
    taken = []
    for position in range(len(begins)):
        if masks["ellipsis"] >> position & 1:
            rest = len(shape) - (len(begins) - 1)
            taken += [Selection(0, size, 1) for size in shape[len(taken) : len(taken) + rest]]
            continue
        require(len(taken) < len(shape), f"{len(begins)} ranges for {list(shape)}")
        taken.append(_range(position, begins, ends, steps, masks, shape[len(taken)], operator))
    return taken + [Selection(0, size, 1) for size in shape[len(taken) :]]


def _range(
    position: int,
    begins: list[int],
    ends: list[int],
    steps: list[int],
    masks: Mapping[str, int],
    size: int,
    operator: Operator,
) -> Selection:
    """One range of a STRIDED_SLICE, whose indices mean what they mean in Python."""
    begin, end, step = begins[position], ends[position], steps[position]
    require(step != 0, "a stride is 0")
    if operator.options.get("offset"):
        end += begin
    if masks["shrink_axis"] >> position & 1:
        index = begin + size if begin < 0 else begin
        index = 0 if masks["begin"] >> position & 1 else index
        require(0 <= index < size, f"index {begin} of {size}")
        return Selection(index, 1, 1, kept=False)
    first = None if masks["begin"] >> position & 1 else begin
    last = None if masks["end"] >> position & 1 else end
    indices = range(*slice(first, last, step).indices(size))
    require(len(indices) > 0, f"range {begin}:{end}:{step} of {size} is empty")
    return Selection(indices[0], len(indices), step)


def _slice(model: Model, operator: Operator) -> Lowered:
    taken = selections(model, operator)
    x, y = model.graph.tensors[operator.inputs[0]], output(model, operator)
    _require_same_scale(x, y)
    kept = tuple(selection.count for selection in taken if selection.kept)
    require(kept == y.shape, f"takes {list(kept)}, the output has shape {list(y.shape)}")
    steps = _steps(x.shape)
    counts = [selection.count for selection in taken]
    loops = [
        (selection.count, selection.step * step, step_out)
        for selection, step, step_out in zip(taken, steps, _steps(counts), strict=True)
    ]
    start = sum(selection.start * step for selection, step in zip(taken, steps, strict=True))
    constants: list[Constant] = []
    call = _copy_call(x, y, loops, constants, input_start=start)
    return Lowered(operator.index, (call,), (_SOURCE,), tuple(constants))


def _transpose(model: Model, operator: Operator) -> Lowered:
    x, order = tensors(model, operator, (2,))
    y = output(model, operator)
    _require_same_scale(x, y)
    axes = integers(order)
    require(sorted(axes) == list(range(len(x.shape))), f"permutation {axes} of {list(x.shape)}")
    require(
        tuple(x.shape[axis] for axis in axes) == y.shape, f"{list(x.shape)} by {axes} is not {list(y.shape)}"
    )
    steps = _steps(x.shape)
    return _copy(
        operator, x, y, list(zip(y.shape, (steps[axis] for axis in axes), _steps(y.shape), strict=True))
    )


def _pad(model: Model, operator: Operator) -> Lowered:
    found = tensors(model, operator, (2,) if operator.name == "PAD" else (3,))
    x, y = found[0], output(model, operator)
    require_types([x, y], "int8")
    _require_same_scale(x, y)
    value = scale_of(y).zero_point
    if operator.name == "PADV2":
        require_types([found[2]], "int8")
        _require_same_scale(found[2], y)
        values = integers(found[2])
        require(len(values) == 1, f"pads with {len(values)} values, expected one")
        value = values[0]
    flat = integers(found[1])
    require(len(flat) == 2 * len(x.shape) and min(flat) >= 0, f"paddings {flat} of {list(x.shape)}")
    before, after = flat[::2], flat[1::2]
    padded = tuple(sum(sizes) for sizes in zip(x.shape, before, after, strict=True))
    require(padded == y.shape, f"pads to {list(padded)}, the output has shape {list(y.shape)}")
    start = sum(count * step for count, step in zip(before, _steps(y.shape), strict=True))
    constants: list[Constant] = []
    calls = (
        Call("fill_bytes", (TensorArgument(y.index, "void *"), number(value), number(y.elements))),
        _copy_call(x, y, _whole(x.shape, x.shape, y.shape), constants, output_start=start),
    )
    return Lowered(operator.index, calls, (_SOURCE,), tuple(constants))


def _resize(model: Model, operator: Operator) -> Lowered:
    x, size = tensors(model, operator, (2,))
    y = output(model, operator)
    require_types([x, y], "int8")
    _require_same_scale(x, y)
    require(len(x.shape) == len(y.shape) == 4, f"shape {list(x.shape)} is not batch, height, width, channels")
    expected = (x.shape[0], *integers(size), x.shape[3])
    require(expected == y.shape, f"resizes to {list(expected)}, the output has shape {list(y.shape)}")
    tables = [_nearest(x.shape[axis], y.shape[axis], operator) for axis in (1, 2)]
    require(max(itertools.chain(*tables)) < 1 << 16, f"{list(x.shape)} has more than 65536 rows or columns")
    constants = [
        Constant(name, "uint16_t", b"".join(index.to_bytes(2, "little") for index in table))
        for name, table in zip(("rows", "columns"), tables, strict=True)
    ]
    channels = x.shape[3]
    plan = StructArgument(
        "resize_nearest_t",
        fields(
            batches=x.shape[0],
            output_height=y.shape[1],
            output_width=y.shape[2],
            pixel_bytes=channels,
            row_bytes=x.shape[2] * channels,
            image_bytes=x.shape[1] * x.shape[2] * channels,
        ),
    )
    addresses = (TensorArgument(x.index, "const void *"), TensorArgument(y.index, "void *"))
    arguments = (*addresses, ConstantArgument("rows"), ConstantArgument("columns"), plan)
    return Lowered(operator.index, (Call("resize_nearest", arguments),), (_SOURCE,), tuple(constants))


def _nearest(size: int, result: int, operator: Operator) -> list[int]:
    """The input index of each output index, in single precision (`reference/resize_nearest_neighbor.h`)."""
    align, centers = bool(operator.options["align_corners"]), bool(operator.options["half_pixel_centers"])
    scale = single((size - 1) / (result - 1)) if align and result > 1 else single(size / result)

    def index(position: int) -> int:
        real = single((position + 0.5 * centers) * scale)
        return max(0, min(round_half_away(real) if align else math.floor(real), size - 1))

    return [index(position) for position in range(result)]


LOWERINGS: Mapping[str, Lowering] = {
    "RESHAPE": _alias,
    "SQUEEZE": _alias,
    "EXPAND_DIMS": _alias,
    "CONCATENATION": _concatenate,
    "SPLIT": _split,
    "SPLIT_V": _split,
    "SLICE": _slice,
    "STRIDED_SLICE": _slice,
    "TRANSPOSE": _transpose,
    "PAD": _pad,
    "PADV2": _pad,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
}
