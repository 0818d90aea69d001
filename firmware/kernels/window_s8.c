#include "window_s8.h"

#include "runs.h"

static int32_t within(int32_t value, int32_t high) {
    return value < 0 ? 0 : value > high ? high : value;
}

void copy_window_s8(int8_t *into, const int8_t *image, const conv_shape_t *shape, int32_t top, int32_t left) {
    const int32_t input_c = shape->input_c, taps = shape->kernel_w, row_bytes = taps * input_c;
    const int32_t step = shape->dilation_w * input_c;
    /* Taps [before, end) of a row lie within the image. */
    const int32_t before = within((shape->dilation_w - 1 - left) / shape->dilation_w, taps);
    const int32_t end =
        left >= shape->input_w ? before : within((shape->input_w - 1 - left) / shape->dilation_w + 1, taps);
    for (int32_t ky = 0; ky < shape->kernel_h; ky++) {
        const int32_t row = top + ky * shape->dilation_h;
        if (row < 0 || row >= shape->input_h || end <= before) {
            into = fill_run(into, shape->input_zero, row_bytes);
            continue;
        }
        into = fill_run(into, shape->input_zero, before * input_c);
        const int8_t *from = image + (row * shape->input_w + left + before * shape->dilation_w) * input_c;
        if (step == input_c) {
            into = copy_run(into, from, (end - before) * input_c);
        } else {
            for (int32_t kx = before; kx < end; kx++) {
                into = copy_run(into, from, input_c);
                from += step;
            }
        }
        into = fill_run(into, shape->input_zero, (taps - end) * input_c);
    }
}
