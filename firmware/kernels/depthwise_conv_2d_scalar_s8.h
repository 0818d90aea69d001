/* DEPTHWISE_CONV_2D, the plain loops: right for every shape, and what the fast kernel is compared with. */
#ifndef BENCH_DEPTHWISE_CONV_2D_SCALAR_S8_H
#define BENCH_DEPTHWISE_CONV_2D_SCALAR_S8_H

#include "conv_shape.h"

/* weights: [kernel_h][kernel_w][output_c], as in the model. Output channel oc reads input channel
 * oc / (output_c / input_c).
 * channels: [output_c][3], bias, multiplier, shift; shift in [-31, 30].
 */
void depthwise_conv_2d_scalar_s8(const int8_t *input, const int8_t *weights, const int32_t *channels,
                                 int8_t *output, const conv_shape_t *shape);

#endif
