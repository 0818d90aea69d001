#include "quantise_f32.h"

#include "rounding.h"

void quantise_f32(const float *input, void *output, uint32_t count, const quantise_f32_t *plan)
{
    uint8_t *out = output;
    const float scale = plan->scale;
    const int32_t zero_point = plan->zero_point;
    for (; count != 0u; count--) {
        const float value = *input++ / scale;
        /* Twice the value, which is exact, towards zero; no output needs more than the bounds here. */
        const int32_t twice = clamp(saturating_integer(value + value), -1024, 1023);
        const int32_t rounded = (twice + (twice >> 31 | 1)) / 2;
        *out++ = (uint8_t)((uint8_t)saturate_s8(rounded + zero_point) ^ plan->flip);
    }
}

void dequantise_f32(const void *input, float *output, uint32_t count, const quantise_f32_t *plan)
{
    const uint8_t *in = input;
    const float scale = plan->scale;
    const int32_t zero_point = plan->zero_point;
    const uint32_t flip = plan->flip;
    for (; count != 0u; count--) {
        *output++ = scale * (float)((int8_t)(*in++ ^ flip) - zero_point);
    }
}
