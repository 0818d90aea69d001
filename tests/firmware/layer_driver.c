/* Calls kernels for layer_host.py: requests on stdin, changed memory on stdout, every block an allocation of its own.
 *
 * Request: u32 function, u32 blocks, per block u32 bytes and the bytes, u32 arguments, per argument u32 block and
 * u32 value: an offset in the block, or a number where the block is NUMBER. Reply: the bytes of all blocks. All
 * numbers in the host's byte order. `layer_functions.inc` is written by layer_host.py.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_BLOCKS = 8, MAX_ARGUMENTS = 8 };

#define NUMBER 0xFFFFFFFFu

typedef struct {
    void *p;
    uint32_t u;
} argument_t;

#include "layer_functions.inc"

static void must_read(void *into, size_t bytes)
{
    if (bytes != 0 && fread(into, 1, bytes, stdin) != bytes) {
        fprintf(stderr, "the request ends early\n");
        exit(2);
    }
}

static uint32_t number(void)
{
    uint32_t value;
    must_read(&value, sizeof value);
    return value;
}

int main(void)
{
    uint32_t function;
    while (fread(&function, sizeof function, 1, stdin) == 1) {
        char *blocks[MAX_BLOCKS];
        uint32_t sizes[MAX_BLOCKS];
        argument_t arguments[MAX_ARGUMENTS];
        const uint32_t block_count = number();
        for (uint32_t i = 0; i < block_count; i++) {
            sizes[i] = number();
            blocks[i] = malloc(sizes[i]); /* the sanitizer guards both ends */
            must_read(blocks[i], sizes[i]);
        }
        const uint32_t argument_count = number();
        for (uint32_t i = 0; i < argument_count; i++) {
            const uint32_t block = number();
            arguments[i].u = number();
            arguments[i].p = block == NUMBER ? NULL : blocks[block] + arguments[i].u;
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
