/* What the generated C of a model offers to the bench: the contract between `benchrunner/firmware` and `core/`.
 *
 * The generated file defines the one object `bench_model`. Everything it points to is const data or lies in the one
 * static arena. Layers run in the order of the table; each is one straight-line sequence of kernel calls.
 */
#ifndef BENCH_MODEL_H
#define BENCH_MODEL_H

#include <stddef.h>
#include <stdint.h>

typedef void (*bench_layer_t)(void);

typedef struct {
    void *data; /* in the arena */
    uint32_t bytes;
} bench_tensor_t;

typedef struct {
    const bench_tensor_t *inputs;
    uint32_t input_count;
    const bench_tensor_t *outputs;
    uint32_t output_count;
    /* The whole network, and nothing else: what is timed. Inputs are kept intact, or the bench
     * is told by `inputs_overwritten` to load them again before each run. */
    void (*run)(void);
    /* The same layers one by one, for the profile. A layer that the compiler of the graph has folded away is NULL;
     * entry i is operator i of the model file. */
    const bench_layer_t *layers;
    uint32_t layer_count;
    uint8_t *arena;
    uint32_t arena_bytes;
    uint8_t inputs_overwritten;
    /* Where `inputs_overwritten`: room for all inputs, one behind the other in order, from which the bench restores
     * them before every run outside of the timed region (RAM that counts). Or NULL where there is no room: then a
     * run is one inference, and the host loads the inputs again before the next. */
    uint8_t *kept_inputs;
    /* Each layer leaves its index plus 1 here, in two instructions: a fault in a kernel is told by it, as the
     * kernel's return address is long overwritten then. NULL where the layers do not. */
    uint16_t *layer_now;
} bench_model_t;

extern const bench_model_t bench_model;

#endif
