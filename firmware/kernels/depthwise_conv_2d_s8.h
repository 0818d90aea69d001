/* DEPTHWISE_CONV_2D with as many channels out as in, a multiple of 4: four channels and two taps at a time.
 *
 * packed, for every four channels c: their four biases, with the input's zero point worked in; for every two taps s, t
 * two words of bytes s[c] s[c+1] t[c] t[c+1], s[c+2] s[c+3] t[c+2] t[c+3]; of an odd number of taps a word with the
 * last one's four; for every channel scale, rounding, shift (requantize_fast).
 * scratch: kernel_h * kernel_w * input_c bytes, aligned to 4, for a window that reaches beyond the image.
 * The output may lie over the input if no four channels' output ends behind the first byte that is read later.
 */
#ifndef BENCH_DEPTHWISE_CONV_2D_S8_H
#define BENCH_DEPTHWISE_CONV_2D_S8_H

#include "conv_shape.h"

void depthwise_conv_2d_s8(const int8_t *input, const uint32_t *packed, int8_t *output, void *scratch,
                          const conv_shape_t *shape);

#endif
