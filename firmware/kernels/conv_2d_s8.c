#include "conv_2d_s8.h"

#include "columns_s8.h"
#include "window_s8.h"

/* Three rows of nine bytes, the first layer of most networks: eight in two groups, the ninth of all rows in a last. */
static void widen_three_by_nine(uint32_t *into, const int8_t *row, int32_t row_step) {
    const int8_t *second = row + row_step, *third = second + row_step;
    widen_group(into, load_word(row));
    widen_group(into + 4, load_word(row + 4));
    widen_group(into + 8, load_word(second));
    widen_group(into + 12, load_word(second + 4));
    widen_group(into + 16, load_word(third));
    widen_group(into + 20, load_word(third + 4));
    into[24] = low_halves((uint32_t)row[8], (uint32_t)third[8]);
    into[26] = low_halves((uint32_t)second[8], 0);
}

/* Widens a window into one column: rows of 4 * whole + tail bytes, row_step apart. */
static void widen_window(uint32_t *into, const int8_t *row, int32_t rows, int32_t row_step, int32_t whole,
                         int32_t tail) {
    if (rows == 3 && whole == 2 && tail == 1) {
        widen_three_by_nine(into, row, row_step);
        return;
    }
    uint32_t *tails = into + COLUMN_GROUP_WORDS * whole * rows, word = 0, bits = 0;
    for (; rows > 0; rows--) {
        const int8_t *from = row;
        row += row_step;
        for (int32_t left = whole; left > 0; left--) {
            widen_group(into, load_word(from));
            from += 4;
            into += COLUMN_GROUP_WORDS;
        }
        for (int32_t left = tail; left > 0; left--) {
            word |= (uint32_t)(uint8_t)*from++ << bits;
            bits += 8;
            if (bits == 32) {
                widen_group(tails, word);
                tails += COLUMN_GROUP_WORDS;
                word = bits = 0;
            }
        }
    }
    if (bits != 0) {
        widen_group(tails, word);
    }
}

void conv_2d_s8(const int8_t *input, const uint32_t *weights, const int32_t *channels, int8_t *output, void *scratch,
                const conv_shape_t *shape) {
    const int32_t input_c = shape->input_c, output_c = shape->output_c, input_row = shape->input_w * input_c;
    const int32_t rows = shape->kernel_h, row_bytes = shape->kernel_w * input_c;
    const int32_t whole = row_bytes >> 2, tail = row_bytes & 3;
    const int32_t groups = (rows * row_bytes + 3) >> 2, row_step = shape->dilation_h * input_row;
    const bool side_by_side = shape->dilation_w == 1 || shape->kernel_w == 1;
    uint32_t *columns = scratch;
    int8_t *copy = (int8_t *)(columns + COLUMN_GROUP_WORDS * groups);
    int32_t held = 0;
    for (int32_t batch = 0; batch < shape->batches; batch++) {
        for (int32_t oy = 0; oy < shape->output_h; oy++) {
            const int32_t top = oy * shape->stride_h - shape->pad_top;
            int32_t left = -shape->pad_left;
            for (int32_t ox = shape->output_w; ox > 0; ox--) {
                if (side_by_side && window_is_inside(shape, top, left)) {
                    const int8_t *window = input + top * input_row + left * input_c;
                    widen_window(columns + held, window, rows, row_step, whole, tail);
                } else {
                    copy_window_s8(copy, input, shape, top, left);
                    widen_window(columns + held, copy, rows, row_bytes, whole, tail);
                }
                left += shape->stride_w;
                held ^= 1;
                if (held == 0) {
                    columns_s8(columns, groups, weights, channels, output, output + output_c, shape);
                    output += 2 * output_c;
                }
            }
        }
        input += shape->input_h * input_row;
    }
    if (held != 0) {
        columns_s8(columns, groups, weights, channels, output, output, shape);
    }
}
