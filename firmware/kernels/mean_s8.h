/* MEAN of an int8 tensor over any axes that leave it in the form outer, rows, middle, columns, inner, where the mean is
 * taken over rows and columns. The multiplier holds both scales and the number of values.
 */
#ifndef MEAN_S8_H
#define MEAN_S8_H

#include <stdint.h>

typedef struct {
    uint32_t outer;
    uint32_t rows;
    uint32_t middle;
    uint32_t columns;
    uint32_t inner;
    int32_t offset; /* -zero point * number of values */
    int32_t left_shift; /* 1 .. 21; the shifted sum stays below 2^30 */
    int32_t multiplier;
    int32_t right_shift; /* 0 .. 31 */
    int32_t output_zero_point;
} mean_s8_t;

/* The output may lie at or below the input. */
void mean_s8(const int8_t *input, int8_t *output, const mean_s8_t *plan);

#endif
