/* The loop over the output pixels that the depthwise kernels share: a row of them at a time. */
#ifndef BENCH_DEPTHWISE_RUNS_H
#define BENCH_DEPTHWISE_RUNS_H

#include "conv_shape.h"

/* Bytes from one tap of a window to the next in its row, from one row to the next, from one window to the next. */
typedef struct {
    int32_t tap, row, window;
} depthwise_steps_t;

/* Computes `pixels` output pixels that lie side by side. `packed` as depthwise_conv_2d_s8.h says. */
typedef void (*depthwise_run_t)(const int8_t *window, const depthwise_steps_t *steps, int32_t pixels,
                                const uint32_t *packed, int8_t *output, const conv_shape_t *shape);

/* Calls `run` for all output pixels, windows that reach beyond the image one by one out of scratch. */
void depthwise_runs(depthwise_run_t run, const int8_t *input, const uint32_t *packed, int8_t *output, void *scratch,
                    const conv_shape_t *shape);

#endif
