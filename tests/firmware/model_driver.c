/* Runs a generated model on the host: inputs from stdin, outputs to stdout, until the input ends.
 *
 * "run": bench_model.run. "layers": layer by layer, with every byte of the arena that the plan holds for dead filled
 * with noise between the layers. dead.inc says which they are.
 */
#include <stdio.h>
#include <string.h>

#include "bench_model.h"

/* {layer after which, from, to}; layer -1 is before the first. In the order of the layers. */
static const int32_t dead[][3] = {
#include "dead.inc"
    {INT32_MAX, 0, 0}};

static uint32_t state = 12345;

static void poison(int32_t layer)
{
    for (size_t i = 0; dead[i][0] <= layer; i++) {
        for (int32_t at = dead[i][1]; dead[i][0] == layer && at < dead[i][2]; at++) {
            state = state * 1664525u + 1013904223u;
            bench_model.arena[at] = (uint8_t)(state >> 24);
        }
    }
}

int main(int count, char **arguments)
{
    for (;;) {
        for (uint32_t i = 0; i < bench_model.input_count; i++) {
            const bench_tensor_t *input = &bench_model.inputs[i];
            if (fread(input->data, 1, input->bytes, stdin) != input->bytes) {
                return 0;
            }
        }
        if (count > 1 && strcmp(arguments[1], "layers") == 0) {
            poison(-1);
            for (uint32_t i = 0; i < bench_model.layer_count; i++) {
                if (bench_model.layers[i] != NULL) {
                    bench_model.layers[i]();
                }
                poison((int32_t)i);
            }
        } else {
            bench_model.run();
        }
        for (uint32_t i = 0; i < bench_model.output_count; i++) {
            fwrite(bench_model.outputs[i].data, 1, bench_model.outputs[i].bytes, stdout);
        }
    }
}
