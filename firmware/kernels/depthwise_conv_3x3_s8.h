/* DEPTHWISE_CONV_2D with a window of 3x3: depthwise_conv_2d_s8.h with its taps written out. */
#ifndef BENCH_DEPTHWISE_CONV_3X3_S8_H
#define BENCH_DEPTHWISE_CONV_3X3_S8_H

#include "conv_shape.h"

void depthwise_conv_3x3_s8(const int8_t *input, const uint32_t *packed, int8_t *output, void *scratch,
                           const conv_shape_t *shape);

#endif
