/* Reads an image file with the firmware's own header and prints the fields of its manifest block. */
#include "bench_image.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static uint8_t image[1u << 20];
    bench_image_block_t block;
    if (argc != 2) {
        return 2;
    }
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL) {
        return 2;
    }
    const size_t size = fread(image, 1, sizeof image, file);
    (void)fclose(file);
    if (size < BENCH_IMAGE_BLOCK_OFFSET + sizeof block) {
        return 1;
    }
    memcpy(&block, image + BENCH_IMAGE_BLOCK_OFFSET, sizeof block);
    if (memcmp(block.magic, BENCH_IMAGE_MAGIC, sizeof block.magic) != 0 || block.version != BENCH_IMAGE_VERSION) {
        return 1;
    }
    printf("%u %u %u %u\n", (unsigned)block.chip_id, (unsigned)block.image_bytes, (unsigned)block.payload_offset,
           (unsigned)block.payload_bytes);
    for (size_t i = 0; i < sizeof block.image_sha256; i++) {
        printf("%02x", (unsigned)block.image_sha256[i]);
    }
    printf("\n%.*s", (int)block.text_bytes, (const char *)(image + BENCH_IMAGE_BLOCK_OFFSET + sizeof block));
    return 0;
}
