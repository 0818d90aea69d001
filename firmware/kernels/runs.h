/* Runs of bytes, word by word. The C library of small targets copies bytewise, and its memcpy costs a call. */
#ifndef BENCH_RUNS_H
#define BENCH_RUNS_H

#include "dsp.h"

/* Keeps the compiler from making a library call of a loop again. */
#define KEEP_LOOP() __asm__ volatile("")

static inline int8_t *copy_run(int8_t *into, const int8_t *from, int32_t count) {
    for (; count >= 4; count -= 4) {
        store_word(into, load_word(from));
        into += 4;
        from += 4;
        KEEP_LOOP();
    }
    for (; count > 0; count--) {
        *into++ = *from++;
        KEEP_LOOP();
    }
    return into;
}

static inline int8_t *fill_run(int8_t *into, int32_t value, int32_t count) {
    const uint32_t word = (uint8_t)value * 0x01010101u;
    for (; count >= 4; count -= 4) {
        store_word(into, word);
        into += 4;
        KEEP_LOOP();
    }
    for (; count > 0; count--) {
        *into++ = (int8_t)value;
        KEEP_LOOP();
    }
    return into;
}

#endif
