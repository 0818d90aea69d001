#include "depthwise_pixels.h"

#include "requantize.h"
#include "window_s8.h"

void depthwise_pixels(depthwise_pixel_t pixel, const int8_t *input, const uint32_t *weights, const int32_t *channels,
                      int8_t *output, void *scratch, const conv_shape_t *shape) {
    const int32_t input_c = shape->input_c, row_bytes = shape->input_w * input_c;
    const bool clamped = shape->output_min > -128 || shape->output_max < 127;
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        for (int32_t oy = 0; oy < shape->output_h; oy++) {
            const int32_t top = oy * shape->stride_h - shape->pad_top;
            int32_t left = -shape->pad_left;
            for (int32_t ox = 0; ox < shape->output_w; ox++) {
                if (window_is_inside(shape, top, left)) {
                    pixel(input + top * row_bytes + left * input_c, shape->dilation_w * input_c,
                          shape->dilation_h * row_bytes, weights, channels, output, shape);
                } else {
                    copy_window_s8(scratch, input, shape, top, left);
                    pixel(scratch, input_c, shape->kernel_w * input_c, weights, channels, output, shape);
                }
                if (clamped) {
                    clamp_run_s8(output, input_c, shape->output_min, shape->output_max);
                }
                output += input_c;
                left += shape->stride_w;
            }
        }
        input += shape->input_h * row_bytes;
    }
}
