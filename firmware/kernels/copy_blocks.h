/* Moves blocks of bytes between two layouts: what PAD, CONCATENATION, SPLIT, SLICE, STRIDED_SLICE, TRANSPOSE and
 * RESIZE_NEAREST_NEIGHBOR are made of.
 */
#ifndef COPY_BLOCKS_H
#define COPY_BLOCKS_H

#include <stdint.h>

typedef struct {
    uint32_t size[5]; /* number of blocks along each axis, outermost first */
    int32_t input_step[5]; /* bytes from one block to the next */
    int32_t output_step[5];
    uint32_t input_start; /* bytes from the start of the tensor to the first block */
    uint32_t output_start;
    uint32_t block_bytes;
} copy_blocks_t;

void copy_blocks(const void *input, void *output, const copy_blocks_t *plan);

void fill_bytes(void *output, int32_t value, uint32_t count);

typedef struct {
    uint32_t batches;
    uint32_t output_height;
    uint32_t output_width;
    uint32_t pixel_bytes;
    uint32_t row_bytes;   /* of the input */
    uint32_t image_bytes; /* of the input */
} resize_nearest_t;

/* Output pixel (y, x) is input pixel (rows[y], columns[x]). */
void resize_nearest(const void *input, void *output, const uint16_t *rows, const uint16_t *columns,
                    const resize_nearest_t *plan);

#endif
