/* A network of one layer that answers as an MLPerf Tiny model does. One of TEST_KWS, TEST_VWW, TEST_AD is defined.
 *
 * TEST_KWS: 490 bytes in, 12 out: output i is input i. TEST_VWW: 300 pixels in, 2 out: the first and the last.
 * TEST_AD: 640 in, 640 out: the input itself. An inference takes TEST_NS on the host port's clock.
 */
#include "bench_mlperf.h"
#include "bench_model.h"
#include "host.h"

#if defined(TEST_KWS)
#define IN 490u
#define OUT 12u
#elif defined(TEST_VWW)
#define IN 300u
#define OUT 2u
#else
#define IN 640u
#define OUT 640u
#endif
#ifndef TEST_NS
#define TEST_NS 1000000u
#endif

static struct {
    uint8_t input[IN];
    uint8_t output[OUT];
} arena;

static void run(void)
{
    for (uint32_t at = 0; at < OUT; at++) {
        arena.output[at] = arena.input[at];
    }
#if defined(TEST_VWW)
    arena.output[1] = arena.input[IN - 1];
#endif
    host_spend_ns(TEST_NS);
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

#if defined(TEST_AD)
static float floats[IN];
#endif

const bench_mlperf_t bench_mlperf = {
    .vendor = "host",
#if defined(TEST_KWS)
    .model = "kws01",
    .load = BENCH_MLPERF_AS_IS,
    .output_scale = 0.00390625f,
    .output_zero_point = -128,
#elif defined(TEST_VWW)
    .model = "vww01",
    .load = BENCH_MLPERF_MINUS_128,
    .output_scale = 0.00390625f,
    .output_zero_point = -128,
#else
    .model = "ad01",
    .load = BENCH_MLPERF_FLOATS,
    .floats = floats,
    .input_scale = 0.3910152f,
    .input_zero_point = 89,
    .output_scale = 0.3644985f,
    .output_zero_point = 96,
#endif
};
