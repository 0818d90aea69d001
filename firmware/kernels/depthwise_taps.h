/* Sums of four channels of a depthwise convolution, two taps at a time. Layout: depthwise_conv_2d_s8.h. */
#ifndef BENCH_DEPTHWISE_TAPS_H
#define BENCH_DEPTHWISE_TAPS_H

#include <stdbool.h>

#include "dsp.h"
#include "requantize.h"

typedef struct {
    int32_t c0, c1, c2, c3;
} four_sums_t;

static inline four_sums_t four_biases(const uint32_t *biases) {
    return (four_sums_t){(int32_t)biases[0], (int32_t)biases[1], (int32_t)biases[2], (int32_t)biases[3]};
}

/* Four channels of the taps s and t, and their two words of weights. */
static inline void add_two_taps(four_sums_t *sums, uint32_t s, uint32_t t, uint32_t w01, uint32_t w23) {
    const uint32_t x01 = low_halves(s, t), x23 = high_halves(s, t);
    sums->c0 = add_products(even_bytes(x01), even_bytes(w01), sums->c0);
    sums->c1 = add_products(odd_bytes(x01), odd_bytes(w01), sums->c1);
    sums->c2 = add_products(even_bytes(x23), even_bytes(w23), sums->c2);
    sums->c3 = add_products(odd_bytes(x23), odd_bytes(w23), sums->c3);
}

/* Four channels of a last tap, and their word of weights. */
static inline void add_tap(four_sums_t *sums, uint32_t x, uint32_t w) {
    const uint32_t x02 = even_bytes(x), x13 = odd_bytes(x), w02 = even_bytes(w), w13 = odd_bytes(w);
    sums->c0 = add_low_product(x02, w02, sums->c0);
    sums->c1 = add_low_product(x13, w13, sums->c1);
    sums->c2 = add_high_product(x02, w02, sums->c2);
    sums->c3 = add_high_product(x13, w13, sums->c3);
}

/* requantize_fast, and the pointer behind the channel's scale, rounding and shift. */
static inline const uint32_t *requantize_next(int8_t *output, int32_t sum, const uint32_t *channel) {
#if BENCH_DSP
    int32_t scale, rounding;
    __asm__("ldrd %[scale], %[rounding], [%[channel]], #8\n\t"
            "smmlar %[sum], %[sum], %[scale], %[sum]\n\t"
            "ldr %[scale], [%[channel]], #4\n\t"
            "add %[sum], %[sum], %[sum], asr #31\n\t"
            "add %[sum], %[sum], %[rounding]\n\t"
            "asr %[sum], %[sum], %[scale]\n\t"
            "ssat %[sum], #8, %[sum]"
            : [sum] "+&r"(sum), [channel] "+&r"(channel), [scale] "=&r"(scale), [rounding] "=&r"(rounding)
            :
            : "memory");
    *output = (int8_t)sum;
    return channel;
#else
    *output = requantize_fast(sum, (int32_t)channel[0], (int32_t)channel[1], (int32_t)channel[2]);
    return channel + 3;
#endif
}

/* Returns what lies behind the four channels' scale, rounding and shift. */
static inline const uint32_t *store_four(int8_t *output, four_sums_t sums, const uint32_t *channels) {
    channels = requantize_next(output, sums.c0, channels);
    channels = requantize_next(output + 1, sums.c1, channels);
    channels = requantize_next(output + 2, sums.c2, channels);
    return requantize_next(output + 3, sums.c3, channels);
}

#endif
