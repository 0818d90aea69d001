/* From a 32-bit sum to int8, exactly as the oracle rounds (docs/decisions/output-oracle.md, kernels.md).
 *
 * A real factor is held as multiplier / 2^31 * 2^shift, multiplier in [2^30, 2^31) or 0.
 */
#ifndef BENCH_REQUANTIZE_H
#define BENCH_REQUANTIZE_H

#include <stdint.h>

#include "dsp.h"

/* Wraps around where the oracle's int32 arithmetic does. */
static inline int32_t wrapping_add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

/* Convolutions: rounded to 31 fraction bits, halves upwards; then shifted right, halves away from zero. */
static inline int32_t requantize_twice(int32_t sum, int32_t multiplier, int32_t shift) {
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    const int32_t raised = (int32_t)((uint32_t)sum << left);
    const int32_t high = (int32_t)(((int64_t)raised * multiplier + (1 << 30)) >> 31);
    if (right == 0) {
        return high;
    }
    const int64_t half = (int64_t)1 << (right - 1);
    return (int32_t)((high + half - (high < 0)) >> right);
}

/* Fully connected layers: in double, rounded once, halves away from zero. */
static inline int32_t requantize_real(int32_t sum, double factor) {
    const double limit = 1e9; /* far beyond int8, and within int32 */
    const double real = sum * factor, value = real > limit ? limit : real < -limit ? -limit : real;
    const int32_t whole = (int32_t)value;
    const double rest = value - whole; /* exact */
    return whole + (rest >= 0.5) - (rest <= -0.5);
}

/* requantize_twice and the output's zero point for the fast kernels, with what the host has made of the factor:
 * scale = 2 * multiplier - 2^32, shift = right shift in [1, 24], rounding = 2^(shift - 1) + (zero point << shift).
 * |sum| < 2^23 keeps every step within 32 bits.
 */
static inline int8_t requantize_fast(int32_t sum, int32_t scale, int32_t rounding, int32_t shift) {
    const int32_t high = add_high_word(sum, scale);
    return saturate_s8((high + (high >> 31) + rounding) >> shift);
}

static inline int8_t clamp_s8(int32_t value, int32_t low, int32_t high) {
    return (int8_t)(value < low ? low : value > high ? high : value);
}

/* For the activations that do not end where int8 does: few, as quantisations are chosen to use all of it. */
static inline void clamp_run_s8(int8_t *values, int32_t count, int32_t low, int32_t high) {
    for (int32_t i = 0; i < count; i++) {
        values[i] = clamp_s8(values[i], low, high);
    }
}

#endif
