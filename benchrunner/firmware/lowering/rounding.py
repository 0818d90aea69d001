"""The host's side of the oracle's arithmetic: how it rounds, in fixed point and in single precision.

Definitions: TensorFlow Lite, `kernels/internal/common.h`; gemmlowp, `fixedpoint/fixedpoint.h`. Numbers of C
type float are Python floats that `single` has rounded.
"""

from __future__ import annotations

import ctypes
import math

INT8 = (-128, 127)
INT16 = (-(1 << 15), (1 << 15) - 1)


def single(value: float) -> float:
    """`value` rounded to single precision; beyond its range, infinite."""
    return ctypes.c_float(value).value


def round_half_away(value: float) -> int:
    """To the nearest integer, halves away from zero, as C's round()."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def clamp(value: int, bounds: tuple[int, int]) -> int:
    low, high = bounds
    return min(max(value, low), high)


def high_multiply(a: int, b: int, bits: int = 32) -> int:
    """The upper half of 2ab, rounded halves upwards; saturated in the one case that overflows."""
    return min((a * b + (1 << (bits - 2))) >> (bits - 1), (1 << (bits - 1)) - 1)


def rounding_shift(value: int, shift: int) -> int:
    """value / 2^shift, halves away from zero."""
    return (value + (1 << shift >> 1) - (value < 0 < shift)) >> shift


def requantise(value: int, multiplier: int, shift: int) -> int:
    """value * multiplier / 2^31 * 2^shift, rounded twice."""
    return rounding_shift(high_multiply(value << max(shift, 0), multiplier), max(-shift, 0))
