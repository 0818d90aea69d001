/* What the image in flash says of itself, whether it is whole, and the manifest that the host gets. */
#ifndef BENCH_MANIFEST_H
#define BENCH_MANIFEST_H

#include <stdint.h>

#include "bench_image.h"
#include "bench_protocol.h"

/* The block in flash; nothing is known of what it holds before bench_check_image(). */
const bench_image_block_t *bench_image(void);
/* NO_ERROR, WRONG_CHIP or BAD_IMAGE. */
bench_error_t bench_check_image(void);
/* Of an image that was found good. */
void bench_send_manifest(uint16_t sequence);

#endif
