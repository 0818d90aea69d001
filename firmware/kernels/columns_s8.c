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

#if BENCH_DSP
/* Half a group: columns p and q of one word of weights, which ends as channel a alone. */
#define HALF_GROUP(p, q, w)                          \
    "smlad %[pab], %[" p "], %[" w "], %[pab]\n\t"   \
    "smlad %[qab], %[" q "], %[" w "], %[qab]\n\t"   \
    "sxtb16 %[" w "], %[" w "]\n\t"                  \
    "smlad %[pa], %[" p "], %[" w "], %[pa]\n\t"     \
    "smlad %[qa], %[" q "], %[" w "], %[qa]\n\t"
#define LOAD(first, second, from) "ldrd %[" first "], %[" second "], [%[" from "]], #8\n\t"
#define OPERANDS                                                                                             \
    [pa] "+&r"(sums->pa), [qa] "+&r"(sums->qa), [pab] "+&r"(sums->pab), [qab] "+&r"(sums->qab),              \
        [x] "+&r"(*columns), [w] "+&r"(*weights), [e] "=&r"(even), [o] "=&r"(odd), [p] "=&r"(p), [q] "=&r"(q), \
        [r] "=&r"(r), [s] "=&r"(s)
#endif

/* One group, and the pointers behind it. Written out, as are two groups, because compilers neither find LDRD with its
 * base updated nor keep within the registers: 13 instructions for 16 multiplications. */
static inline void add_group(sums_t *sums, const uint32_t **columns, const uint32_t **weights) {
#if BENCH_DSP
    uint32_t even, odd, p, q, r, s;
    __asm__(LOAD("e", "o", "w") LOAD("p", "q", "x") LOAD("r", "s", "x")
            HALF_GROUP("p", "q", "e") HALF_GROUP("r", "s", "o")
            : OPERANDS
            :
            : "memory");
#else
    for (int32_t half = 0; half < 2; half++) {
        const uint32_t p = (*columns)[0], q = (*columns)[1], ab = **weights, a = even_bytes(ab);
        sums->pab = add_products(p, ab, sums->pab);
        sums->qab = add_products(q, ab, sums->qab);
        sums->pa = add_products(p, a, sums->pa);
        sums->qa = add_products(q, a, sums->qa);
        *columns += COLUMN_GROUP_WORDS / 2;
        *weights += WEIGHT_GROUP_WORDS / 2;
    }
#endif
}

/* Two groups: the second's loads lie between the first's multiplications. */
static inline void add_two_groups(sums_t *sums, const uint32_t **columns, const uint32_t **weights) {
#if BENCH_DSP
    uint32_t even, odd, p, q, r, s;
    __asm__(LOAD("e", "o", "w") LOAD("p", "q", "x") LOAD("r", "s", "x")
            HALF_GROUP("p", "q", "e")
            LOAD("p", "q", "x") HALF_GROUP("r", "s", "o")
            LOAD("e", "o", "w") LOAD("r", "s", "x")
            HALF_GROUP("p", "q", "e") HALF_GROUP("r", "s", "o")
            : OPERANDS
            :
            : "memory");
#else
    add_group(sums, columns, weights);
    add_group(sums, columns, weights);
#endif
}

void columns_s8(const uint32_t *columns, int32_t groups, const uint32_t *weights, const int32_t *channels,
                int8_t *first, int8_t *second, const conv_shape_t *shape) {
    const int32_t output_c = shape->output_c;
    for (int32_t left = output_c; left > 0; left -= 2) {
        const uint32_t *x = columns;
        sums_t sums = {.pa = channels[0], .qa = channels[0], .pab = channels[1], .qab = channels[1]};
        if (groups & 1) {
            add_group(&sums, &x, &weights);
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
