/* The shape of one convolution, ordinary or depthwise, known when the firmware is built. */
#ifndef BENCH_CONV_SHAPE_H
#define BENCH_CONV_SHAPE_H

#include <stdint.h>

/* Activations are laid out NHWC. Every field is at most 32767. */
typedef struct {
    int16_t batches;
    int16_t input_h, input_w, input_c;
    int16_t output_h, output_w, output_c;
    int16_t kernel_h, kernel_w;
    int16_t stride_h, stride_w;
    int16_t dilation_h, dilation_w;
    int16_t pad_top, pad_left;     /* what lies beyond the image counts as input_zero */
    int16_t input_zero, output_zero;
    int16_t output_min, output_max; /* of the fused activation, within [-128, 127] */
} conv_shape_t;

_Static_assert(sizeof(conv_shape_t) == 38, "no padding: the host lays it out as 19 int16");

#endif
