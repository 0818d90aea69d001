/* How the TensorFlow Lite reference kernels round, and steps on four bytes at once, beside those of dsp.h. */
#ifndef BENCH_ROUNDING_H
#define BENCH_ROUNDING_H

#include <stdint.h>

#include "dsp.h"

_Static_assert((-3 >> 1) == -2, "right shifts of negative numbers are arithmetic");

/* (a * b + 2^31) / 2^32, rounded downwards. */
static inline int32_t high_multiply(int32_t a, int32_t b)
{
#if BENCH_DSP
    int32_t result;
    __asm__("smmulr %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
#else
    return (int32_t)(((int64_t)a * b + INT64_C(0x80000000)) >> 32);
#endif
}

/* (a * b + 2^30) / 2^31, rounded downwards; not both a and b may be -2^31. */
static inline int32_t doubling_high_multiply(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* value / 2^shift, halves away from zero; shift in 0 .. 31, |value| up to 2^30. */
static inline int32_t rounding_shift(int32_t value, int32_t shift)
{
    if (shift == 0) {
        return value;
    }
    return (value + (value >> 31) + (int32_t)(1u << (shift - 1))) >> shift;
}

static inline int32_t clamp(int32_t value, int32_t low, int32_t high)
{
    value = value < low ? low : value;
    return value > high ? high : value;
}

/* `value` rounded towards zero and saturated. */
static inline int32_t saturating_integer(float value)
{
#if defined(__ARM_FP) && (__ARM_FP & 4)
    float converted;
    int32_t result;
    __asm__("vcvt.s32.f32 %0, %1" : "=t"(converted) : "t"(value));
    __builtin_memcpy(&result, &converted, sizeof result);
    return result;
#else
    return value >= 2147483648.0f ? INT32_MAX : value < -2147483648.0f ? INT32_MIN : (int32_t)value;
#endif
}

/* Adds the signed bytes 0 and 2 of `bytes` to the two 16-bit lanes of `lanes`. */
static inline uint32_t add_even_bytes(uint32_t lanes, uint32_t bytes)
{
#if BENCH_DSP
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2" : "=r"(result) : "r"(lanes), "r"(bytes));
    return result;
#else
    const int32_t low = (int32_t)(lanes & 0xFFFFu) + (int8_t)bytes;
    const int32_t high = (int32_t)(lanes >> 16) + (int8_t)(bytes >> 16);
    return ((uint32_t)low & 0xFFFFu) | (uint32_t)high << 16;
#endif
}

/* Adds the signed bytes 1 and 3 of `bytes` to the two 16-bit lanes of `lanes`. */
static inline uint32_t add_odd_bytes(uint32_t lanes, uint32_t bytes)
{
#if BENCH_DSP
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(lanes), "r"(bytes));
    return result;
#else
    return add_even_bytes(lanes, bytes >> 8);
#endif
}

/* The larger of each of four signed bytes. */
static inline uint32_t maximum_bytes(uint32_t a, uint32_t b)
{
#if BENCH_DSP
    uint32_t result;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b) : "cc");
    return result;
#else
    uint32_t result = 0;
    for (int shift = 0; shift < 32; shift += 8) {
        int8_t x = (int8_t)(a >> shift);
        int8_t y = (int8_t)(b >> shift);
        result |= (uint32_t)(uint8_t)(x > y ? x : y) << shift;
    }
    return result;
#endif
}

#endif
