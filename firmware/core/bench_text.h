/* Lines for people and programs: composing them, and the text commands that may arrive between frames. */
#ifndef BENCH_TEXT_H
#define BENCH_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_LINE_CHARACTERS 200u /* what a DeviceError may have at most */

/* Cut off where it is full. */
typedef struct {
    uint32_t count;
    char text[BENCH_LINE_CHARACTERS];
} bench_line_t;

void bench_line_text(bench_line_t *line, const char *text);
void bench_line_decimal(bench_line_t *line, uint64_t value);
void bench_line_hex(bench_line_t *line, uint32_t value, unsigned digits);
/* As printf's "%0.3f" in an exact implementation: the nearest thousandth, halves to even. */
void bench_line_thousandths(bench_line_t *line, float value);

/* value / divisor; the remainder goes to *remainder. Without the compiler's 64-bit division. */
uint64_t bench_divide(uint64_t value, uint32_t divisor, uint32_t *remainder);

/* The rest is defined in bench_mlperf.c, and does nothing in images without it. */

/* Sees every byte that arrives. True if it ends a command: then neither it nor the bytes before are part of a frame. */
bool bench_text_take(uint8_t byte, bool after_gap);
/* Executes and answers the commands that have arrived. Called while idle, too. */
void bench_text_execute(void);

#endif
