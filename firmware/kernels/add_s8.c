#include "add_s8.h"

#include "rounding.h"

/* The shift of `rounding_shift` for shift >= 1 and |value| < 2^30, in three instructions. */
static inline int32_t shift_right(int32_t value, int32_t half, int32_t shift)
{
    return (value + (value >> 31) + half) >> shift;
}

/* `saturating`: the output has the whole range of int8, so that one instruction clamps. */
static inline void add_row(const int8_t *narrow, const int8_t *wide, int8_t *output, uint32_t narrow_step,
                           uint32_t wide_step, uint32_t count, bool saturating, const add_s8_t *plan)
{
    const int32_t narrow_factor = plan->narrow_factor;
    const int32_t narrow_bias = plan->narrow_bias;
    const int32_t narrow_multiplier = plan->narrow_multiplier;
    const int32_t narrow_shift = plan->narrow_right_shift;
    const int32_t narrow_half = (int32_t)(1u << (narrow_shift - 1));
    const int32_t sum_factor = plan->sum_factor;
    const int32_t wide_factor = plan->wide_factor;
    const int32_t wide_bias = plan->wide_bias;
    const int32_t output_multiplier = plan->output_multiplier;
    const int32_t output_shift = plan->output_right_shift;
    const int32_t output_half = (int32_t)(1u << (output_shift - 1));
    const int32_t output_zero_point = plan->output_zero_point;
    const int8_t *end = output + count;
#pragma GCC unroll 2
    while (output != end) {
        int32_t value = high_multiply(*narrow * narrow_factor + narrow_bias, narrow_multiplier);
        value = shift_right(value, narrow_half, narrow_shift);
        value = high_multiply(value * sum_factor + wide_bias + *wide * wide_factor, output_multiplier);
        value = shift_right(value, output_half, output_shift) + output_zero_point;
        *output++ = saturating ? saturate_s8(value) : (int8_t)clamp(value, plan->low, plan->high);
        narrow += narrow_step;
        wide += wide_step;
    }
}

void add_s8(const int8_t *narrow, const int8_t *wide, int8_t *output, const add_s8_t *plan)
{
    const broadcast_t *loops = &plan->loops;
    const uint32_t count = loops->size[3];
    const bool fast = broadcast_is_dense(loops) && plan->low == -128 && plan->high == 127;
    broadcast_row_t row = {narrow, wide, {0, 0, 0}};
    do {
        if (fast) {
            add_row(row.first, row.second, output, 1u, 1u, count, true, plan);
        } else {
            add_row(row.first, row.second, output, loops->first_step[3], loops->second_step[3], count, false, plan);
        }
        output += count;
    } while (broadcast_next(&row, loops));
}
