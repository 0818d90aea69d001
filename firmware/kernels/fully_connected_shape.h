/* The shape of one fully connected layer, known when the firmware is built. */
#ifndef BENCH_FULLY_CONNECTED_SHAPE_H
#define BENCH_FULLY_CONNECTED_SHAPE_H

#include <stdint.h>

typedef struct {
    int32_t batches, input_c, output_c;
    int32_t input_zero, output_zero;
    int32_t output_min, output_max; /* of the fused activation, within [-128, 127] */
} fully_connected_shape_t;

#endif
