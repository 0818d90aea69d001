"""Functions of one element: activations and requantisation as tables of 256 bytes, floats at the edges."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from benchrunner.firmware.lowered import (
    Call,
    Constant,
    ConstantArgument,
    Lowered,
    Overlap,
    StructArgument,
    TensorArgument,
)
from benchrunner.firmware.lowering.operands import (
    Scale,
    fields,
    number,
    output,
    require_same_shape,
    require_types,
    scale_of,
    tensors,
)
from benchrunner.firmware.lowering.quantisation import activation_range, fixed_point
from benchrunner.firmware.lowering.registry import Lowering, require
from benchrunner.firmware.lowering.rounding import (
    INT8,
    INT16,
    clamp,
    high_multiply,
    requantise,
    round_half_away,
    rounding_shift,
    single,
)
from benchrunner.model import Model, Operator, Tensor

# Stored value to stored value. `Element` makes one from the input's quantisation and the output.
Function = Callable[[int], int]
Element = Callable[[Scale, Tensor], Function]

_SOURCE = "lookup_s8.c"


def _in_single_precision(function: Callable[[float], float]) -> Element:
    """A function of real numbers, rounded to single precision at each step (`LUTPopulate`)."""

    def make(x: Scale, result: Tensor) -> Function:
        y = scale_of(result)
        inverse = single(1.0 / single(y.scale))

        def stored(value: int) -> int:
            real = single(function(single(single(x.scale) * (value - x.zero_point))))
            return clamp(round_half_away(single(real * inverse)) + y.zero_point, INT8)

        return stored

    return make


def _logistic(real: float) -> float:
    return single(1.0 / single(1.0 + single(math.exp(-real)) if real > -700 else math.inf))


def _relu(activation: str) -> Element:
    def make(x: Scale, result: Tensor) -> Function:
        y = scale_of(result)
        multiplier, shift = fixed_point(single(single(x.scale) / single(y.scale)))
        bounds = activation_range(activation, result)

        def stored(value: int) -> int:
            return clamp(requantise(value - x.zero_point, multiplier, shift) + y.zero_point, bounds)

        return stored

    return make


def _leaky_relu(alpha: float, x: Scale, result: Tensor) -> Function:
    y = scale_of(result)
    positive = fixed_point(single(single(x.scale) / single(y.scale)))
    slope = single(single(single(x.scale) * single(alpha)) / single(y.scale))
    negative = fixed_point(abs(slope))

    def stored(value: int) -> int:
        real = value - x.zero_point
        if real >= 0:
            return clamp(requantise(real, *positive) + y.zero_point, INT8)
        scaled = requantise(real, *negative)
        return clamp((scaled if slope >= 0 else -scaled) + y.zero_point, INT8)

    return stored


def _hard_swish(x: Scale, result: Tensor) -> Function:
    """x * relu6(x + 3) / 6 in 16-bit fixed point (`reference/hard_swish.h`)."""
    y = scale_of(result)

    def short(real: float) -> tuple[int, int]:
        multiplier, shift = fixed_point(real)
        return min((multiplier + (1 << 15)) >> 16, INT16[1]), shift

    fine = single(single(x.scale) / 128)  # seven more bits than the input
    multiplier, exponent = short(single(fine / single(y.scale)))
    require(exponent <= 0, "the output's scale is too small for the input's")
    gate_multiplier, gate_exponent = short(single(fine / single(3.0 / 32768.0)))

    def stored(value: int) -> int:
        raised = (value - x.zero_point) << 7
        scaled = high_multiply(raised, multiplier, 16)
        gate = raised  # becomes (x + 3) / 6 in [0, 1]
        if gate_exponent > 0:
            gate = clamp(gate << (gate_exponent - 1), INT16)
        gate = high_multiply(gate, gate_multiplier, 16)
        if gate_exponent > 0:
            gate = clamp(gate << 1, INT16)
        elif gate_exponent < 0:
            gate = rounding_shift(gate, -gate_exponent)
        gate = (gate + (1 << 15)) >> 1
        product = gate * scaled
        product = product >> 15 if product >= 0 else -(-product >> 15)  # towards zero
        return clamp(rounding_shift(product, -exponent) + y.zero_point, INT8)

    return stored


ELEMENTS: Mapping[str, Element] = {
    "LOGISTIC": _in_single_precision(_logistic),
    "TANH": _in_single_precision(math.tanh),
    "HARD_SWISH": _hard_swish,
    "RELU": _relu("RELU"),
    "RELU6": _relu("RELU6"),
    "RELU_N1_TO_1": _relu("RELU_N1_TO_1"),
}


def _activation(model: Model, operator: Operator) -> Lowered:
    (x,) = tensors(model, operator, (1,))
    y = output(model, operator)
    require_types([x, y], "int8")
    found = scale_of(y)
    if operator.name == "LOGISTIC":
        require(found.scale == 1 / 256, f"the output's scale is {found.scale}, expected 1/256")
    if operator.name == "LEAKY_RELU":
        alpha = operator.options["alpha"]
        assert isinstance(alpha, (int, float))
        function = _leaky_relu(alpha, scale_of(x), y)
    else:
        function = ELEMENTS[operator.name](scale_of(x), y)
    return _by_table(operator, x, y, bytes(function(_signed(byte)) & 0xFF for byte in range(256)))


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def _by_table(operator: Operator, x: Tensor, y: Tensor, table: bytes) -> Lowered:
    require_same_shape(x, y)
    call = Call("lookup_s8", (*_addresses(x, y, "void"), number(y.elements), ConstantArgument("table")))
    constants: tuple[Constant, ...] = (Constant("table", "uint8_t", table),)
    if table == bytes(byte ^ 0x80 for byte in range(256)):
        call, constants = Call("flip_sign_s8", (*_addresses(x, y, "void"), number(y.elements))), ()
    return Lowered(operator.index, (call,), (_SOURCE,), constants, overlaps=(Overlap(x.index, y.index, 0),))


def _addresses(x: Tensor, y: Tensor, ctype: str) -> tuple[TensorArgument, TensorArgument]:
    return TensorArgument(x.index, f"const {ctype} *"), TensorArgument(y.index, f"{ctype} *")


def _quantise(model: Model, operator: Operator) -> Lowered:
    (x,) = tensors(model, operator, (1,))
    y = output(model, operator)
    require_types([x], "float32", "int8", "uint8")
    require_types([y], "int8", "uint8")
    if x.dtype == "float32":
        return _at_the_edge(operator, x, y, "quantise_f32", y, 0)
    source, target = scale_of(x), scale_of(y)
    multiplier, shift = fixed_point(source.scale / target.scale)
    bounds = INT8 if y.dtype == "int8" else (0, 255)

    def stored(byte: int) -> int:
        value = _signed(byte) if x.dtype == "int8" else byte
        found = requantise(value - source.zero_point, multiplier, shift) + target.zero_point
        return clamp(found, bounds) & 0xFF

    return _by_table(operator, x, y, bytes(map(stored, range(256))))


def _dequantise(model: Model, operator: Operator) -> Lowered:
    (x,) = tensors(model, operator, (1,))
    y = output(model, operator)
    require_types([x], "int8", "uint8")
    require_types([y], "float32")
    # Written upwards: element i may not reach input i + 1 before that is read.
    return _at_the_edge(operator, x, y, "dequantise_f32", x, max(0, 3 * (x.elements - 1)))


def _at_the_edge(
    operator: Operator, x: Tensor, y: Tensor, function: str, stored: Tensor, lead_bytes: int
) -> Lowered:
    """Between float32 and the int8 or uint8 tensor `stored`."""
    require_same_shape(x, y)
    found = scale_of(stored)
    unsigned = stored.dtype == "uint8"
    plan = StructArgument(
        "quantise_f32_t",
        fields(
            scale=f"{single(found.scale).hex()}f",
            zero_point=found.zero_point - 128 * unsigned,
            flip=f"{0x80 * unsigned}u",
        ),
    )
    types = ("const float *", "void *") if stored is y else ("const void *", "float *")
    arguments = (
        TensorArgument(x.index, types[0]),
        TensorArgument(y.index, types[1]),
        number(x.elements),
        plan,
    )
    overlaps = (Overlap(x.index, y.index, lead_bytes),)
    return Lowered(operator.index, (Call(function, arguments),), ("quantise_f32.c",), overlaps=overlaps)


LOWERINGS: Mapping[str, Lowering] = {
    **dict.fromkeys([*ELEMENTS, "LEAKY_RELU"], _activation),
    "QUANTIZE": _quantise,
    "DEQUANTIZE": _dequantise,
}
