/* AVERAGE_POOL_2D and MAX_POOL_2D of int8 tensors in NHWC order. Input and output have one quantisation. */
#ifndef POOL_S8_H
#define POOL_S8_H

#include <stdint.h>

typedef struct {
    int32_t batches;
    int32_t channels;
    int32_t input_height;
    int32_t input_width;
    int32_t output_height;
    int32_t output_width;
    int32_t filter_height;
    int32_t filter_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t padding_top;
    int32_t padding_left;
    int32_t low; /* of the output */
    int32_t high;
} pool_s8_t;

/* Values behind the border do not count, neither in the sum nor in the divisor; halves away from zero. */
void average_pool_s8(const int8_t *input, int8_t *output, const pool_s8_t *plan);

void max_pool_s8(const int8_t *input, int8_t *output, const pool_s8_t *plan);

#endif
