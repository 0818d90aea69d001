/* Inferences: inputs, timing, outputs. Nothing here sends. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__has_include)
#if __has_include("model_sizes.h")
#include "model_sizes.h" /* of a generated project */
#endif
#endif

/* Room for results: of a run (12 bytes for each sample) or of a profile (8 for each layer), whichever came last. */
#if defined(MODEL_LAYER_BYTES) && MODEL_LAYER_BYTES > 1152
#define BENCH_RESULT_BYTES MODEL_LAYER_BYTES
#else
#define BENCH_RESULT_BYTES 1152u
#endif
#define BENCH_SAMPLE_BYTES 12u /* cycles u64, output CRC-32 u32: as in the protocol */
#define BENCH_LAYER_BYTES 8u   /* cycles u64 */
#define BENCH_MAX_SAMPLES (BENCH_RESULT_BYTES / BENCH_SAMPLE_BYTES)
#define BENCH_MAX_LAYERS (BENCH_RESULT_BYTES / BENCH_LAYER_BYTES)

/* Where the bytes of an input are kept: its tensor, or the copy of a model that overwrites its inputs. */
uint8_t *bench_input(uint32_t index);
/* Inputs are lost by a run: overwritten, and there is no room for a copy. */
bool bench_inputs_are_lost(void);
/* Writes to an input, within it. False, and nothing is written, if the parts loaded so far have too many gaps. */
bool bench_load_input(uint32_t index, uint32_t offset, const uint8_t *data, uint32_t count);
uint32_t bench_input_total_bytes(void);
uint32_t bench_input_loaded_bytes(void);

/* The counter moves. */
bool bench_counter_runs(void);
/* Measures the cycles of an empty timed region. */
void bench_measure_overhead(void);
uint32_t bench_overhead_cycles(void);

/* One inference from the kept inputs, restored first; nothing else. */
void bench_infer(void);

typedef struct {
    uint32_t count;
    bool first_is_cold;
    uint64_t began_cycles, ended_cycles;
} bench_run_t;

/* `count` timed inferences, at most bench_run_limit(), each with the CRC-32 of its outputs. */
void bench_run(uint32_t count, bench_run_t *done);
uint32_t bench_run_limit(void);

/* One inference, layer by layer, at most BENCH_MAX_LAYERS. The activations are overwritten before it: where the outputs
 * then differ from the last run's, a layer has read what no layer wrote, and the result is false. */
bool bench_profile(uint64_t *total_cycles);

/* What the last of the two has left, as it goes into Samples or Layers. */
const uint8_t *bench_results(void);
uint32_t bench_sample_count(void);
uint32_t bench_profiled_layers(void);

#endif
