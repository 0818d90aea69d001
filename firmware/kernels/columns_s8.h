/* The product of packed weights with two columns of inputs: the inner part of every convolution but the depthwise.
 *
 * A column is the window of one output pixel, its bytes in the order of the weights, widened to int16. Bytes come in
 * groups of four, the last one filled up with anything: its weights are 0. Of two columns p and q, group g is four words:
 * p's bytes 0 and 2, q's bytes 0 and 2, p's bytes 1 and 3, q's bytes 1 and 3.
 *
 * Weights: for every two output channels (a, b) and every group two words; in each half 256 * b + a, for bytes 0 and
 * 2, then for bytes 1 and 3. One multiplication serves both channels: its sums are 256 * B + A, A comes from the low
 * bytes alone, and B is what remains. The host packs a layer so only if |B| < 2^23 whatever the input.
 *
 * Channels: for every two, eight words: a's bias, 256 * b's bias + a's, then scale, rounding and shift of a and of b
 * (requantize_fast). Biases have the input's zero point worked in.
 */
#ifndef BENCH_COLUMNS_S8_H
#define BENCH_COLUMNS_S8_H

#include <stdint.h>

#include "conv_shape.h"
#include "dsp.h"

enum { COLUMN_GROUP_WORDS = 4, WEIGHT_GROUP_WORDS = 2, CHANNEL_PAIR_WORDS = 8 };

/* Widens four bytes into one column of a group: `into` is the group, plus one for the second column. */
static inline void widen_group(uint32_t *into, uint32_t word) {
    into[0] = even_bytes(word);
    into[2] = odd_bytes(word);
}

/* Widens `count` bytes into one column, and fills the last group up; returns where the next group begins. */
uint32_t *widen_column(uint32_t *into, const int8_t *from, int32_t count);

/* Writes shape->output_c values for each column. With `second` equal to `first` there is only one column: what the
 * other one yields is overwritten. */
void columns_s8(const uint32_t *columns, int32_t groups, const uint32_t *weights, const int32_t *channels,
                int8_t *first, int8_t *second, const conv_shape_t *shape);

#endif
