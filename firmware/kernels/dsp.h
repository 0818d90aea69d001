/* The Arm DSP instructions that the fast kernels use, and the same in portable C for every other core and the host.
 *
 * A word of activations holds four int8; a "pair" holds two int16. Source of the semantics: Arm v7-M Architecture
 * Reference Manual, A7.7. Instructions that the compiler's arm_acle.h lacks, or that it does not combine with a
 * rotation or a shift, are written out.
 */
#ifndef BENCH_DSP_H
#define BENCH_DSP_H

#include <stdint.h>

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#include <arm_acle.h>
#define BENCH_DSP 1
#else
#define BENCH_DSP 0
#endif

/* Four bytes at any address: one LDR or STR on the cores that allow it. */
static inline uint32_t load_word(const void *address) {
    uint32_t word;
    __builtin_memcpy(&word, address, sizeof word);
    return word;
}

static inline void store_word(void *address, uint32_t word) {
    __builtin_memcpy(address, &word, sizeof word);
}

/* The first `count` < 4 bytes of a word, zeros behind them. */
static inline uint32_t load_part(const int8_t *address, int32_t count) {
    uint32_t word = 0;
    for (int32_t i = 0; i < count; i++) {
        word |= (uint32_t)(uint8_t)address[i] << (8 * i);
    }
    return word;
}

static inline int32_t low_half(uint32_t pair) {
    return (int16_t)(uint16_t)pair;
}

static inline int32_t high_half(uint32_t pair) {
    return (int16_t)(uint16_t)(pair >> 16);
}

/* Bytes 0 and 2, sign-extended to a pair. */
static inline uint32_t even_bytes(uint32_t word) {
#if BENCH_DSP
    return (uint32_t)__sxtb16((int8x4_t)word);
#else
    return (uint16_t)(int8_t)(uint8_t)word | (uint32_t)(uint16_t)(int8_t)(uint8_t)(word >> 16) << 16;
#endif
}

/* Bytes 1 and 3, sign-extended to a pair. */
static inline uint32_t odd_bytes(uint32_t word) {
#if BENCH_DSP
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
#else
    return even_bytes(word >> 8);
#endif
}

/* The low halves of `low` and `high`, and the high halves. */
static inline uint32_t low_halves(uint32_t low, uint32_t high) {
#if BENCH_DSP
    uint32_t pair;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(low), "r"(high));
    return pair;
#else
    return (low & 0xFFFFu) | high << 16;
#endif
}

static inline uint32_t high_halves(uint32_t low, uint32_t high) {
#if BENCH_DSP
    uint32_t pair;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(high), "r"(low));
    return pair;
#else
    return (high & 0xFFFF0000u) | low >> 16;
#endif
}

/* sum + a.low * b.low + a.high * b.high; wraps around. */
static inline int32_t add_products(uint32_t a, uint32_t b, int32_t sum) {
#if BENCH_DSP
    return __smlad((int16x2_t)a, (int16x2_t)b, sum);
#else
    return (int32_t)((uint32_t)sum + (uint32_t)(low_half(a) * low_half(b)) + (uint32_t)(high_half(a) * high_half(b)));
#endif
}

/* sum + the product of the low halves, or of the high halves; wraps around. */
static inline int32_t add_low_product(uint32_t a, uint32_t b, int32_t sum) {
#if BENCH_DSP
    int32_t found;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(found) : "r"(a), "r"(b), "r"(sum));
    return found;
#else
    return (int32_t)((uint32_t)sum + (uint32_t)(low_half(a) * low_half(b)));
#endif
}

static inline int32_t add_high_product(uint32_t a, uint32_t b, int32_t sum) {
#if BENCH_DSP
    int32_t found;
    __asm__("smlatt %0, %1, %2, %3" : "=r"(found) : "r"(a), "r"(b), "r"(sum));
    return found;
#else
    return (int32_t)((uint32_t)sum + (uint32_t)(high_half(a) * high_half(b)));
#endif
}

/* a + (a * b) / 2^32, rounded, halves upwards. */
static inline int32_t add_high_word(int32_t a, int32_t b) {
#if BENCH_DSP
    int32_t found;
    __asm__("smmlar %0, %1, %2, %1" : "=r"(found) : "r"(a), "r"(b));
    return found;
#else
    return (int32_t)((a * ((int64_t)1 << 32) + (int64_t)a * b + ((int64_t)1 << 31)) >> 32);
#endif
}

static inline int8_t saturate_s8(int32_t value) {
#if BENCH_DSP
    int32_t found;
    __asm__("ssat %0, #8, %1" : "=r"(found) : "r"(value));
    return (int8_t)found;
#else
    return (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
#endif
}

#endif
