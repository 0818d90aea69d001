/* Sums of four channels of a depthwise convolution, two taps at a time. Weights: depthwise_conv_2d_s8.h. */
#ifndef BENCH_DEPTHWISE_TAPS_H
#define BENCH_DEPTHWISE_TAPS_H

#include "dsp.h"
#include "requantize.h"

enum { DEPTHWISE_CHANNEL_WORDS = 4 }; /* bias, scale, rounding, shift */

typedef struct {
    int32_t c0, c1, c2, c3;
} four_sums_t;

static inline four_sums_t four_biases(const int32_t *channels) {
    return (four_sums_t){channels[0], channels[4], channels[8], channels[12]};
}

/* Four channels of the taps s and t, two words of weights. Written out, and fenced, because the compiler moves the
 * loads of all taps to the front and then runs out of registers. */
static inline void add_two_taps(four_sums_t *sums, uint32_t s, uint32_t t, const uint32_t *weights) {
    uint32_t w01 = weights[0], w23 = weights[1];
#if BENCH_DSP
    uint32_t x, w;
    __asm__ volatile("pkhbt %[x], %[s], %[t], lsl #16\n\t"
                     "pkhtb %[s], %[t], %[s], asr #16\n\t"
                     "sxtb16 %[w], %[w01]\n\t"
                     "sxtb16 %[t], %[x]\n\t"
                     "smlad %[c0], %[t], %[w], %[c0]\n\t"
                     "sxtb16 %[w01], %[w01], ror #8\n\t"
                     "sxtb16 %[x], %[x], ror #8\n\t"
                     "smlad %[c1], %[x], %[w01], %[c1]\n\t"
                     "sxtb16 %[w], %[w23]\n\t"
                     "sxtb16 %[t], %[s]\n\t"
                     "smlad %[c2], %[t], %[w], %[c2]\n\t"
                     "sxtb16 %[w23], %[w23], ror #8\n\t"
                     "sxtb16 %[s], %[s], ror #8\n\t"
                     "smlad %[c3], %[s], %[w23], %[c3]"
                     : [c0] "+r"(sums->c0), [c1] "+r"(sums->c1), [c2] "+r"(sums->c2), [c3] "+r"(sums->c3),
                       [s] "+r"(s), [t] "+r"(t), [w01] "+r"(w01), [w23] "+r"(w23), [x] "=&r"(x), [w] "=&r"(w)
                     :
                     : "memory");
#else
    const uint32_t x01 = low_halves(s, t), x23 = high_halves(s, t);
    sums->c0 = add_products(even_bytes(x01), even_bytes(w01), sums->c0);
    sums->c1 = add_products(odd_bytes(x01), odd_bytes(w01), sums->c1);
    sums->c2 = add_products(even_bytes(x23), even_bytes(w23), sums->c2);
    sums->c3 = add_products(odd_bytes(x23), odd_bytes(w23), sums->c3);
#endif
}

/* Four channels of a last tap, one word of weights. */
static inline void add_tap(four_sums_t *sums, uint32_t x, uint32_t w) {
    const uint32_t x02 = even_bytes(x), x13 = odd_bytes(x), w02 = even_bytes(w), w13 = odd_bytes(w);
    sums->c0 = add_low_product(x02, w02, sums->c0);
    sums->c1 = add_low_product(x13, w13, sums->c1);
    sums->c2 = add_high_product(x02, w02, sums->c2);
    sums->c3 = add_high_product(x13, w13, sums->c3);
}

static inline void store_four(int8_t *output, four_sums_t sums, const int32_t *channels) {
    const int8_t v0 = requantize_fast(sums.c0, channels[1], channels[2], channels[3]);
    const int8_t v1 = requantize_fast(sums.c1, channels[5], channels[6], channels[7]);
    const int8_t v2 = requantize_fast(sums.c2, channels[9], channels[10], channels[11]);
    const int8_t v3 = requantize_fast(sums.c3, channels[13], channels[14], channels[15]);
    output[0] = v0;
    output[1] = v1;
    output[2] = v2;
    output[3] = v3;
}

#endif
