/* Requests about what lies in memory: tensors, results, how much of RAM is used. Each gets its one reply here. */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include "bench_wire.h"

/* LoadInput, GetInputCrc, GetSamples, GetLayers, ReadOutput or GetMemory, with a payload as long as that request must
 * have; what the payload says is checked here. */
void bench_answer(const bench_frame_t *frame);

#endif
