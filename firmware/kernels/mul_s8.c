#include "mul_s8.h"

#include <stdbool.h>

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
    const uint32_t count = plan->size[3];
    const bool fast =
        plan->first_step[3] == 1u && plan->second_step[3] == 1u && plan->low == -128 && plan->high == 127;
    const int8_t *first_at[3];
    const int8_t *second_at[3];
    first_at[0] = first;
    second_at[0] = second;
    for (uint32_t i = 0; i < plan->size[0]; i++) {
        first_at[1] = first_at[0];
        second_at[1] = second_at[0];
        for (uint32_t j = 0; j < plan->size[1]; j++) {
            first_at[2] = first_at[1];
            second_at[2] = second_at[1];
            for (uint32_t k = 0; k < plan->size[2]; k++) {
                if (fast) {
                    mul_row(first_at[2], second_at[2], output, 1u, 1u, count, true, plan);
                } else {
                    mul_row(first_at[2], second_at[2], output, plan->first_step[3], plan->second_step[3], count,
                            false, plan);
                }
                output += count;
                first_at[2] += plan->first_step[2];
                second_at[2] += plan->second_step[2];
            }
            first_at[1] += plan->first_step[1];
            second_at[1] += plan->second_step[1];
        }
        first_at[0] += plan->first_step[0];
        second_at[0] += plan->second_step[0];
    }
}
