/* FULLY_CONNECTED: the input is widened once, then multiplied with four output channels at a time.
 *
 * weights: for every four output channels (a, b, c, d) and every four inputs four words: in each half 256 * b + a for
 * inputs 0 and 2, 256 * d + c for 0 and 2, then the same for inputs 1 and 3. Channels and inputs are filled up with
 * zeros. As in columns_s8.h the host packs a layer so only if no sum of b or d reaches 2^23.
 * channels: for every four, sixteen words: the biases of a, 256 * b + a, c, 256 * d + c; then scale, rounding, shift of
 * each, where scale is the multiplier, shift = the right shift beyond 32 in [1, 24], and rounding = 2^(shift - 1) +
 * (zero point << shift).
 * scratch: 8 * groups bytes, aligned to 8, where groups is input_c / 4, rounded up.
 * The output may lie over the input if no row's output ends behind the row after it.
 */
#ifndef BENCH_FULLY_CONNECTED_S8_H
#define BENCH_FULLY_CONNECTED_S8_H

#include "fully_connected_shape.h"

void fully_connected_s8(const int8_t *input, const uint32_t *weights, const int32_t *channels, int8_t *output,
                        void *scratch, const fully_connected_shape_t *shape);

#endif
