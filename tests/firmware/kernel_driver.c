/* Runs kernels for the tests: requests on stdin, changed memory on stdout, every block an allocation of its own.
 *
 * Request: u32 function, u32 blocks, per block u32 bytes and the bytes, u32 arguments, per argument u32 block and
 * u32 offset. Reply: the bytes of all blocks. All numbers in the host's byte order.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conv_1x1_s8.h"
#include "conv_2d_s8.h"
#include "conv_2d_scalar_s8.h"
#include "depthwise_conv_2d_s8.h"
#include "depthwise_conv_2d_scalar_s8.h"
#include "depthwise_conv_3x3_s8.h"
#include "fully_connected_s8.h"
#include "fully_connected_scalar_s8.h"

enum { MAX_BLOCKS = 8, MAX_ARGUMENTS = 8 };

static void run_conv_2d_scalar(void **a) {
    conv_2d_scalar_s8(a[0], a[1], a[2], a[3], a[4]);
}
static void run_depthwise_scalar(void **a) {
    depthwise_conv_2d_scalar_s8(a[0], a[1], a[2], a[3], a[4]);
}
static void run_fully_connected_scalar(void **a) {
    fully_connected_scalar_s8(a[0], a[1], a[2], a[3], a[4]);
}
static void run_conv_2d(void **a) {
    conv_2d_s8(a[0], a[1], a[2], a[3], a[4], a[5]);
}
static void run_conv_1x1(void **a) {
    conv_1x1_s8(a[0], a[1], a[2], a[3], a[4], a[5]);
}
static void run_depthwise(void **a) {
    depthwise_conv_2d_s8(a[0], a[1], a[2], a[3], a[4]);
}
static void run_depthwise_3x3(void **a) {
    depthwise_conv_3x3_s8(a[0], a[1], a[2], a[3], a[4]);
}
static void run_fully_connected(void **a) {
    fully_connected_s8(a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* In the order of FUNCTIONS in kernel_host.py. */
static void (*const functions[])(void **) = {
    run_conv_2d_scalar, run_depthwise_scalar, run_fully_connected_scalar, run_conv_2d,
    run_conv_1x1,       run_depthwise,        run_depthwise_3x3,          run_fully_connected,
};

static void must_read(void *into, size_t bytes) {
    if (bytes != 0 && fread(into, 1, bytes, stdin) != bytes) {
        fprintf(stderr, "the request ends early\n");
        exit(2);
    }
}

static uint32_t number(void) {
    uint32_t value;
    must_read(&value, sizeof value);
    return value;
}

int main(void) {
    uint32_t function;
    while (fread(&function, sizeof function, 1, stdin) == 1) {
        char *blocks[MAX_BLOCKS];
        uint32_t sizes[MAX_BLOCKS];
        void *arguments[MAX_ARGUMENTS];
        const uint32_t block_count = number();
        for (uint32_t i = 0; i < block_count; i++) {
            sizes[i] = number();
            blocks[i] = malloc(sizes[i]); /* aligned to 16; the sanitizer guards both ends */
            must_read(blocks[i], sizes[i]);
        }
        const uint32_t argument_count = number();
        for (uint32_t i = 0; i < argument_count; i++) {
            const uint32_t block = number();
            arguments[i] = blocks[block] + number();
        }
        functions[function](arguments);
        for (uint32_t i = 0; i < block_count; i++) {
            fwrite(blocks[i], 1, sizes[i], stdout);
            free(blocks[i]);
        }
        fflush(stdout);
    }
    return 0;
}
