/* QUANTIZE and DEQUANTIZE between float32 and int8 or uint8, in single precision: exact on any FPU. */
#ifndef QUANTISE_F32_H
#define QUANTISE_F32_H

#include <stdint.h>

typedef struct {
    float scale;
    int32_t zero_point; /* of the stored values taken as signed: that of a uint8 tensor, less 128 */
    uint32_t flip;      /* 0x80 where the stored values are unsigned, else 0 */
} quantise_f32_t;

/* Rounds input / scale to the nearest integer, halves away from zero. The output may lie at or below the input. */
void quantise_f32(const float *input, void *output, uint32_t count, const quantise_f32_t *plan);

/* scale * (stored - zero point). The output may lie at or below input - 3 * (count - 1). */
void dequantise_f32(const void *input, float *output, uint32_t count, const quantise_f32_t *plan);

#endif
