"""Weights and requantisation of the fast kernels, laid out as their headers under firmware/kernels/ say.

A packer returns None for a layer that its layout cannot hold; such a layer runs on the plain loops. What the
layouts ask of channels whose output is not constant: sums below a limit whatever the input, factors below a
half (below a quarter where fully connected), and no weight of -128 over a negative one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchrunner.firmware.lowering.quantisation import fixed_point

Ints = NDArray[np.int64]

PAIRED_SUM_LIMIT = 1 << 23  # two channels share one sum of 32 bits
SUM_LIMIT = 1 << 31
_MOST_SHIFT = 24


@dataclass(frozen=True, slots=True)
class Channels:
    """The output channels of a layer: what sums are made of, and how they become int8."""

    weights: NDArray[np.int8]  # [channel, input]; zeros where the output is constant
    bias: NDArray[np.int64]  # with the input's zero point worked in
    scale: NDArray[np.int64]
    rounding: NDArray[np.int64]
    shift: NDArray[np.int64]


def folded_channels(
    weights: NDArray[np.int8],
    bias: NDArray[np.int32],
    factors: Sequence[float],
    zeros: tuple[int, int],
    *,
    limit: int = PAIRED_SUM_LIMIT,
    in_double: bool = False,
) -> Channels | None:
    """Channels of `weights` [channel, input], for sums of raw inputs times weights below `limit`.

    `factors` turn a channel's sums into outputs, `zeros` are the zero points of input and output.
    `in_double`: the oracle multiplies and rounds as it does in fully connected layers; there the kernel takes
    the multiplier's upper word first, so that one bit more is left to shift.

    Trained networks have dead channels: next to no weights, a huge bias, factors down to 2^-31. Where the
    lowest and the highest possible sum give the same output, so does every other (requantisation is
    monotonic), and the channel is stored as that constant.
    """
    wide = weights.astype(np.int64)
    folded = bias.astype(np.int64) - zeros[0] * wide.sum(axis=1)
    # Inputs are anything in [-128, 127]; padding is the zero point, which is in there too.
    most = folded + np.where(wide > 0, wide * 127, wide * -128).sum(axis=1)
    least = folded + np.where(wide > 0, wide * -128, wide * 127).sum(axis=1)
    fixed = [fixed_point(factor) for factor in factors]
    multiplier = np.array([m for m, _ in fixed], np.int64)
    right = np.array([-s for _, s in fixed], np.int64)
    if np.any(right < 0) or max(most.max(), -least.min()) >= SUM_LIMIT:
        return None  # the oracle's sums may wrap around
    real = np.array(factors)
    ends = [_in_double(s, real) if in_double else _twice(s, multiplier, right) for s in (least, most)]
    low, high = (np.clip(end + zeros[1], -128, 127) for end in ends)
    constant = low == high
    shift = np.where(constant, _MOST_SHIFT, right - (1 if in_double else 0))
    largest = np.where(constant, 0, np.maximum(most, -least))
    if np.any(largest >= limit) or np.any(shift < 1) or np.any(shift > _MOST_SHIFT):
        return None
    offset = np.where(constant, low, zeros[1])
    rounding = (1 << (shift - 1)) + offset * (1 << shift)
    if np.any(np.abs(rounding) + largest * multiplier / 2.0**31 >= SUM_LIMIT - 1):
        return None
    multiplier = np.where(constant, 1 << 30, multiplier)
    if in_double:
        found = _multipliers_as_in_double(multiplier, right, real, zeros[1], (least, most), constant)
        if found is None:
            return None
        multiplier = found
    return Channels(
        weights=np.where(constant[:, None], 0, weights).astype(np.int8),
        bias=np.where(constant, 0, folded),
        scale=multiplier if in_double else 2 * multiplier - (1 << 32),
        rounding=rounding,
        shift=shift,
    )


def _twice(sums: Ints, multiplier: Ints, right: Ints) -> Ints:
    """requantize_twice of firmware/kernels/requantize.h, for factors below 1."""
    high = (sums * multiplier + (1 << 30)) >> 31
    found: Ints = (high + ((1 << right) >> 1) - ((high < 0) & (right > 0))) >> right
    return found


def _once(sums: Ints, multiplier: Ints, right: Ints) -> Ints:
    """What fully_connected_s8 computes, without the zero point."""
    found: Ints = (sums * multiplier + (1 << (30 + right))) >> (31 + right)
    return found


def _in_double(sums: Ints, factors: NDArray[np.float64]) -> Ints:
    """requantize_real of firmware/kernels/requantize.h."""
    values = np.clip(sums * factors, -1e9, 1e9)
    whole = np.trunc(values)
    rest = values - whole
    found: Ints = (whole + (rest >= 0.5) - (rest <= -0.5)).astype(np.int64)
    return found


def _multipliers_as_in_double(
    multiplier: Ints,
    right: Ints,
    real: NDArray[np.float64],
    zero: int,
    sums: tuple[Ints, Ints],
    constant: Any,
) -> Ints | None:
    """Multipliers with which one fixed-point rounding gives what the oracle computes in double.

    Both are monotonic, so they are equal for all possible `sums` if they step from each output to the next at
    the same sum. The nearest multiplier almost always does; one more rounds a tie away from zero on both
    sides. None where no neighbour does either.
    """
    steps = np.arange(-129, 129) - zero + 0.5
    with np.errstate(over="ignore"):  # infinitely far for a factor next to 0
        near = np.rint(steps / real[:, None])[:, :, None] + np.arange(-2, 3)
    low, high = (end[:, None, None] for end in sums)
    tried = np.clip(near, low, high).astype(np.int64)
    expected = _in_double(tried, real[:, None, None])
    found, settled = multiplier.copy(), constant.copy()
    for change in (0, 1, -1):
        candidate = (multiplier + change)[:, None, None]
        equal = (_once(tried, candidate, right[:, None, None]) == expected).all(axis=(1, 2))
        found[equal & ~settled] += change
        settled |= equal
    return found if settled.all() else None


def packed_pairs(channels: Channels) -> tuple[bytes, bytes] | None:
    """Weights and channels as columns_s8.h wants them."""
    halves = _paired(channels.weights)
    if halves is None:
        return None
    # [pair, group, input of the group] -> inputs 0 2, then 1 3
    ordered = halves.reshape(len(halves), -1, 4)[:, :, [0, 2, 1, 3]]
    a, b = (_padded(channels, 2, start) for start in (0, 1))
    table = np.column_stack([a[:, 0], 256 * b[:, 0] + a[:, 0], a[:, 1:], b[:, 1:]])
    return ordered.astype("<i2").tobytes(), _words(table)


def packed_fours(channels: Channels) -> tuple[bytes, bytes] | None:
    """Weights and channels as fully_connected_s8.h wants them."""
    weights = channels.weights
    filled = np.zeros((-(-len(weights) // 4) * 4, weights.shape[1]), np.int8)
    filled[: len(weights)] = weights
    halves = _paired(filled)
    if halves is None:
        return None
    pairs = halves.reshape(len(filled) // 4, 2, -1, 2, 2)  # [four, pair, group, inputs 0 1 or 2 3, which]
    ordered = pairs.transpose(0, 2, 4, 1, 3)  # [four, group, inputs 0 2 or 1 3, pair, which]
    a, b, c, d = (_padded(channels, 4, start) for start in range(4))
    biases = [a[:, 0], 256 * b[:, 0] + a[:, 0], c[:, 0], 256 * d[:, 0] + c[:, 0]]
    table = np.column_stack([*biases, a[:, 1:], b[:, 1:], c[:, 1:], d[:, 1:]])
    return np.ascontiguousarray(ordered).astype("<i2").tobytes(), _words(table)


def packed_taps(channels: Channels) -> bytes:
    """Weights and channels, a multiple of 4, as depthwise_conv_2d_s8.h wants them."""
    weights = channels.weights
    fours = weights.reshape(-1, 4, weights.shape[1])  # [four, channel, tap]
    even = weights.shape[1] // 2 * 2
    twos = fours[:, :, :even].reshape(len(fours), 2, 2, -1, 2)  # [four, half, channel, two taps, which]
    paired = twos.transpose(0, 3, 1, 4, 2).reshape(len(fours), -1)
    taps = np.concatenate([paired, fours[:, :, even:].reshape(len(fours), -1)], axis=1)
    table = np.column_stack([channels.scale, channels.rounding, channels.shift]).reshape(len(fours), -1)
    parts = [_words(channels.bias.reshape(len(fours), 4)), taps.astype(np.int8).tobytes(), _words(table)]
    rows = [np.frombuffer(part, "<u4").reshape(len(fours), -1) for part in parts]
    return np.concatenate(rows, axis=1).tobytes()


def _paired(weights: NDArray[np.int8]) -> NDArray[np.int64] | None:
    """256 * b + a of every two channels, inputs filled up to a multiple of 4; None where one is no int16."""
    count, inputs = weights.shape
    filled = np.zeros((-(-count // 2) * 2, -(-inputs // 4) * 4), np.int64)
    filled[:count, :inputs] = weights
    halves = 256 * filled[1::2] + filled[::2]
    return halves if halves.min() >= -(1 << 15) else None


def _padded(channels: Channels, step: int, start: int) -> NDArray[np.int64]:
    """[bias, scale, rounding, shift] of channels start, start + step, ...; of one that is missing, zeros."""
    table = np.column_stack([channels.bias, channels.scale, channels.rounding, channels.shift])
    filled = np.zeros((-(-len(table) // step) * step, 4), np.int64)
    filled[: len(table)] = table
    return filled[start::step]


def _words(table: NDArray[np.int64]) -> bytes:
    return (table & 0xFFFFFFFF).astype("<u4").tobytes()
