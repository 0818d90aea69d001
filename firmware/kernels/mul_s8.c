#include "mul_s8.h"

#include "rounding.h"

/* `saturating`: the output has the whole range of int8, so that one instruction clamps. */
static inline void mul_row(const int8_t *first, const int8_t *second, int8_t *output, uint32_t first_step,
                           uint32_t second_step, uint32_t count, bool saturating, const mul_s8_t *plan)
{
    const int32_t first_zero_point = plan->first_zero_point;
    const int32_t second_zero_point = plan->second_zero_point;
    const int32_t left = plan->left_shift;
    const int32_t multiplier = plan->multiplier;
    const int32_t right = plan->right_shift;
    const int32_t half = right == 0 ? 0 : (int32_t)(1u << (right - 1));
    const int32_t signs = right == 0 ? 0 : -1; /* nothing is rounded where nothing is shifted out */
    const int32_t output_zero_point = plan->output_zero_point;
    const int8_t *end = output + count;
#pragma GCC unroll 2
    while (output != end) {
        int32_t product = (*first - first_zero_point) * (*second - second_zero_point);
        int32_t value = high_multiply(product * (1 << left), multiplier);
        value = ((value + (value >> 31 & signs) + half) >> right) + output_zero_point;
        *output++ = saturating ? saturate_s8(value) : (int8_t)clamp(value, plan->low, plan->high);
        first += first_step;
        second += second_step;
    }
}

void mul_s8(const int8_t *first, const int8_t *second, int8_t *output, const mul_s8_t *plan)
{
    const broadcast_t *loops = &plan->loops;
    const uint32_t count = loops->size[3];
    const bool fast = broadcast_is_dense(loops) && plan->low == -128 && plan->high == 127;
    broadcast_row_t row = {first, second, {0, 0, 0}};
    do {
        if (fast) {
            mul_row(row.first, row.second, output, 1u, 1u, count, true, plan);
        } else {
            mul_row(row.first, row.second, output, loops->first_step[3], loops->second_step[3], count, false, plan);
        }
        output += count;
    } while (broadcast_next(&row, loops));
}
