/* The manifest block of an image: what the host checks before it flashes, and the board before it runs.
 *
 * The block lies BENCH_IMAGE_BLOCK_OFFSET bytes behind the start of the image, behind the vector table. Its text
 * (UTF-8 lines "key=value\n") follows it directly. All integers are little-endian. crc32 (zlib's CRC-32) and
 * image_sha256 are taken over the image_bytes bytes of the image with both fields zero.
 */
#ifndef BENCH_IMAGE_H
#define BENCH_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_IMAGE_BLOCK_OFFSET 0x400u
#define BENCH_IMAGE_MAGIC "BRIMAGE" /* eight bytes with the final zero */
#define BENCH_IMAGE_VERSION 1u
#define BENCH_IMAGE_TEXT_LIMIT 4096u

typedef struct {
    uint8_t magic[8];
    uint16_t version;
    uint16_t chip_id;        /* DBGMCU_IDCODE[11:0] of the only chip that may run it */
    uint32_t image_bytes;    /* a multiple of the chip's flash word; the padding is 0xFF */
    uint32_t payload_offset; /* of the model file in images for simulated boards, else 0 */
    uint32_t payload_bytes;
    uint32_t crc32;
    uint8_t model_sha256[32];
    uint8_t image_sha256[32];
    uint32_t text_bytes;
    uint32_t reserved; /* 0 */
} bench_image_block_t;

_Static_assert(sizeof(bench_image_block_t) == 100, "the block has no padding");
_Static_assert(offsetof(bench_image_block_t, crc32) == 24, "crc32");
_Static_assert(offsetof(bench_image_block_t, image_sha256) == 60, "image_sha256");

#endif
