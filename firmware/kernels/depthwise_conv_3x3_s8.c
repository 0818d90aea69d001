#include "depthwise_conv_3x3_s8.h"

#include "depthwise_runs.h"
#include "depthwise_taps.h"

enum { WEIGHT_WORDS = 9 };

#if BENCH_DSP
/* Two taps at [r] and [r, tap_step], or wherever `loads` takes them from, as add_two_taps. */
#define TWO_TAPS(loads)                       \
    loads "ldr %[w], [%[p]], #4\n\t"          \
          "pkhbt %[x], %[s], %[t], lsl #16\n\t" \
          "pkhtb %[s], %[t], %[s], asr #16\n\t" \
          "sxtb16 %[v], %[w]\n\t"             \
          "sxtb16 %[t], %[x]\n\t"             \
          "smlad %[c0], %[t], %[v], %[c0]\n\t" \
          "sxtb16 %[w], %[w], ror #8\n\t"     \
          "sxtb16 %[x], %[x], ror #8\n\t"     \
          "smlad %[c1], %[x], %[w], %[c1]\n\t" \
          "ldr %[w], [%[p]], #4\n\t"          \
          "sxtb16 %[t], %[s]\n\t"             \
          "sxtb16 %[s], %[s], ror #8\n\t"     \
          "sxtb16 %[v], %[w]\n\t"             \
          "smlad %[c2], %[t], %[v], %[c2]\n\t" \
          "sxtb16 %[w], %[w], ror #8\n\t"     \
          "smlad %[c3], %[s], %[w], %[c3]\n\t"
#endif

/* Biases and nine taps of four channels, and the pointer behind them. Written out because the compiler moves the loads
 * of all taps to the front and then runs out of registers. */
static inline const uint32_t *sum_nine_taps(four_sums_t *sums, const int8_t *row, const depthwise_steps_t *steps,
                                            const uint32_t *packed) {
    const int32_t tap = steps->tap, down = steps->row;
#if BENCH_DSP
    uint32_t s, t, v, w, x;
    __asm__("ldrd %[c0], %[c1], [%[p]], #8\n\t"
            "ldrd %[c2], %[c3], [%[p]], #8\n\t"
            TWO_TAPS("ldr %[s], [%[r]]\n\t"
                     "ldr %[t], [%[r], %[tap]]\n\t")
            TWO_TAPS("ldr %[s], [%[r], %[tap], lsl #1]\n\t"
                     "add %[r], %[r], %[down]\n\t"
                     "ldr %[t], [%[r]]\n\t")
            TWO_TAPS("ldr %[s], [%[r], %[tap]]\n\t"
                     "ldr %[t], [%[r], %[tap], lsl #1]\n\t"
                     "add %[r], %[r], %[down]\n\t")
            TWO_TAPS("ldr %[s], [%[r]]\n\t"
                     "ldr %[t], [%[r], %[tap]]\n\t")
            "ldr %[s], [%[r], %[tap], lsl #1]\n\t"
            "ldr %[w], [%[p]], #4\n\t"
            "sxtb16 %[t], %[s]\n\t"
            "sxtb16 %[v], %[w]\n\t"
            "smlabb %[c0], %[t], %[v], %[c0]\n\t"
            "smlatt %[c2], %[t], %[v], %[c2]\n\t"
            "sxtb16 %[s], %[s], ror #8\n\t"
            "sxtb16 %[w], %[w], ror #8\n\t"
            "smlabb %[c1], %[s], %[w], %[c1]\n\t"
            "smlatt %[c3], %[s], %[w], %[c3]"
            : [c0] "=&r"(sums->c0), [c1] "=&r"(sums->c1), [c2] "=&r"(sums->c2), [c3] "=&r"(sums->c3),
              [r] "+&r"(row), [p] "+&r"(packed), [s] "=&r"(s), [t] "=&r"(t), [v] "=&r"(v), [w] "=&r"(w),
              [x] "=&r"(x)
            : [tap] "r"(tap), [down] "r"(down)
            : "memory");
    return packed;
#else
    const uint32_t *weights = packed + 4;
    *sums = four_biases(packed);
    const int8_t *middle = row + down, *last = middle + down;
    add_two_taps(sums, load_word(row), load_word(row + tap), weights[0], weights[1]);
    add_two_taps(sums, load_word(row + 2 * tap), load_word(middle), weights[2], weights[3]);
    add_two_taps(sums, load_word(middle + tap), load_word(middle + 2 * tap), weights[4], weights[5]);
    add_two_taps(sums, load_word(last), load_word(last + tap), weights[6], weights[7]);
    add_tap(sums, load_word(last + 2 * tap), weights[8]);
    return weights + WEIGHT_WORDS;
#endif
}

static void run(const int8_t *window, const depthwise_steps_t *steps, int32_t pixels, const uint32_t *packed,
                int8_t *output, const conv_shape_t *shape) {
    const int32_t input_c = shape->input_c;
    for (; pixels > 0; pixels--) {
        const uint32_t *next = packed;
        const int8_t *const end = window + input_c;
        for (const int8_t *four = window; four < end; four += 4) {
            four_sums_t sums;
            next = sum_nine_taps(&sums, four, steps, next);
            next = store_four(output, sums, next);
            output += 4;
        }
        window += steps->window;
    }
}

void depthwise_conv_3x3_s8(const int8_t *input, const uint32_t *packed, int8_t *output, void *scratch,
                           const conv_shape_t *shape) {
    depthwise_runs(run, input, packed, output, scratch, shape);
}
