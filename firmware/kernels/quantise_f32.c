#include "quantise_f32.h"

void quantise_f32(const float *input, void *output, uint32_t count, const quantise_f32_t *plan)
{
    uint8_t *out = output;
    const float scale = plan->scale;
    const int32_t zero_point = plan->zero_point;
    const float low = (float)(-128 - zero_point);
    const float high = (float)(127 - zero_point);
    for (; count != 0u; count--) {
        float value = *input++ / scale;
        /* The bounds are integers: to clamp first and to round after is the same, and the conversion cannot overflow.
         * A NaN becomes `low`. */
        value = value > low ? value : low;
        value = value < high ? value : high;
        int32_t rounded = (int32_t)value;
        const float rest = value - (float)rounded; /* exact */
        rounded += (rest >= 0.5f) - (rest <= -0.5f);
        *out++ = (uint8_t)((uint32_t)(rounded + zero_point) ^ plan->flip);
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
