/* What makes an image answer the MLPerf Tiny serial commands (docs/protocol.md, section "MLPerf Tiny").
 *
 * The image of one of the benchmark's models is built with bench_mlperf.c, and its generated code defines the one object
 * `bench_mlperf`. Images without the file ignore the commands. The model has one int8 input and one int8 output.
 */
#ifndef BENCH_MLPERF_H
#define BENCH_MLPERF_H

#include <stdint.h>

typedef enum {
    BENCH_MLPERF_AS_IS,     /* kws01: the bytes are the int8 input */
    BENCH_MLPERF_MINUS_128, /* vww01, ic01: unsigned pixels, the input is each minus 128 */
    BENCH_MLPERF_FLOATS     /* ad01: little-endian floats, quantised for the input; the result is one number, the mean
                               squared error of the floats against the dequantised output */
} bench_mlperf_load_t;

typedef struct {
    const char *model;  /* "kws01", "vww01", "ic01", "ad01" */
    const char *vendor; /* in the answer to name%, e.g. the board's id */
    bench_mlperf_load_t load;
    float *floats; /* BENCH_MLPERF_FLOATS: as many as the input has bytes; else NULL */
    float input_scale;
    int32_t input_zero_point;
    float output_scale;
    int32_t output_zero_point;
} bench_mlperf_t;

extern const bench_mlperf_t bench_mlperf;

#endif
