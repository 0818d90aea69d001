/* FULLY_CONNECTED, the plain loops: right for every shape, and what the fast kernel is compared with. */
#ifndef BENCH_FULLY_CONNECTED_SCALAR_S8_H
#define BENCH_FULLY_CONNECTED_SCALAR_S8_H

#include <stdint.h>

typedef struct {
    int32_t batches, input_c, output_c;
    int32_t input_zero, output_zero;
    int32_t output_min, output_max; /* of the fused activation, within [-128, 127] */
} fully_connected_shape_t;

/* weights: [output_c][input_c], as in the model.
 * channels: [output_c][3], bias, multiplier, shift; shift in [-31, 30]. Rounded once.
 */
void fully_connected_scalar_s8(const int8_t *input, const int8_t *weights, const int32_t *channels,
                               int8_t *output, const fully_connected_shape_t *shape);

#endif
