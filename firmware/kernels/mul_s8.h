/* MUL of int8 tensors, with broadcasting. Steps and multiplier are prepared by the host. */
#ifndef MUL_S8_H
#define MUL_S8_H

#include "broadcast.h"

typedef struct {
    broadcast_t loops;
    int32_t first_zero_point;
    int32_t second_zero_point;
    int32_t left_shift; /* 1 .. 14: of the product, which has 17 bits */
    int32_t multiplier;
    int32_t right_shift; /* 0 .. 31 */
    int32_t output_zero_point;
    int32_t low; /* of the output */
    int32_t high;
} mul_s8_t;

/* The output may lie at or below an input that is not broadcast. */
void mul_s8(const int8_t *first, const int8_t *second, int8_t *output, const mul_s8_t *plan);

#endif
