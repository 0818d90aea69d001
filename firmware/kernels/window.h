/* Sums over a window of pixels, four channels at a time: what MEAN and AVERAGE_POOL_2D share. */
#ifndef BENCH_WINDOW_H
#define BENCH_WINDOW_H

#include "rounding.h"

#define WINDOW_LANE_VALUES 256u /* of -128, that a 16-bit lane can hold */

typedef struct {
    uint32_t even; /* channels 0 and 2, in lanes of 16 bits */
    uint32_t odd;  /* channels 1 and 3 */
} window_lanes_t;

static inline window_lanes_t window_flush(window_lanes_t lanes, int32_t sums[4])
{
    sums[0] += (int16_t)lanes.even;
    sums[1] += (int16_t)lanes.odd;
    sums[2] += (int32_t)lanes.even >> 16;
    sums[3] += (int32_t)lanes.odd >> 16;
    lanes.even = lanes.odd = 0;
    return lanes;
}

/* Sums of the four int8 channels at `input` over rows x columns pixels; steps in bytes. */
static inline void window_sum_4(const int8_t *input, uint32_t rows, uint32_t row_step, uint32_t columns,
                                uint32_t column_step, int32_t sums[4])
{
    window_lanes_t lanes = {0, 0};
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    while (columns != 0u) {
        const uint32_t width = columns < WINDOW_LANE_VALUES ? columns : WINDOW_LANE_VALUES;
        const int8_t *row = input;
        uint32_t room = WINDOW_LANE_VALUES;
        for (uint32_t left = rows; left != 0u; left--) {
            const int8_t *pixel = row;
            uint32_t run = width;
            if (room < width) {
                lanes = window_flush(lanes, sums);
                room = WINDOW_LANE_VALUES;
            }
            room -= width;
            if ((run & 1u) != 0u) {
                const uint32_t bytes = load_word(pixel);
                lanes.even = add_even_bytes(lanes.even, bytes);
                lanes.odd = add_odd_bytes(lanes.odd, bytes);
                pixel += column_step;
            }
            for (run >>= 1; run != 0u; run--) {
                const uint32_t first = load_word(pixel);
                const uint32_t second = load_word(pixel + column_step);
                lanes.even = add_even_bytes(add_even_bytes(lanes.even, first), second);
                lanes.odd = add_odd_bytes(add_odd_bytes(lanes.odd, first), second);
                pixel += 2u * column_step;
            }
            row += row_step;
        }
        lanes = window_flush(lanes, sums);
        input += width * column_step;
        columns -= width;
    }
}

/* The same for one channel. */
static inline int32_t window_sum(const int8_t *input, uint32_t rows, uint32_t row_step, uint32_t columns,
                                 uint32_t column_step)
{
    int32_t sum = 0;
    for (; rows != 0u; rows--) {
        const int8_t *pixel = input;
        for (uint32_t left = columns; left != 0u; left--) {
            sum += *pixel;
            pixel += column_step;
        }
        input += row_step;
    }
    return sum;
}

#endif
