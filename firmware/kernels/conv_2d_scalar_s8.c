#include "conv_2d_scalar_s8.h"

#include "requantize.h"

void conv_2d_scalar_s8(const int8_t *input, const int8_t *weights, const int32_t *channels, int8_t *output,
                       const conv_shape_t *shape) {
    const conv_shape_t s = *shape;
    for (int32_t batch = 0; batch < s.batches; batch++) {
        const int8_t *image = input + batch * s.input_h * s.input_w * s.input_c;
        for (int32_t oy = 0; oy < s.output_h; oy++) {
            for (int32_t ox = 0; ox < s.output_w; ox++) {
                for (int32_t oc = 0; oc < s.output_c; oc++) {
                    const int8_t *w = weights + oc * s.kernel_h * s.kernel_w * s.input_c;
                    int32_t sum = channels[3 * oc];
                    for (int32_t ky = 0; ky < s.kernel_h; ky++) {
                        const int32_t iy = oy * s.stride_h - s.pad_top + ky * s.dilation_h;
                        for (int32_t kx = 0; kx < s.kernel_w; kx++) {
                            const int32_t ix = ox * s.stride_w - s.pad_left + kx * s.dilation_w;
                            if (iy < 0 || iy >= s.input_h || ix < 0 || ix >= s.input_w) {
                                w += s.input_c;
                                continue;
                            }
                            const int8_t *x = image + (iy * s.input_w + ix) * s.input_c;
                            for (int32_t ic = 0; ic < s.input_c; ic++) {
                                sum = wrapping_add(sum, (*x++ - s.input_zero) * *w++);
                            }
                        }
                    }
                    const int32_t scaled = requantize_twice(sum, channels[3 * oc + 1], channels[3 * oc + 2]);
                    *output++ = clamp_s8(wrapping_add(scaled, s.output_zero), s.output_min, s.output_max);
                }
            }
        }
    }
}
