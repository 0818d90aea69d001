/* ADD and SUB of int8 tensors, with broadcasting.
 *
 * The input with the larger scale is the `wide` one: its values, times 2^19, are exact on the common scale. Those of
 * the `narrow` one are brought to it by a multiplier in [1/4, 1/2] with two roundings. Scales and steps are
 * prepared by the host; every field of the struct is constant.
 */
#ifndef ADD_S8_H
#define ADD_S8_H

#include "broadcast.h"

typedef struct {
    broadcast_t loops; /* first: the narrow input, second: the wide one */
    int32_t narrow_factor;   /* 2^21; 2^22 where the scales are equal */
    int32_t narrow_bias;     /* -zero point * narrow_factor */
    int32_t narrow_multiplier;
    int32_t narrow_right_shift; /* 1 .. 31 */
    int32_t sum_factor;         /* 2; -2 where the narrow input is the one to subtract */
    int32_t wide_factor;        /* 2^20; -2^20 where the wide input is the one to subtract */
    int32_t wide_bias;          /* -zero point * wide_factor */
    int32_t output_multiplier;
    int32_t output_right_shift; /* 1 .. 31 */
    int32_t output_zero_point;
    int32_t low; /* of the output */
    int32_t high;
} add_s8_t;

/* The output may lie at or below an input that is not broadcast. */
void add_s8(const int8_t *narrow, const int8_t *wide, int8_t *output, const add_s8_t *plan);

#endif
