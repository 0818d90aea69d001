"""Fixed-point numbers of quantised layers, exactly as TensorFlow Lite computes them when it loads a model."""

from __future__ import annotations

import math

import numpy as np

from benchrunner.firmware.lowering.registry import require
from benchrunner.model import Tensor


def fixed_point(real: float) -> tuple[int, int]:
    """`real` = multiplier / 2^31 * 2^shift with the multiplier in [2^30, 2^31), or (0, 0) below 2^-32.

    Source: QuantizeMultiplier in tensorflow/lite/kernels/internal/quantization_util.cc: the fraction of frexp
    times 2^31, halves away from zero. Raises `UnsupportedOperatorError` from 2^30 on.
    """
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)  # exact: the fraction has 53 bits, real is positive
    if multiplier == 1 << 31:
        multiplier, shift = multiplier // 2, shift + 1
    require(shift <= 30, f"scales: expected a quotient below 2^30, found {real:g}")
    return (multiplier, shift) if shift >= -31 else (0, 0)


def scale_of(tensor: Tensor) -> float:
    """The one scale of `tensor`: a positive float32."""
    assert tensor.quantisation  # checked by int8_activation
    return tensor.quantisation.scales[0]


def zero_of(tensor: Tensor) -> int:
    """The one zero point of `tensor`."""
    assert tensor.quantisation
    return tensor.quantisation.zero_points[0]


def int8_activation(tensor: Tensor, role: str) -> None:
    """Raises `UnsupportedOperatorError` unless `tensor` holds computed int8 values with one scale."""
    require(not tensor.constant, f"{role} {tensor.name}: expected an activation, found a constant")
    require(tensor.dtype == "int8", f"{role} {tensor.name}: expected int8, found {tensor.dtype}")
    quantisation = tensor.quantisation
    require(
        quantisation is not None and len(quantisation.scales) == 1 and quantisation.scales[0] > 0,
        f"{role} {tensor.name}: expected one positive scale",
    )
    require(-128 <= zero_of(tensor) <= 127, f"{role} {tensor.name}: zero point {zero_of(tensor)} is no int8")


def activation_range(activation: str, output: Tensor) -> tuple[int, int]:
    """Smallest and largest stored value that the fused `activation` lets through.

    Source: CalculateActivationRangeQuantized in tensorflow/lite/kernels/kernel_util.cc: the bound divided by
    the scale in float32, halves away from zero. Raises `UnsupportedOperatorError` for one it does not know.
    """
    bounds = {"NONE": (None, None), "RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}
    require(activation in bounds, f"fused activation {activation}: expected one of {', '.join(bounds)}")

    def stored(bound: float) -> int:
        quotient = float(np.float32(bound) / np.float32(scale_of(output)))
        return zero_of(output) + int(math.copysign(math.floor(abs(quotient) + 0.5), quotient))

    low, high = bounds[activation]
    return (
        -128 if low is None else max(-128, stored(low)),
        127 if high is None else min(127, stored(high)),
    )


def weight_scales(weights: Tensor, axis: int) -> list[float]:
    """The scale of every index along `axis`, whether the file has one for all or one for each."""
    count = weights.shape[axis]
    found = weights.quantisation
    require(weights.dtype == "int8", f"weights {weights.name}: expected int8, found {weights.dtype}")
    require(
        weights.constant and not weights.sparse,
        f"weights {weights.name}: expected a constant, stored densely",
    )
    require(found is not None and min(found.scales) > 0, f"weights {weights.name}: expected positive scales")
    assert found
    require(not any(found.zero_points), f"weights {weights.name}: expected zero points of 0")
    if not found.per_axis:
        return [found.scales[0]] * count
    require(
        len(found.scales) == count and found.axis == axis,
        f"weights {weights.name}: expected one scale per index along axis {axis}",
    )
    return list(found.scales)
