#include "copy_blocks.h"

#include "runs.h"

/* As copy_run, for blocks of any length. */
static inline int8_t *copy_block(int8_t *into, const int8_t *from, uint32_t count)
{
    for (; count >= 16u; count -= 16u) {
        store_word(into, load_word(from));
        store_word(into + 4, load_word(from + 4));
        store_word(into + 8, load_word(from + 8));
        store_word(into + 12, load_word(from + 12));
        into += 16;
        from += 16;
    }
    return copy_run(into, from, (int32_t)count);
}

/* One axis of blocks. Single bytes, as in transposed feature maps, are not worth a call each. */
static void copy_axis(const int8_t *input, int8_t *output, uint32_t count, int32_t input_step, int32_t output_step,
                      uint32_t block_bytes)
{
    if (block_bytes == 1u) {
        for (; count != 0u; count--) {
            *output = *input;
            input += input_step;
            output += output_step;
        }
        return;
    }
    for (; count != 0u; count--) {
        copy_block(output, input, block_bytes);
        input += input_step;
        output += output_step;
    }
}

void copy_blocks(const void *input, void *output, const copy_blocks_t *plan)
{
    const int32_t *in = plan->input_step;
    const int32_t *out = plan->output_step;
    for (uint32_t i = 0; i < plan->size[0]; i++) {
        for (uint32_t j = 0; j < plan->size[1]; j++) {
            for (uint32_t k = 0; k < plan->size[2]; k++) {
                for (uint32_t m = 0; m < plan->size[3]; m++) {
                    const int32_t from =
                        (int32_t)i * in[0] + (int32_t)j * in[1] + (int32_t)k * in[2] + (int32_t)m * in[3];
                    const int32_t to =
                        (int32_t)i * out[0] + (int32_t)j * out[1] + (int32_t)k * out[2] + (int32_t)m * out[3];
                    copy_axis((const int8_t *)input + plan->input_start + from,
                              (int8_t *)output + plan->output_start + to, plan->size[4], in[4], out[4],
                              plan->block_bytes);
                }
            }
        }
    }
}

void fill_bytes(void *output, int32_t value, uint32_t count)
{
    const uint32_t word = (uint8_t)value * 0x01010101u;
    int8_t *into = output;
    for (; count >= 16u; count -= 16u) {
        store_word(into, word);
        store_word(into + 4, word);
        store_word(into + 8, word);
        store_word(into + 12, word);
        into += 16;
    }
    fill_run(into, value, (int32_t)count);
}

void resize_nearest(const void *input, void *output, const uint16_t *rows, const uint16_t *columns,
                    const resize_nearest_t *plan)
{
    const int8_t *image = input;
    int8_t *out = output;
    for (uint32_t batch = 0; batch < plan->batches; batch++) {
        for (uint32_t y = 0; y < plan->output_height; y++) {
            const int8_t *row = image + rows[y] * plan->row_bytes;
            for (uint32_t x = 0; x < plan->output_width; x++) {
                out = copy_block(out, row + columns[x] * plan->pixel_bytes, plan->pixel_bytes);
            }
        }
        image += plan->image_bytes;
    }
}
