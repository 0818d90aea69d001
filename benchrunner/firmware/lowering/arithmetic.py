"""ADD, SUB and MUL of int8 tensors, with broadcasting."""

from __future__ import annotations

from collections.abc import Mapping

from benchrunner.firmware.lowered import Call, Constant, Lowered, Overlap, StructArgument, TensorArgument
from benchrunner.firmware.lowering.operands import (
    Scale,
    fields,
    output,
    output_range,
    read,
    require_types,
    row,
    scale_of,
    tensors,
)
from benchrunner.firmware.lowering.quantisation import fixed_point
from benchrunner.firmware.lowering.registry import Lowering, require
from benchrunner.firmware.lowering.rounding import single
from benchrunner.model import Model, Operator, Tensor

Axes = list[tuple[int, int, int]]  # size, step of the first input, step of the second

_LOOPS = 4


def broadcast(a: tuple[int, ...], b: tuple[int, ...], result: tuple[int, ...]) -> Axes:
    """The loops over `result`, outermost first, joined where the steps allow it; four at most."""
    rank = max(len(a), len(b), len(result))

    def padded(shape: tuple[int, ...]) -> tuple[int, ...]:
        return (1,) * (rank - len(shape)) + shape

    axes: Axes = []
    step_a = step_b = 1
    for size_a, size_b, size in reversed(list(zip(padded(a), padded(b), padded(result), strict=True))):
        fits = size_a in (1, size) and size_b in (1, size) and size == max(size_a, size_b)
        require(fits, f"shapes {list(a)} and {list(b)} do not broadcast to {list(result)}")
        if size > 1:
            axis = (size, step_a if size_a > 1 else 0, step_b if size_b > 1 else 0)
            if axes and axis[1:] == (axes[0][0] * axes[0][1], axes[0][0] * axes[0][2]):
                axes[0] = (axes[0][0] * size, *axes[0][1:])
            else:
                axes.insert(0, axis)
        step_a, step_b = step_a * size_a, step_b * size_b
    require(len(axes) <= _LOOPS, f"broadcasting {list(a)} and {list(b)} takes more than {_LOOPS} loops")
    if not axes:
        axes = [(1, 1, 1)]
    return [(1, 0, 0)] * (_LOOPS - len(axes)) + axes


def _loops(axes: Axes) -> str:
    """The C initialiser of a broadcast_t."""
    return "{" + ", ".join(row([axis[i] for axis in axes]) for i in range(3)) + "}"


def _overlaps(found: list[Tensor], y: Tensor) -> tuple[Overlap, ...]:
    """In place of any input that is not broadcast."""
    whole = {t.index for t in found if not t.constant and t.elements == y.elements}
    return tuple(Overlap(index, y.index, 0) for index in sorted(whole))


def _operands(model: Model, operator: Operator) -> tuple[Tensor, Tensor, Tensor]:
    a, b = tensors(model, operator, (2,))
    y = output(model, operator)
    require_types([a, b, y], "int8")
    return a, b, y


def _sum(model: Model, operator: Operator) -> Lowered:
    """ADD and SUB: both inputs go to a common scale of 2^-20 of twice the larger one."""
    a, b, y = _operands(model, operator)
    subtract = operator.name == "SUB"
    swap = scale_of(a).scale < scale_of(b).scale  # the narrow input comes first
    narrow, wide = (a, b) if swap else (b, a)
    small, large, result = scale_of(narrow), scale_of(wide), scale_of(y)
    axes = broadcast(narrow.shape, wide.shape, y.shape)
    low, high = output_range(operator, y)
    if small.scale == large.scale:
        # One half, by which nothing is lost: written so that the kernel's second rounding has bits to round.
        factor, multiplier, shift = 1 << 22, 1 << 30, -1
    else:
        multiplier, shift = fixed_point(small.scale / (2 * large.scale))
        factor = 1 << 21
    output_multiplier, output_shift = fixed_point(2 * large.scale / (result.scale * (1 << 20)))
    if output_multiplier == 0:
        output_shift = -1  # nothing is left of the sum, whatever the shift
    require(output_shift < 0, "the output's scale is 2^18 times smaller than an input's, or more")
    wide_factor = -(1 << 20) if subtract and narrow is a else 1 << 20
    plan = StructArgument(
        "add_s8_t",
        fields(
            loops=_loops(axes),
            narrow_factor=factor,
            narrow_bias=-small.zero_point * factor,
            narrow_multiplier=multiplier,
            narrow_right_shift=max(1, -shift),
            sum_factor=-2 if subtract and narrow is b else 2,
            wide_factor=wide_factor,
            wide_bias=-large.zero_point * wide_factor,
            output_multiplier=output_multiplier,
            output_right_shift=-output_shift,
            output_zero_point=result.zero_point,
            low=low,
            high=high,
        ),
    )
    return _elementwise(operator, "add_s8", (narrow, wide, y), plan)


def _product(model: Model, operator: Operator) -> Lowered:
    a, b, y = _operands(model, operator)
    first, second, result = scale_of(a), scale_of(b), scale_of(y)
    axes = broadcast(a.shape, b.shape, y.shape)
    low, high = output_range(operator, y)
    multiplier, shift = fixed_point(_product_scale(first, second, result))
    require(shift <= 13, "the output's scale is 2^13 times smaller than the product of the inputs', or more")
    plan = StructArgument(
        "mul_s8_t",
        fields(
            loops=_loops(axes),
            first_zero_point=first.zero_point,
            second_zero_point=second.zero_point,
            left_shift=1 + max(shift, 0),
            multiplier=multiplier,
            right_shift=max(-shift, 0),
            output_zero_point=result.zero_point,
            low=low,
            high=high,
        ),
    )
    return _elementwise(operator, "mul_s8", (a, b, y), plan)


def _product_scale(first: Scale, second: Scale, result: Scale) -> float:
    return single(single(single(first.scale) * single(second.scale)) / single(result.scale))


def _elementwise(
    operator: Operator, kernel: str, found: tuple[Tensor, Tensor, Tensor], plan: StructArgument
) -> Lowered:
    a, b, y = found
    constants: list[Constant] = []
    arguments = (
        read(a, "const int8_t *", constants),
        read(b, "const int8_t *", constants),
        TensorArgument(y.index, "int8_t *"),
        plan,
    )
    call = Call(kernel, arguments)
    return Lowered(operator.index, (call,), (f"{kernel}.c",), tuple(constants), overlaps=_overlaps([a, b], y))


LOWERINGS: Mapping[str, Lowering] = {"ADD": _sum, "SUB": _sum, "MUL": _product}
