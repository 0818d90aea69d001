#include "mean_s8.h"

#include "window.h"

static inline int8_t mean(int32_t sum, const mean_s8_t *plan)
{
    const int32_t value = high_multiply((sum + plan->offset) * (1 << plan->left_shift), plan->multiplier);
    return saturate_s8(rounding_shift(value, plan->right_shift) + plan->output_zero_point);
}

void mean_s8(const int8_t *input, int8_t *output, const mean_s8_t *plan)
{
    const uint32_t inner = plan->inner;
    const uint32_t middle_step = plan->columns * inner;
    const uint32_t row_step = plan->middle * middle_step;
    for (uint32_t outer = 0; outer < plan->outer; outer++) {
        const int8_t *block = input;
        for (uint32_t middle = 0; middle < plan->middle; middle++) {
            uint32_t channel = 0;
            for (; channel + 4u <= inner; channel += 4u) {
                int32_t sums[4];
                window_sum_4(block + channel, plan->rows, row_step, plan->columns, inner, sums);
                for (uint32_t i = 0; i < 4u; i++) {
                    *output++ = mean(sums[i], plan);
                }
            }
            for (; channel < inner; channel++) {
                *output++ = mean(window_sum(block + channel, plan->rows, row_step, plan->columns, inner), plan);
            }
            block += middle_step;
        }
        input += plan->rows * row_step;
    }
}
