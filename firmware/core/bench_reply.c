#include "bench_reply.h"

#include "bench_wire.h"

#if defined(__clang__) /* which unrolls at -O2 what runs once per frame */
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#endif

void bench_reply_accepted(uint16_t sequence)
{
    bench_send_begin(ACCEPTED, sequence, 0);
    bench_send_end();
}

void bench_reply_error(uint16_t sequence, bench_error_t code, const bench_line_t *line)
{
    bench_send_begin(DEVICE_ERROR, sequence, 2u + line->count);
    bench_send_u16((uint32_t)code);
    bench_send(line->text, line->count);
    bench_send_end();
}

void bench_reply_error_of(uint16_t sequence, bench_error_t code, const char *what, uint32_t found,
                          const char *expected, uint32_t limit)
{
    bench_line_t line = {.count = 0};
    bench_line_text(&line, what);
    bench_line_decimal(&line, found);
    bench_line_text(&line, expected);
    bench_line_decimal(&line, limit);
    bench_reply_error(sequence, code, &line);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif
