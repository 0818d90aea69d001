/* Frames of the device protocol on the port's UART (docs/protocol.md, sections "Frames" and "Rules").
 *
 * The UART is polled: whatever takes longer than the wire needs for a byte calls bench_receive() in between. Bytes are
 * decoded and checked as they arrive, each frame into a slot of its own, so that a frame is executed where it lies while
 * the next ones arrive. As many slots as BENCH_WINDOW_FRAMES hold whatever a host may have unanswered. Replies are
 * encoded as they are sent and need room for one COBS block only.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Two frames of 512 bytes are 11 ms of a wire at 921600 baud: longer than a USB serial port's round trip, so that the
 * wire stays busy with three of them, in 1.5 KiB. */
#define BENCH_MAX_PAYLOAD_BYTES 512u
#define BENCH_WINDOW_FRAMES 3u
#define BENCH_FRAME_OVERHEAD_BYTES 10u /* header 6, CRC-32 4 */

typedef struct {
    uint8_t version;
    uint8_t type;
    uint16_t sequence;
    uint16_t length;
    const uint8_t *payload;
} bench_frame_t;

/* Takes in what has arrived; false if nothing had. */
bool bench_receive(void);
/* To be called with the counter while nothing arrives: a silence lets a text command start amid a broken frame. */
void bench_line_silent(uint64_t now_cycles, uint64_t gap_cycles);
/* The oldest undamaged frame, which stays valid until bench_release_frame(). */
bool bench_oldest_frame(bench_frame_t *frame);
void bench_release_frame(void);
/* Forgets everything received. */
void bench_discard_received(void);

/* One frame: begin, `length` bytes of payload in any pieces, end. */
void bench_send_begin(uint8_t type, uint16_t sequence, uint32_t length);
void bench_send(const void *bytes, size_t count);
void bench_send_u16(uint32_t value);
void bench_send_u32(uint32_t value);
void bench_send_u64(uint64_t value);
void bench_send_end(void);
/* A delimiter goes before the next frame: to close noise, or text. */
void bench_send_break(void);
/* Bytes as they are, outside of any frame. */
void bench_send_plain(const char *text, size_t count);

/* zlib's CRC-32; 0 to start with. Receives meanwhile. */
uint32_t bench_crc32(uint32_t crc, const void *bytes, size_t count);
/* As memcpy. Receives meanwhile. */
void bench_copy(void *to, const void *from, size_t count);

static inline uint16_t bench_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | (unsigned)bytes[1] << 8);
}

static inline uint32_t bench_u32(const uint8_t *bytes)
{
    return bench_u16(bytes) | (uint32_t)bench_u16(bytes + 2) << 16;
}

#endif
