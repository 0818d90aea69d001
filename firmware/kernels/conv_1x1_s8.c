#include "conv_1x1_s8.h"

#include "columns_s8.h"

void conv_1x1_s8(const int8_t *input, const uint32_t *weights, const int32_t *channels, int8_t *output, void *scratch,
                 const conv_shape_t *shape) {
    const int32_t input_c = shape->input_c, output_c = shape->output_c, groups = (input_c + 3) >> 2;
    uint32_t *columns = scratch;
    int32_t left = shape->batches * shape->output_h * shape->output_w;
    for (; left >= 2; left -= 2) {
        const int8_t *p = input, *q = input + input_c;
        uint32_t *into = columns;
        for (int32_t whole = input_c >> 2; whole > 0; whole--) {
            widen_group(into, load_word(p));
            widen_group(into + 1, load_word(q));
            into += COLUMN_GROUP_WORDS;
            p += 4;
            q += 4;
        }
        if (input_c & 3) {
            widen_column(into, p, input_c & 3);
            widen_column(into + 1, q, input_c & 3);
        }
        columns_s8(columns, groups, weights, channels, output, output + output_c, shape);
        input += 2 * input_c;
        output += 2 * output_c;
    }
    if (left > 0) {
        widen_column(columns, input, input_c);
        columns_s8(columns, groups, weights, channels, output, output, shape);
    }
}
