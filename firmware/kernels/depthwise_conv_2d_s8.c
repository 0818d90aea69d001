#include "depthwise_conv_2d_s8.h"

#include "depthwise_pixels.h"
#include "depthwise_taps.h"

static void pixel(const int8_t *window, int32_t tap_step, int32_t row_step, const uint32_t *weights,
                  const int32_t *channels, int8_t *output, const conv_shape_t *shape) {
    const int8_t *const end = output + shape->input_c;
    while (output < end) {
        four_sums_t sums = four_biases(channels);
        uint32_t held = 0;
        int32_t is_held = 0; /* an odd tap waits for the next, perhaps of the next row */
        const int8_t *row = window;
        for (int32_t ky = shape->kernel_h; ky > 0; ky--) {
            const int8_t *tap = row;
            for (int32_t kx = shape->kernel_w; kx > 0; kx--) {
                if (is_held) {
                    add_two_taps(&sums, held, load_word(tap), weights);
                    weights += 2;
                } else {
                    held = load_word(tap);
                }
                is_held = !is_held;
                tap += tap_step;
            }
            row += row_step;
        }
        if (is_held) {
            add_tap(&sums, held, *weights++);
        }
        store_four(output, sums, channels);
        channels += 4 * DEPTHWISE_CHANNEL_WORDS;
        window += 4;
        output += 4;
    }
}

void depthwise_conv_2d_s8(const int8_t *input, const uint32_t *weights, const int32_t *channels, int8_t *output,
                          void *scratch, const conv_shape_t *shape) {
    depthwise_pixels(pixel, input, weights, channels, output, scratch, shape);
}
