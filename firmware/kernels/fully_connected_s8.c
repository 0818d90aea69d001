#include "fully_connected_s8.h"

#include "requantize.h"

enum { CHANNELS_WORDS = 16, INPUT_WORDS = 2, WEIGHT_WORDS = 4 };

typedef struct {
    int32_t a, ab, c, cd; /* a alone, 256 * b + a; c alone, 256 * d + c */
} sums_t;

/* Four inputs, two words of them and four of weights. */
static inline void add_group(sums_t *sums, const uint32_t *x, const uint32_t *w) {
    for (int32_t half = 0; half < 2; half++) {
        const uint32_t ab = w[2 * half], cd = w[2 * half + 1];
        sums->ab = add_products(x[half], ab, sums->ab);
        sums->cd = add_products(x[half], cd, sums->cd);
        sums->a = add_products(x[half], even_bytes(ab), sums->a);
        sums->c = add_products(x[half], even_bytes(cd), sums->c);
    }
}

/* Two groups, and the pointers behind them: as in columns_s8.c. */
static inline void add_two_groups(sums_t *sums, const uint32_t **inputs, const uint32_t **weights) {
#if BENCH_DSP
    uint32_t even, odd, p, q, r, s;
    __asm__("ldrd %[e], %[o], [%[x]], #8\n\t"
            "ldrd %[p], %[q], [%[w]], #8\n\t"
            "ldrd %[r], %[s], [%[w]], #8\n\t"
            "smlad %[ab], %[e], %[p], %[ab]\n\t"
            "smlad %[cd], %[e], %[q], %[cd]\n\t"
            "sxtb16 %[p], %[p]\n\t"
            "sxtb16 %[q], %[q]\n\t"
            "smlad %[a], %[e], %[p], %[a]\n\t"
            "smlad %[c], %[e], %[q], %[c]\n\t"
            "ldrd %[p], %[q], [%[w]], #8\n\t"
            "smlad %[ab], %[o], %[r], %[ab]\n\t"
            "smlad %[cd], %[o], %[s], %[cd]\n\t"
            "sxtb16 %[r], %[r]\n\t"
            "sxtb16 %[s], %[s]\n\t"
            "smlad %[a], %[o], %[r], %[a]\n\t"
            "smlad %[c], %[o], %[s], %[c]\n\t"
            "ldrd %[e], %[o], [%[x]], #8\n\t"
            "ldrd %[r], %[s], [%[w]], #8\n\t"
            "smlad %[ab], %[e], %[p], %[ab]\n\t"
            "smlad %[cd], %[e], %[q], %[cd]\n\t"
            "sxtb16 %[p], %[p]\n\t"
            "sxtb16 %[q], %[q]\n\t"
            "smlad %[a], %[e], %[p], %[a]\n\t"
            "smlad %[c], %[e], %[q], %[c]\n\t"
            "smlad %[ab], %[o], %[r], %[ab]\n\t"
            "smlad %[cd], %[o], %[s], %[cd]\n\t"
            "sxtb16 %[r], %[r]\n\t"
            "sxtb16 %[s], %[s]\n\t"
            "smlad %[a], %[o], %[r], %[a]\n\t"
            "smlad %[c], %[o], %[s], %[c]"
            : [a] "+&r"(sums->a), [ab] "+&r"(sums->ab), [c] "+&r"(sums->c), [cd] "+&r"(sums->cd),
              [x] "+&r"(*inputs), [w] "+&r"(*weights), [e] "=&r"(even), [o] "=&r"(odd), [p] "=&r"(p),
              [q] "=&r"(q), [r] "=&r"(r), [s] "=&r"(s)
            :
            : "memory");
#else
    add_group(sums, *inputs, *weights);
    add_group(sums, *inputs + INPUT_WORDS, *weights + WEIGHT_WORDS);
    *inputs += 2 * INPUT_WORDS;
    *weights += 2 * WEIGHT_WORDS;
#endif
}

static inline int8_t requantized(int32_t sum, const int32_t *channel) {
    const int32_t high = (int32_t)(((int64_t)sum * channel[0]) >> 32);
    return saturate_s8((high + channel[1]) >> channel[2]);
}

static void widen(uint32_t *into, const int8_t *from, int32_t count) {
    for (; count > 0; count -= 4) {
        const uint32_t word = count >= 4 ? load_word(from) : load_part(from, count);
        *into++ = even_bytes(word);
        *into++ = odd_bytes(word);
        from += 4;
    }
}

static void row(const uint32_t *inputs, int32_t groups, const uint32_t *weights, const int32_t *channels,
                int8_t *output, int32_t output_c) {
    for (int32_t left = output_c; left > 0; left -= 4) {
        const uint32_t *x = inputs;
        sums_t sums = {channels[0], channels[1], channels[2], channels[3]};
        if (groups & 1) {
            add_group(&sums, x, weights);
            x += INPUT_WORDS;
            weights += WEIGHT_WORDS;
        }
        for (int32_t pairs = groups >> 1; pairs > 0; pairs--) {
            add_two_groups(&sums, &x, &weights);
        }
        const int32_t b = (int32_t)((uint32_t)sums.ab - (uint32_t)sums.a) >> 8;
        const int32_t d = (int32_t)((uint32_t)sums.cd - (uint32_t)sums.c) >> 8;
        const int8_t values[4] = {requantized(sums.a, channels + 4), requantized(b, channels + 7),
                                  requantized(sums.c, channels + 10), requantized(d, channels + 13)};
        for (int32_t i = 0; i < 4 && i < left; i++) {
            *output++ = values[i];
        }
        channels += CHANNELS_WORDS;
    }
}

void fully_connected_s8(const int8_t *input, const uint32_t *weights, const int32_t *channels, int8_t *output,
                        void *scratch, const fully_connected_shape_t *shape) {
    const int32_t groups = (shape->input_c + 3) >> 2;
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        widen(scratch, input, shape->input_c);
        row(scratch, groups, weights, channels, output, shape->output_c);
        if (shape->output_min > -128 || shape->output_max < 127) {
            clamp_run_s8(output, shape->output_c, shape->output_min, shape->output_max);
        }
        input += shape->input_c;
        output += shape->output_c;
    }
}
