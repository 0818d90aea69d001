#include "depthwise_runs.h"

#include "requantize.h"
#include "window_s8.h"

/* How many windows of a row begin before the image. */
static int32_t windows_before(const conv_shape_t *shape) {
    const int32_t before = (shape->pad_left + shape->stride_w - 1) / shape->stride_w;
    return before < shape->output_w ? before : shape->output_w;
}

/* How many windows of a row end within the image. */
static int32_t windows_until(const conv_shape_t *shape) {
    const int32_t room = shape->input_w - 1 - (shape->kernel_w - 1) * shape->dilation_w + shape->pad_left;
    const int32_t until = room < 0 ? 0 : room / shape->stride_w + 1;
    return until < shape->output_w ? until : shape->output_w;
}

void depthwise_runs(depthwise_run_t run, const int8_t *input, const uint32_t *packed, int8_t *output, void *scratch,
                    const conv_shape_t *shape) {
    const int32_t input_c = shape->input_c, row_bytes = shape->input_w * input_c;
    const depthwise_steps_t steps = {shape->dilation_w * input_c, shape->dilation_h * row_bytes,
                                     shape->stride_w * input_c};
    const depthwise_steps_t copy_steps = {input_c, shape->kernel_w * input_c, 0};
    const int32_t before = windows_before(shape), until = windows_until(shape);
    const bool clamped = shape->output_min > -128 || shape->output_max < 127;
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        for (int32_t oy = 0; oy < shape->output_h; oy++) {
            const int32_t top = oy * shape->stride_h - shape->pad_top;
            const bool row_inside = window_is_inside(shape, top, 0);
            for (int32_t ox = 0; ox < shape->output_w;) {
                const int32_t left = ox * shape->stride_w - shape->pad_left;
                int32_t pixels = 1;
                if (row_inside && ox >= before && ox < until) {
                    pixels = until - ox;
                    run(input + top * row_bytes + left * input_c, &steps, pixels, packed, output, shape);
                } else {
                    copy_window_s8(scratch, input, shape, top, left);
                    run(scratch, &copy_steps, 1, packed, output, shape);
                }
                if (clamped) {
                    clamp_run_s8(output, pixels * input_c, shape->output_min, shape->output_max);
                }
                output += pixels * input_c;
                ox += pixels;
            }
        }
        input += shape->input_h * row_bytes;
    }
}
