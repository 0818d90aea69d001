#include "depthwise_conv_2d_s8.h"

#include "depthwise_runs.h"
#include "depthwise_taps.h"

static void run(const int8_t *window, const depthwise_steps_t *steps, int32_t pixels, const uint32_t *packed,
                int8_t *output, const conv_shape_t *shape) {
    for (; pixels > 0; pixels--) {
        const uint32_t *next = packed;
        const int8_t *four = window;
        for (int32_t left = shape->input_c; left > 0; left -= 4) {
            four_sums_t sums = four_biases(next);
            next += 4;
            uint32_t held = 0;
            bool is_held = false; /* an odd tap waits for the next, perhaps of the next row */
            const int8_t *row = four;
            for (int32_t ky = shape->kernel_h; ky > 0; ky--) {
                const int8_t *tap = row;
                for (int32_t kx = shape->kernel_w; kx > 0; kx--) {
                    if (is_held) {
                        add_two_taps(&sums, held, load_word(tap), next[0], next[1]);
                        next += 2;
                    } else {
                        held = load_word(tap);
                    }
                    is_held = !is_held;
                    tap += steps->tap;
                }
                row += steps->row;
            }
            if (is_held) {
                add_tap(&sums, held, *next++);
            }
            next = store_four(output, sums, next);
            four += 4;
            output += 4;
        }
        window += steps->window;
    }
}

void depthwise_conv_2d_s8(const int8_t *input, const uint32_t *packed, int8_t *output, void *scratch,
                          const conv_shape_t *shape) {
    depthwise_runs(run, input, packed, output, scratch, shape);
}
