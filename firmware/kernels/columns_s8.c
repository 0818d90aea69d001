#include "columns_s8.h"

#include "requantize.h"

uint32_t *widen_column(uint32_t *into, const int8_t *from, int32_t count) {
    for (; count >= 4; count -= 4) {
        widen_group(into, load_word(from));
        into += COLUMN_GROUP_WORDS;
        from += 4;
    }
    if (count > 0) {
        widen_group(into, load_part(from, count));
        into += COLUMN_GROUP_WORDS;
    }
    return into;
}

typedef struct {
    int32_t pa, qa, pab, qab; /* columns p and q, channel a alone and 256 * b + a */
} sums_t;

/* One group, from its four words of columns and two of weights. */
static inline void add_group(sums_t *sums, const uint32_t *x, const uint32_t *w) {
    for (int32_t half = 0; half < 2; half++) {
        const uint32_t p = x[2 * half], q = x[2 * half + 1], ab = w[half], a = even_bytes(ab);
        sums->pab = add_products(p, ab, sums->pab);
        sums->qab = add_products(q, ab, sums->qab);
        sums->pa = add_products(p, a, sums->pa);
        sums->qa = add_products(q, a, sums->qa);
    }
}

/* Two groups, and the pointers behind them. Written out because compilers neither find LDRD with its base updated nor
 * keep within the registers: 26 instructions for 32 multiplications, loads two instructions ahead of their use. */
static inline void add_two_groups(sums_t *sums, const uint32_t **columns, const uint32_t **weights) {
#if BENCH_DSP
    uint32_t even, odd, p, q, r, s;
    __asm__("ldrd %[e], %[o], [%[w]], #8\n\t"
            "ldrd %[p], %[q], [%[x]], #8\n\t"
            "ldrd %[r], %[s], [%[x]], #8\n\t"
            "smlad %[pab], %[p], %[e], %[pab]\n\t"
            "smlad %[qab], %[q], %[e], %[qab]\n\t"
            "sxtb16 %[e], %[e]\n\t"
            "smlad %[pa], %[p], %[e], %[pa]\n\t"
            "smlad %[qa], %[q], %[e], %[qa]\n\t"
            "ldrd %[p], %[q], [%[x]], #8\n\t"
            "smlad %[pab], %[r], %[o], %[pab]\n\t"
            "smlad %[qab], %[s], %[o], %[qab]\n\t"
            "sxtb16 %[o], %[o]\n\t"
            "smlad %[pa], %[r], %[o], %[pa]\n\t"
            "smlad %[qa], %[s], %[o], %[qa]\n\t"
            "ldrd %[e], %[o], [%[w]], #8\n\t"
            "ldrd %[r], %[s], [%[x]], #8\n\t"
            "smlad %[pab], %[p], %[e], %[pab]\n\t"
            "smlad %[qab], %[q], %[e], %[qab]\n\t"
            "sxtb16 %[e], %[e]\n\t"
            "smlad %[pa], %[p], %[e], %[pa]\n\t"
            "smlad %[qa], %[q], %[e], %[qa]\n\t"
            "smlad %[pab], %[r], %[o], %[pab]\n\t"
            "smlad %[qab], %[s], %[o], %[qab]\n\t"
            "sxtb16 %[o], %[o]\n\t"
            "smlad %[pa], %[r], %[o], %[pa]\n\t"
            "smlad %[qa], %[s], %[o], %[qa]"
            : [pa] "+&r"(sums->pa), [qa] "+&r"(sums->qa), [pab] "+&r"(sums->pab), [qab] "+&r"(sums->qab),
              [x] "+&r"(*columns), [w] "+&r"(*weights), [e] "=&r"(even), [o] "=&r"(odd), [p] "=&r"(p),
              [q] "=&r"(q), [r] "=&r"(r), [s] "=&r"(s)
            :
            : "memory");
#else
    add_group(sums, *columns, *weights);
    add_group(sums, *columns + COLUMN_GROUP_WORDS, *weights + WEIGHT_GROUP_WORDS);
    *columns += 2 * COLUMN_GROUP_WORDS;
    *weights += 2 * WEIGHT_GROUP_WORDS;
#endif
}

void columns_s8(const uint32_t *columns, int32_t groups, const uint32_t *weights, const int32_t *channels,
                int8_t *first, int8_t *second, const conv_shape_t *shape) {
    const int32_t output_c = shape->output_c;
    for (int32_t left = output_c; left > 0; left -= 2) {
        const uint32_t *x = columns;
        sums_t sums = {.pa = channels[0], .qa = channels[0], .pab = channels[1], .qab = channels[1]};
        if (groups & 1) {
            add_group(&sums, x, weights);
            x += COLUMN_GROUP_WORDS;
            weights += WEIGHT_GROUP_WORDS;
        }
        for (int32_t pairs = groups >> 1; pairs > 0; pairs--) {
            add_two_groups(&sums, &x, &weights);
        }
        int32_t scale = channels[2], rounding = channels[3], shift = channels[4];
        const int8_t qa = requantize_fast(sums.qa, scale, rounding, shift);
        const int8_t pa = requantize_fast(sums.pa, scale, rounding, shift);
        const int32_t pb = (int32_t)((uint32_t)sums.pab - (uint32_t)sums.pa) >> 8;
        const int32_t qb = (int32_t)((uint32_t)sums.qab - (uint32_t)sums.qa) >> 8;
        scale = channels[5], rounding = channels[6], shift = channels[7];
        channels += CHANNEL_PAIR_WORDS;
        *second++ = qa;
        *first++ = pa;
        if (left > 1) {
            *second++ = requantize_fast(qb, scale, rounding, shift);
            *first++ = requantize_fast(pb, scale, rounding, shift);
        }
    }
    if (shape->output_min > -128 || shape->output_max < 127) {
        clamp_run_s8(second - output_c, output_c, shape->output_min, shape->output_max);
        clamp_run_s8(first - output_c, output_c, shape->output_min, shape->output_max);
    }
}
