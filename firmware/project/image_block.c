/* The manifest block of the image and its text; docs: bench_image.h. */
#include "bench_image.h"
#include "image_facts.h"

#ifdef BENCH_IMAGE_SEALED
#include "image_seal.h"
#else /* benchrunner writes both into the linked image; the CMake project links a second time */
#define BENCH_IMAGE_CRC32 0u
#define BENCH_IMAGE_SHA256 0
#endif

#ifdef __clang__
#define COMPILER "zig cc, clang " __clang_version__
/* zig's objcopy takes an empty .data for something that lies in flash at its address in RAM. */
__attribute__((section(".data"), used, retain)) static uint32_t data_is_not_empty = 1;
#define FLAGS IMAGE_ZIG_FLAGS
#else
#define COMPILER "arm-none-eabi-gcc " __VERSION__
#define FLAGS IMAGE_GCC_FLAGS
#endif

#define TEXT IMAGE_TEXT "compiler=" COMPILER "\nflags=" FLAGS "\n"

_Static_assert(sizeof(TEXT) - 1 <= BENCH_IMAGE_TEXT_LIMIT, "the manifest's text is too long");

extern const uint8_t __image_bytes; /* its address is the length; memory.ld */

typedef struct {
    bench_image_block_t block;
    char text[sizeof(TEXT)]; /* the final zero is not part of it */
} image_block_t;

__attribute__((section(".image_block"), used)) const image_block_t image_block = {
    .block =
        {
            .magic = BENCH_IMAGE_MAGIC,
            .version = BENCH_IMAGE_VERSION,
            .chip_id = IMAGE_CHIP_ID,
            .image_bytes = (uint32_t)&__image_bytes,
            .payload_offset = 0,
            .payload_bytes = 0,
            .crc32 = BENCH_IMAGE_CRC32,
            .model_sha256 = {IMAGE_MODEL_SHA256},
            .image_sha256 = {BENCH_IMAGE_SHA256},
            .text_bytes = sizeof(TEXT) - 1,
            .reserved = 0,
        },
    .text = TEXT,
};
