/* Sums over a window of pixels, four channels at a time: what MEAN and AVERAGE_POOL_2D share. */
#ifndef WINDOW_H
#define WINDOW_H

#include "rounding.h"

/* Sums of the four int8 channels at `input` over rows x columns pixels; steps in bytes.
 *
 * The lanes are 16 bits wide and hold 256 values of -128. */
static inline void window_sum_4(const int8_t *input, uint32_t rows, uint32_t row_step, uint32_t columns,
                                uint32_t column_step, int32_t sums[4])
{
    uint32_t even = 0;
    uint32_t odd = 0;
    uint32_t room = 256;
    sums[0] = sums[1] = sums[2] = sums[3] = 0;
    for (; rows != 0u; rows--) {
        const int8_t *pixel = input;
        uint32_t left = columns;
        while (left != 0u) {
            uint32_t run = left < room ? left : room;
            left -= run;
            room -= run;
            for (; run >= 2u; run -= 2u) {
                uint32_t first = load_word(pixel);
                uint32_t second = load_word(pixel + column_step);
                even = add_even_bytes(add_even_bytes(even, first), second);
                odd = add_odd_bytes(add_odd_bytes(odd, first), second);
                pixel += 2u * column_step;
            }
            if (run != 0u) {
                uint32_t bytes = load_word(pixel);
                even = add_even_bytes(even, bytes);
                odd = add_odd_bytes(odd, bytes);
                pixel += column_step;
            }
            if (room == 0u) {
                sums[0] += (int16_t)even;
                sums[1] += (int16_t)odd;
                sums[2] += (int32_t)even >> 16;
                sums[3] += (int32_t)odd >> 16;
                even = odd = 0;
                room = 256;
            }
        }
        input += row_step;
    }
    sums[0] += (int16_t)even;
    sums[1] += (int16_t)odd;
    sums[2] += (int32_t)even >> 16;
    sums[3] += (int32_t)odd >> 16;
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
