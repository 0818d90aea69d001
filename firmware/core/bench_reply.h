/* The replies that many requests share: done, and refused with a line that says why. */
#ifndef BENCH_REPLY_H
#define BENCH_REPLY_H

#include <stdint.h>

#include "bench_protocol.h"
#include "bench_text.h"

void bench_reply_accepted(uint16_t sequence);
/* DeviceError; with sequence 0 it answers no request. */
void bench_reply_error(uint16_t sequence, bench_error_t code, const bench_line_t *line);
/* As above, the line being `what`, `found`, `expected`, `limit`. */
void bench_reply_error_of(uint16_t sequence, bench_error_t code, const char *what, uint32_t found,
                          const char *expected, uint32_t limit);

#endif
