/* The window of one output pixel, with what lies beyond the image filled in. */
#ifndef BENCH_WINDOW_S8_H
#define BENCH_WINDOW_S8_H

#include <stdbool.h>
#include <stdint.h>

#include "conv_shape.h"

/* Whether the whole window with its first tap at (top, left) lies within the image. */
static inline bool window_is_inside(const conv_shape_t *shape, int32_t top, int32_t left) {
    return top >= 0 && top + (shape->kernel_h - 1) * shape->dilation_h < shape->input_h && left >= 0 &&
           left + (shape->kernel_w - 1) * shape->dilation_w < shape->input_w;
}

/* Copies the window to `into`: [kernel_h][kernel_w][input_c] bytes. */
void copy_window_s8(int8_t *into, const int8_t *image, const conv_shape_t *shape, int32_t top, int32_t left);

#endif
