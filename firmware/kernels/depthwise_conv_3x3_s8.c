#include "depthwise_conv_3x3_s8.h"

#include "depthwise_pixels.h"
#include "depthwise_taps.h"

static void pixel(const int8_t *window, int32_t tap_step, int32_t row_step, const uint32_t *weights,
                  const int32_t *channels, int8_t *output, const conv_shape_t *shape) {
    const int8_t *const end = output + shape->input_c;
    while (output < end) {
        const int8_t *row = window;
        four_sums_t sums = four_biases(channels);
        add_two_taps(&sums, load_word(row), load_word(row + tap_step), weights);
        const uint32_t third = load_word(row + 2 * tap_step);
        row += row_step;
        add_two_taps(&sums, third, load_word(row), weights + 2);
        add_two_taps(&sums, load_word(row + tap_step), load_word(row + 2 * tap_step), weights + 4);
        row += row_step;
        add_two_taps(&sums, load_word(row), load_word(row + tap_step), weights + 6);
        add_tap(&sums, load_word(row + 2 * tap_step), weights[8]);
        store_four(output, sums, channels);
        weights += 9;
        channels += 4 * DEPTHWISE_CHANNEL_WORDS;
        window += 4;
        output += 4;
    }
}

void depthwise_conv_3x3_s8(const int8_t *input, const uint32_t *weights, const int32_t *channels, int8_t *output,
                           void *scratch, const conv_shape_t *shape) {
    depthwise_pixels(pixel, input, weights, channels, output, scratch, shape);
}
