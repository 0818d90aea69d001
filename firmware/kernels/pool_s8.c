#include "pool_s8.h"

#include <stdbool.h>

#include "window.h"

typedef struct {
    const int8_t *input;
    uint32_t rows;
    uint32_t columns;
} window_t;

/* The part of the window of output pixel (y, x) that lies inside the input. */
static inline window_t window_at(const int8_t *input, int32_t y, int32_t x, const pool_s8_t *plan)
{
    const int32_t top = y * plan->stride_height - plan->padding_top;
    const int32_t left = x * plan->stride_width - plan->padding_left;
    const int32_t first_row = clamp(top, 0, plan->input_height);
    const int32_t first_column = clamp(left, 0, plan->input_width);
    const int32_t last_row = clamp(top + plan->filter_height, 0, plan->input_height);
    const int32_t last_column = clamp(left + plan->filter_width, 0, plan->input_width);
    window_t window;
    window.input = input + (first_row * plan->input_width + first_column) * plan->channels;
    window.rows = (uint32_t)(last_row - first_row);
    window.columns = (uint32_t)(last_column - first_column);
    return window;
}

static inline int8_t average(int32_t sum, int32_t count, const pool_s8_t *plan)
{
    const int32_t half = sum > 0 ? count / 2 : -(count / 2);
    return (int8_t)clamp((sum + half) / count, plan->low, plan->high);
}

void average_pool_s8(const int8_t *input, int8_t *output, const pool_s8_t *plan)
{
    const uint32_t channels = (uint32_t)plan->channels;
    const uint32_t row_step = (uint32_t)plan->input_width * channels;
    for (int32_t batch = 0; batch < plan->batches; batch++) {
        for (int32_t y = 0; y < plan->output_height; y++) {
            for (int32_t x = 0; x < plan->output_width; x++) {
                const window_t window = window_at(input, y, x, plan);
                const int32_t count = (int32_t)(window.rows * window.columns);
                uint32_t channel = 0;
                for (; channel + 4u <= channels; channel += 4u) {
                    int32_t sums[4];
                    window_sum_4(window.input + channel, window.rows, row_step, window.columns, channels, sums);
                    for (uint32_t i = 0; i < 4u; i++) {
                        *output++ = average(sums[i], count, plan);
                    }
                }
                for (; channel < channels; channel++) {
                    int32_t sum =
                        window_sum(window.input + channel, window.rows, row_step, window.columns, channels);
                    *output++ = average(sum, count, plan);
                }
            }
        }
        input += (uint32_t)plan->input_height * row_step;
    }
}

void max_pool_s8(const int8_t *input, int8_t *output, const pool_s8_t *plan)
{
    const bool bounded = plan->low != -128 || plan->high != 127;
    const uint32_t low = (uint32_t)(uint8_t)plan->low * 0x01010101u;
    const uint32_t high = (uint32_t)(uint8_t)plan->high * 0x01010101u;
    const uint32_t channels = (uint32_t)plan->channels;
    const uint32_t row_step = (uint32_t)plan->input_width * channels;
    for (int32_t batch = 0; batch < plan->batches; batch++) {
        for (int32_t y = 0; y < plan->output_height; y++) {
            for (int32_t x = 0; x < plan->output_width; x++) {
                const window_t window = window_at(input, y, x, plan);
                uint32_t channel = 0;
                for (; channel + 4u <= channels; channel += 4u) {
                    const int8_t *row = window.input + channel;
                    uint32_t largest = 0x80808080u;
                    for (uint32_t rows = window.rows; rows != 0u; rows--) {
                        const int8_t *pixel = row;
                        for (uint32_t columns = window.columns; columns != 0u; columns--) {
                            largest = maximum_bytes(largest, load_word(pixel));
                            pixel += channels;
                        }
                        row += row_step;
                    }
                    if (bounded) {
                        largest = maximum_bytes(largest, low);
                        largest = ~maximum_bytes(~largest, ~high); /* ~x = -1 - x turns the order round */
                    }
                    store_word(output, largest);
                    output += 4;
                }
                for (; channel < channels; channel++) {
                    const int8_t *row = window.input + channel;
                    int32_t largest = -128;
                    for (uint32_t rows = window.rows; rows != 0u; rows--) {
                        const int8_t *pixel = row;
                        for (uint32_t columns = window.columns; columns != 0u; columns--) {
                            largest = *pixel > largest ? *pixel : largest;
                            pixel += channels;
                        }
                        row += row_step;
                    }
                    *output++ = (int8_t)clamp(largest, plan->low, plan->high);
                }
            }
        }
        input += (uint32_t)plan->input_height * row_step;
    }
}
