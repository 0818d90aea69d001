/* The loop over the output pixels that the depthwise kernels share. */
#ifndef BENCH_DEPTHWISE_PIXELS_H
#define BENCH_DEPTHWISE_PIXELS_H

#include "conv_shape.h"

/* Computes one pixel. Taps in a row of the window are tap_step bytes apart, its rows row_step. */
typedef void (*depthwise_pixel_t)(const int8_t *window, int32_t tap_step, int32_t row_step, const uint32_t *weights,
                                  const int32_t *channels, int8_t *output, const conv_shape_t *shape);

/* Calls `pixel` for every output pixel, with a window in the image, or one in scratch where it reaches beyond. */
void depthwise_pixels(depthwise_pixel_t pixel, const int8_t *input, const uint32_t *weights, const int32_t *channels,
                      int8_t *output, void *scratch, const conv_shape_t *shape);

#endif
