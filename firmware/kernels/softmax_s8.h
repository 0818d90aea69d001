/* SOFTMAX over the last axis of an int8 tensor, in integers. The output has scale 1/256 and zero point -128. */
#ifndef SOFTMAX_S8_H
#define SOFTMAX_S8_H

#include <stdint.h>

/* `exponentials[d]` is exp(-d * scale * beta) with 31 fraction bits, for d = 0 .. 255; 0 where it does not count.
 *
 * depth is in 1 .. 4095. The output may lie at or below the input. */
void softmax_s8(const int8_t *input, int8_t *output, uint32_t rows, uint32_t depth, const int32_t *exponentials);

#endif
