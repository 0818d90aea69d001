/* DEPTHWISE_CONV_2D with as many channels out as in, a multiple of 4: four channels and two taps at a time.
 *
 * weights: for every four channels c: for every two taps s, t the bytes s[c] s[c+1] t[c] t[c+1], s[c+2] s[c+3] t[c+2]
 * t[c+3]; then, of an odd number of taps, the last one's four.
 * channels: for every channel bias, scale, rounding, shift (requantize_fast); the bias has the zero point worked in.
 * scratch: kernel_h * kernel_w * input_c bytes, aligned to 4: a window that reaches beyond the image.
 * The output may lie over the input if no pixel's output ends behind the first byte that a later window reads.
 */
#ifndef BENCH_DEPTHWISE_CONV_2D_S8_H
#define BENCH_DEPTHWISE_CONV_2D_S8_H

#include "conv_shape.h"

void depthwise_conv_2d_s8(const int8_t *input, const uint32_t *weights, const int32_t *channels, int8_t *output,
                          void *scratch, const conv_shape_t *shape);

#endif
