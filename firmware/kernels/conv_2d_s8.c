#include "conv_2d_s8.h"

#include "columns_s8.h"
#include "window_s8.h"

void conv_2d_s8(const int8_t *input, const uint32_t *weights, const int32_t *channels, int8_t *output, void *scratch,
                const conv_shape_t *shape) {
    const int32_t row_bytes = shape->kernel_w * shape->input_c, window_bytes = shape->kernel_h * row_bytes;
    const int32_t groups = (window_bytes + 3) >> 2, output_c = shape->output_c;
    const int32_t row_step = shape->dilation_h * shape->input_w * shape->input_c;
    const bool rows_in_groups = (row_bytes & 3) == 0 && (shape->dilation_w == 1 || shape->kernel_w == 1);
    uint32_t *columns = scratch;
    int8_t *window = (int8_t *)(columns + COLUMN_GROUP_WORDS * groups);
    int32_t held = 0;
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        for (int32_t oy = 0; oy < shape->output_h; oy++) {
            const int32_t top = oy * shape->stride_h - shape->pad_top;
            int32_t left = -shape->pad_left;
            for (int32_t ox = 0; ox < shape->output_w; ox++) {
                uint32_t *into = columns + held;
                if (rows_in_groups && window_is_inside(shape, top, left)) {
                    const int8_t *row = input + (top * shape->input_w + left) * shape->input_c;
                    for (int32_t ky = 0; ky < shape->kernel_h; ky++) {
                        into = widen_column(into, row, row_bytes);
                        row += row_step;
                    }
                } else {
                    copy_window_s8(window, input, shape, top, left);
                    widen_column(into, window, window_bytes);
                }
                left += shape->stride_w;
                if (held == 0) {
                    held = 1;
                } else {
                    columns_s8(columns, groups, weights, channels, output, output + output_c, shape);
                    output += 2 * output_c;
                    held = 0;
                }
            }
        }
        input += shape->input_h * shape->input_w * shape->input_c;
    }
    if (held != 0) {
        columns_s8(columns, groups, weights, channels, output, output, shape);
    }
}
