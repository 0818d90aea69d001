#include "fully_connected_scalar_s8.h"

#include "requantize.h"

void fully_connected_scalar_s8(const int8_t *input, const int8_t *weights, const uint32_t *channels, int8_t *output,
                               const fully_connected_shape_t *shape) {
    const fully_connected_shape_t s = *shape;
    for (int32_t batch = 0; batch < s.batches; batch++) {
        const int8_t *w = weights;
        for (int32_t oc = 0; oc < s.output_c; oc++) {
            int32_t sum = (int32_t)channels[3 * oc];
            for (int32_t ic = 0; ic < s.input_c; ic++) {
                sum = wrapping_add(sum, (input[ic] - s.input_zero) * *w++);
            }
            double factor;
            __builtin_memcpy(&factor, &channels[3 * oc + 1], sizeof factor);
            const int32_t scaled = requantize_real(sum, factor);
            *output++ = clamp_s8(wrapping_add(scaled, s.output_zero), s.output_min, s.output_max);
        }
        input += s.input_c;
    }
}
