/* Three layers and a folded one, by hand: each output byte is the input byte plus 3; a second output is their sum.
 *
 * TINY_OVERWRITTEN: the layers work in place, on the input itself (with TINY_KEPT, the bench keeps a copy).
 * TINY_UNWRITTEN: the last layer reads memory that no layer writes. TINY_FAULT: an input that starts with 0xEE traps.
 * TINY_LAYER_NS: what each layer costs on the host port's clock.
 */
#include "bench_model.h"
#include "host.h"

#include <string.h>

#define BYTES 1500u
#ifndef TINY_LAYER_NS
#define TINY_LAYER_NS 1000u
#endif

static struct {
    uint8_t input[BYTES];
    uint8_t a[BYTES];
    uint8_t b[BYTES];
    uint8_t output[BYTES];
    uint8_t unwritten[4];
    uint8_t sum[4];
} arena;

#if defined(TINY_OVERWRITTEN)
#define FIRST arena.input
#define SECOND arena.input
#else
#define FIRST arena.a
#define SECOND arena.b
#endif
#if defined(TINY_KEPT)
static uint8_t kept[BYTES];
#endif

static void add_one(uint8_t *to, const uint8_t *from)
{
    for (uint32_t at = 0; at < BYTES; at++) {
        to[at] = (uint8_t)(from[at] + 1u);
    }
    host_spend_ns(TINY_LAYER_NS);
}

static void layer_0(void)
{
#if defined(TINY_FAULT)
    if (arena.input[0] == 0xEE) {
        __builtin_trap();
    }
#endif
    add_one(FIRST, arena.input);
}

static void layer_1(void)
{
    add_one(SECOND, FIRST);
}

static void layer_3(void)
{
    add_one(arena.output, SECOND);
    uint32_t sum = 0;
    for (uint32_t at = 0; at < BYTES; at++) {
        sum += arena.output[at];
    }
#if defined(TINY_UNWRITTEN)
    sum += arena.unwritten[0];
#endif
    for (unsigned at = 0; at < 4; at++) {
        arena.sum[at] = (uint8_t)(sum >> 8 * at);
    }
}

static void run(void)
{
    layer_0();
    layer_1();
    layer_3();
}

static const bench_tensor_t inputs[] = {{arena.input, BYTES}};
static const bench_tensor_t outputs[] = {{arena.output, BYTES}, {arena.sum, 4}};
static const bench_layer_t layers[] = {layer_0, layer_1, NULL, layer_3};

const bench_model_t bench_model = {
    .inputs = inputs,
    .input_count = 1,
    .outputs = outputs,
    .output_count = 2,
    .run = run,
    .layers = layers,
    .layer_count = 4,
    .arena = (uint8_t *)&arena,
    .arena_bytes = sizeof arena,
#if defined(TINY_OVERWRITTEN)
    .inputs_overwritten = 1,
#endif
#if defined(TINY_KEPT)
    .kept_inputs = kept,
#endif
};
