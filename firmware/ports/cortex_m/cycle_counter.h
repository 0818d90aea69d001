/* The 64-bit cycle counter: DWT CYCCNT for the low bits, a slow timer for the rest. */
#ifndef CORTEX_M_CYCLE_COUNTER_H
#define CORTEX_M_CYCLE_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

/* The slow timer counts once per 2^16 core cycles, from the same clock source, in 32 bits. */
#define SLOW_TICK_CYCLES 65536u

/* Given by the family: the slow timer, already started. */
uint32_t slow_timer_read(void);

/* Starts the counter. Returns whether it moves: a counter that was never unlocked reads the same for ever. */
bool cycle_counter_start(void);

#endif
