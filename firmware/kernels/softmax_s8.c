#include "softmax_s8.h"

#include "rounding.h"

#define SUM_FRACTION_BITS 19

/* 2^31 / (1 + x) with x = fraction / 2^31 in [0, 1): three Newton steps on 3 integer and 29 fraction bits, as the
 * reference takes them. */
static int32_t reciprocal_of_one_plus(uint32_t fraction)
{
    const int32_t half_denominator = (int32_t)((fraction + 0x80000000u) >> 1);
    const int32_t one = 1 << 29;
    /* 48/17 - 32/17 * half_denominator starts within 1/17 of the result. */
    int32_t x = 1515870810 + doubling_high_multiply(half_denominator, -1010580540);
    for (int i = 0; i < 3; i++) {
        const int32_t error = one - doubling_high_multiply(half_denominator, x);
        x += doubling_high_multiply(x, error) * 4;
    }
    return x >= (1 << 30) ? INT32_MAX : x * 2;
}

void softmax_s8(const int8_t *input, int8_t *output, uint32_t rows, uint32_t depth, const int32_t *exponentials)
{
    for (; rows != 0u; rows--) {
        int32_t largest = -128;
        for (uint32_t i = 0; i < depth; i++) {
            largest = input[i] > largest ? input[i] : largest;
        }
        uint32_t sum = 0;
        for (uint32_t i = 0; i < depth; i++) {
            /* No exponential is negative: halves away from zero are halves upwards. */
            sum += ((uint32_t)exponentials[largest - input[i]] + (1u << 11)) >> (31 - SUM_FRACTION_BITS);
        }
        const int32_t zeros = __builtin_clz(sum);
        if (zeros < 4) {
            /* No value reaches 1/512: all are nearest to 0. The reference does not go on from here. */
            for (uint32_t i = 0; i < depth; i++) {
                output[i] = -128;
            }
            input += depth;
            output += depth;
            continue;
        }
        const int32_t scale = reciprocal_of_one_plus((sum << zeros) - 0x80000000u);
        /* The sum has 12 integer bits, the output 8 bits. */
        const int32_t shift = 12 - zeros + 31 - 8;
        const int32_t half = 1 << (shift - 1);
        for (uint32_t i = 0; i < depth; i++) {
            const int32_t value = doubling_high_multiply(scale, exponentials[largest - input[i]]);
            const int32_t rounded = (int32_t)(((uint32_t)value + (uint32_t)half) >> shift) - 128;
            output[i] = (int8_t)(rounded > 127 ? 127 : rounded);
        }
        input += depth;
        output += depth;
    }
}
