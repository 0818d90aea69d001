/* Walks two inputs of different shapes row by row, as ADD, SUB and MUL do. */
#ifndef BENCH_BROADCAST_H
#define BENCH_BROADCAST_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t size[4];       /* of the output, outermost first */
    uint32_t first_step[4]; /* elements from one index to the next; 0 where the input is broadcast */
    uint32_t second_step[4];
} broadcast_t;

typedef struct {
    const int8_t *first; /* where the row starts in each input */
    const int8_t *second;
    uint32_t index[3];
} broadcast_row_t;

/* Whether neither input is broadcast within a row. */
static inline bool broadcast_is_dense(const broadcast_t *loops)
{
    return loops->first_step[3] == 1u && loops->second_step[3] == 1u;
}

/* Goes on to the next row; false behind the last one. */
static inline bool broadcast_next(broadcast_row_t *row, const broadcast_t *loops)
{
    for (uint32_t axis = 3; axis-- > 0u;) {
        row->first += loops->first_step[axis];
        row->second += loops->second_step[axis];
        if (++row->index[axis] < loops->size[axis]) {
            return true;
        }
        row->index[axis] = 0;
        row->first -= loops->size[axis] * loops->first_step[axis];
        row->second -= loops->size[axis] * loops->second_step[axis];
    }
    return false;
}

#endif
