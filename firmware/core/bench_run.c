#include "bench_run.h"

#include "bench_model.h"
#include "bench_port.h"
#include "bench_wire.h"

#if defined(__clang__) /* which unrolls at -O2 what runs once per frame */
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#endif

#define OVERHEAD_TRIES 16u
#define POISON 0xA5
#define MAX_GAPS 8u /* parts of the inputs that are loaded and do not touch; a window of frames makes few */

/* Neither compiler nor processor moves anything across: what was started is finished, and counted. */
static inline void barrier(void)
{
#if defined(__arm__)
    __asm volatile("dsb\n\tisb" ::: "memory");
#else
    __asm volatile("" ::: "memory");
#endif
}

static struct {
    uint8_t results[BENCH_RESULT_BYTES];
    uint32_t samples, layers; /* in results; one of the two is 0 */
    uint32_t overhead;
    uint32_t output_crc; /* of the last run */
    bool output_crc_known;
    bool warm; /* an inference has run since boot */
    bench_layer_t volatile region;
    /* Sorted by nothing; no two touch. Bytes of all inputs, one behind the other. */
    struct {
        uint32_t start, end;
    } loaded[MAX_GAPS];
    uint32_t loaded_count;
} state;

/* --- inputs ------------------------------------------------------------------------------------------------------- */

static uint32_t input_start(uint32_t index)
{
    uint32_t start = 0;
    for (uint32_t at = 0; at < index; at++) {
        start += bench_model.inputs[at].bytes;
    }
    return start;
}

static bool keeps_copy(void)
{
    return bench_model.inputs_overwritten != 0 && bench_model.kept_inputs != NULL;
}

bool bench_inputs_are_lost(void)
{
    return bench_model.inputs_overwritten != 0 && bench_model.kept_inputs == NULL;
}

uint8_t *bench_input(uint32_t index)
{
    return keeps_copy() ? bench_model.kept_inputs + input_start(index) : bench_model.inputs[index].data;
}

static bool note_loaded(uint32_t start, uint32_t end)
{
    uint32_t kept = 0, from = start, to = end;
    for (uint32_t at = 0; at < state.loaded_count; at++) {
        const bool touches = state.loaded[at].start <= to && from <= state.loaded[at].end;
        kept += touches ? 0u : 1u;
    }
    if (kept == MAX_GAPS) {
        return false;
    }
    for (uint32_t at = 0; at < state.loaded_count;) {
        if (state.loaded[at].start <= to && from <= state.loaded[at].end) {
            from = state.loaded[at].start < from ? state.loaded[at].start : from;
            to = state.loaded[at].end > to ? state.loaded[at].end : to;
            state.loaded[at] = state.loaded[--state.loaded_count];
            at = 0; /* what has grown may touch another */
        } else {
            at++;
        }
    }
    state.loaded[state.loaded_count].start = from;
    state.loaded[state.loaded_count].end = to;
    state.loaded_count++;
    return true;
}

bool bench_load_input(uint32_t index, uint32_t offset, const uint8_t *data, uint32_t count)
{
    if (count == 0) {
        return true;
    }
    const uint32_t start = input_start(index) + offset;
    if (!note_loaded(start, start + count)) {
        return false;
    }
    state.output_crc_known = false;
    bench_copy(bench_input(index) + offset, data, count);
    return true;
}

uint32_t bench_input_total_bytes(void)
{
    return input_start(bench_model.input_count);
}

uint32_t bench_input_loaded_bytes(void)
{
    uint32_t bytes = 0;
    for (uint32_t at = 0; at < state.loaded_count; at++) {
        bytes += state.loaded[at].end - state.loaded[at].start;
    }
    return bytes;
}

static void restore_inputs(void)
{
    if (keeps_copy()) {
        for (uint32_t index = 0; index < bench_model.input_count; index++) {
            __builtin_memcpy(bench_model.inputs[index].data, bench_input(index), bench_model.inputs[index].bytes);
        }
    }
}

static void inference_is_done(void)
{
    state.warm = true;
    if (bench_model.layer_now != NULL) {
        *bench_model.layer_now = 0; /* what faults from here on is no layer */
    }
    if (bench_inputs_are_lost()) {
        state.loaded_count = 0;
    }
}

/* --- timing ------------------------------------------------------------------------------------------------------- */

/* Cycles of one call, counter readings included. The region comes from a volatile, so that every one, the empty one
 * included, goes through the very same instructions. */
static uint64_t timed(void)
{
    const bench_layer_t region = state.region;
    barrier();
    const uint64_t began = port_cycles();
    barrier();
    region();
    barrier();
    const uint64_t ended = port_cycles();
    barrier();
    return ended - began;
}

static uint64_t region_cycles(bench_layer_t region)
{
    state.region = region;
    const uint64_t cycles = timed();
    return cycles > state.overhead ? cycles - state.overhead : 0u;
}

static void empty_region(void)
{
}

bool bench_counter_runs(void)
{
    const uint64_t began = port_cycles();
    for (volatile uint32_t passes = 0; passes < 64u; passes++) {
    }
    return port_conditions()->counter_running && port_cycles() != began;
}

void bench_measure_overhead(void)
{
    uint64_t least = UINT32_MAX;
    state.region = empty_region;
    for (uint32_t tries = 0; tries < OVERHEAD_TRIES; tries++) {
        const uint64_t cycles = timed(); /* the least: later ones find caches and branch predictors warm */
        least = cycles < least ? cycles : least;
    }
    state.overhead = (uint32_t)least;
}

uint32_t bench_overhead_cycles(void)
{
    return state.overhead;
}

static void put_u32(uint8_t *to, uint32_t value)
{
    for (unsigned byte = 0; byte < 4; byte++) {
        to[byte] = (uint8_t)(value >> 8 * byte);
    }
}

static void put_u64(uint8_t *to, uint64_t value)
{
    put_u32(to, (uint32_t)value);
    put_u32(to + 4, (uint32_t)(value >> 32));
}

static uint32_t output_crc(void)
{
    uint32_t crc = 0;
    for (uint32_t index = 0; index < bench_model.output_count; index++) {
        crc = bench_crc32(crc, bench_model.outputs[index].data, bench_model.outputs[index].bytes);
    }
    return crc;
}

void bench_infer(void)
{
    port_watchdog_kick();
    restore_inputs();
    bench_model.run();
    inference_is_done();
    state.output_crc_known = false;
}

uint32_t bench_run_limit(void)
{
    return bench_inputs_are_lost() ? 1u : BENCH_MAX_SAMPLES;
}

void bench_run(uint32_t count, bench_run_t *done)
{
    done->count = count;
    done->first_is_cold = !state.warm;
    state.layers = 0;
    done->began_cycles = port_cycles();
    for (uint32_t at = 0; at < count; at++) {
        uint8_t *const sample = state.results + BENCH_SAMPLE_BYTES * at;
        port_watchdog_kick();
        restore_inputs();
        put_u64(sample, region_cycles(bench_model.run));
        state.output_crc = output_crc();
        put_u32(sample + 8, state.output_crc);
    }
    done->ended_cycles = port_cycles();
    inference_is_done();
    state.samples = count;
    state.output_crc_known = !bench_inputs_are_lost();
}

/* Everything in the arena but the inputs. */
static void poison(void)
{
    uint8_t *at = bench_model.arena;
    uint8_t *const end = at + bench_model.arena_bytes;
    while (at < end) {
        uint8_t *until = end;
        bool inside = false;
        for (uint32_t index = 0; index < bench_model.input_count; index++) {
            uint8_t *const first = bench_model.inputs[index].data;
            uint8_t *const behind = first + bench_model.inputs[index].bytes;
            if (first <= at && at < behind) {
                at = behind;
                inside = true;
            } else if (at < first && first < until) {
                until = first;
            }
        }
        if (!inside) {
            __builtin_memset(at, POISON, (size_t)(until - at));
            at = until;
        }
    }
}

bool bench_profile(uint64_t *total_cycles)
{
    state.samples = 0;
    port_watchdog_kick();
    poison();
    restore_inputs();
    const uint64_t began = port_cycles();
    for (uint32_t at = 0; at < bench_model.layer_count; at++) {
        const bench_layer_t layer = bench_model.layers[at];
        put_u64(state.results + BENCH_LAYER_BYTES * at, layer != NULL ? region_cycles(layer) : 0u);
    }
    *total_cycles = port_cycles() - began;
    inference_is_done();
    state.layers = bench_model.layer_count;
    return !state.output_crc_known || output_crc() == state.output_crc;
}

const uint8_t *bench_results(void)
{
    return state.results;
}

uint32_t bench_sample_count(void)
{
    return state.samples;
}

uint32_t bench_profiled_layers(void)
{
    return state.layers;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif
