/* An engine that knows the answers to five inputs (answers.h) and sleeps for 2 ms instead of computing. */
#define _GNU_SOURCE
#include "bench_mlperf.h"
#include "bench_model.h"

#include <string.h>
#include <time.h>

#define IN 490
#define OUT 12

static const struct {
    uint8_t input[IN], output[OUT];
} answers[] = {
#include "answers.h"
};

static struct {
    uint8_t input[IN], output[OUT];
} arena;

static void run(void)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    (void)nanosleep(&pause, NULL);
    memset(arena.output, 0, OUT);
    for (size_t at = 0; at < sizeof answers / sizeof answers[0]; at++) {
        if (memcmp(arena.input, answers[at].input, IN) == 0) {
            memcpy(arena.output, answers[at].output, OUT);
        }
    }
#if defined(WRONG)
    arena.output[3] ^= 0x10u;
#endif
}

static const bench_tensor_t inputs[] = {{arena.input, IN}};
static const bench_tensor_t outputs[] = {{arena.output, OUT}};
static const bench_layer_t layers[] = {run};

const bench_model_t bench_model = {
    .inputs = inputs,
    .input_count = 1,
    .outputs = outputs,
    .output_count = 1,
    .run = run,
    .layers = layers,
    .layer_count = 1,
    .arena = (uint8_t *)&arena,
    .arena_bytes = sizeof arena,
};

const bench_mlperf_t bench_mlperf = {
    .model = "kws01",
    .vendor = "known answers",
    .load = BENCH_MLPERF_AS_IS,
    .output_scale = 0.00390625f,
    .output_zero_point = -128,
};
