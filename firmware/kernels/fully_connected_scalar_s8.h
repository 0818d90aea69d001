/* FULLY_CONNECTED, the plain loops: right for every shape, and what the fast kernel is compared with. */
#ifndef BENCH_FULLY_CONNECTED_SCALAR_S8_H
#define BENCH_FULLY_CONNECTED_SCALAR_S8_H

#include "fully_connected_shape.h"

/* weights: [output_c][input_c], as in the model.
 * channels: [output_c][3], bias, then the real factor of its sum, a double in two words, the lower one first.
 */
void fully_connected_scalar_s8(const int8_t *input, const int8_t *weights, const uint32_t *channels, int8_t *output,
                               const fully_connected_shape_t *shape);

#endif
