"""SOFTMAX of an int8 tensor: exponentials as a table, the division on the device."""

from __future__ import annotations

import math
from collections.abc import Mapping

from benchrunner.firmware.lowered import Call, Constant, ConstantArgument, Lowered, Overlap, TensorArgument
from benchrunner.firmware.lowering.operands import (
    number,
    output,
    require_same_shape,
    require_types,
    scale_of,
    tensors,
)
from benchrunner.firmware.lowering.quantisation import fixed_point
from benchrunner.firmware.lowering.registry import Lowering, require
from benchrunner.firmware.lowering.rounding import high_multiply, rounding_shift
from benchrunner.model import Model, Operator

_INTEGER_BITS = 5  # of the scaled difference to the largest value
_FRACTION_BITS = 31 - _INTEGER_BITS

# exp(-2^k) with 31 fraction bits, k = -2 .. 4 (gemmlowp, `exp_on_negative_values`).
_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_OF_MINUS_ONE_EIGHTH = 1895147668
_ONE_THIRD = 715827883


def _exp(value: int) -> int:
    """exp(value / 2^26) with 31 fraction bits, for values up to 0."""
    if value == 0:
        return (1 << 31) - 1
    quarter = 1 << (_FRACTION_BITS - 2)
    part = (value & (quarter - 1)) - quarter  # in [-1/4, 0)
    x = (part << _INTEGER_BITS) + (1 << 28)  # the series is taken around -1/8
    square = high_multiply(x, x)
    cube, fourth = high_multiply(square, x), high_multiply(square, square)
    tail = rounding_shift(high_multiply(rounding_shift(fourth, 2) + cube, _ONE_THIRD) + square, 1)
    result = _EXP_OF_MINUS_ONE_EIGHTH + high_multiply(_EXP_OF_MINUS_ONE_EIGHTH, x + tail)
    rest = part - value
    for power, factor in enumerate(_POWERS):
        if rest & quarter << power:
            result = high_multiply(result, factor)
    return result


def exponentials(scale: float, beta: float) -> list[int]:
    """exp(-d * scale * beta) with 31 fraction bits for d = 0 .. 255, as the reference computes them.

    Raises `UnsupportedOperatorError` for a product too small to be scaled, which runtimes refuse too.
    """
    real = beta * scale * (1 << _FRACTION_BITS)
    require(real > 1, f"scale {scale} and beta {beta} are too small")
    if real >= 1 << 30:  # one step is a factor of exp(-16): nothing but the largest value counts
        return [(1 << 31) - 1] + [0] * 255
    multiplier, shift = fixed_point(real)
    furthest = math.floor(((1 << _INTEGER_BITS) - 1) * (1 << _FRACTION_BITS) / (1 << shift))
    return [
        _exp(high_multiply(-distance << shift, multiplier)) if distance <= furthest else 0
        for distance in range(256)
    ]


def _softmax(model: Model, operator: Operator) -> Lowered:
    (x,) = tensors(model, operator, (1,))
    y = output(model, operator)
    require_types([x, y], "int8")
    require_same_shape(x, y)
    result = scale_of(y)
    expected = abs(result.scale - 1 / 256) <= 0.001 / 256 and result.zero_point == -128
    require(
        expected,
        f"the output has scale {result.scale} and zero point {result.zero_point}, not 1/256 and -128",
    )
    depth = x.shape[-1] if x.shape else 1
    require(0 < depth < 4096, f"{depth} values in a row, expected 1 to 4095")
    beta = operator.options.get("beta", 1.0)
    require(isinstance(beta, (int, float)), "option beta is not a number")
    assert isinstance(beta, (int, float))
    table = exponentials(scale_of(x).scale, float(beta))
    data = b"".join(value.to_bytes(4, "little", signed=True) for value in table)
    arguments = (
        TensorArgument(x.index, "const int8_t *"),
        TensorArgument(y.index, "int8_t *"),
        number(x.elements // depth),
        number(depth),
        ConstantArgument("exponentials"),
    )
    return Lowered(
        operator.index,
        (Call("softmax_s8", arguments),),
        ("softmax_s8.c",),
        (Constant("exponentials", "int32_t", data),),
        overlaps=(Overlap(x.index, y.index, 0),),
    )


LOWERINGS: Mapping[str, Lowering] = {"SOFTMAX": _softmax}
