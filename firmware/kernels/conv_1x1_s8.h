/* CONV_2D with a window of one pixel and a stride of 1: every output pixel is a product of one input pixel.
 *
 * weights, channels: as columns_s8.h says. Batches are further rows.
 * scratch: 16 * groups bytes, aligned to 8, where groups is input_c / 4, rounded up.
 * The output may lie over the input as for conv_2d_s8.
 */
#ifndef BENCH_CONV_1X1_S8_H
#define BENCH_CONV_1X1_S8_H

#include "conv_shape.h"

void conv_1x1_s8(const int8_t *input, const uint32_t *weights, const int32_t *channels, int8_t *output, void *scratch,
                 const conv_shape_t *shape);

#endif
