#include "bench_wire.h"

#include "bench_port.h"
#include "bench_text.h"

#if defined(__clang__) /* which unrolls at -O2 what runs once per frame */
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#endif

#define SLOT_BYTES (BENCH_FRAME_OVERHEAD_BYTES + BENCH_MAX_PAYLOAD_BYTES)
#define HEADER_BYTES 6u
#define BLOCK_BYTES 254u         /* longest run of non-zero bytes behind one COBS code */
#define CHUNK_BYTES 32u          /* between two looks at the receiver: some 450 cycles of CRC, half a byte at 84 MHz */
#define SEND_CHUNK_BYTES 16u     /* likewise while a block is filled, at some 22 cycles per byte */
#define CRC_RESIDUE 0x2144DF1Cu  /* CRC-32 of anything with its own CRC-32 behind it */

static struct {
    uint8_t slots[BENCH_WINDOW_FRAMES][SLOT_BYTES];
    uint8_t oldest;    /* slot of the oldest complete frame */
    uint8_t complete;  /* frames */
    uint8_t receiving; /* the slot behind them */
    /* of the frame that is arriving */
    uint16_t count;   /* decoded bytes */
    uint8_t left;     /* bytes until the next COBS code */
    bool zero_due;    /* the last block implies a zero */
    bool dropping;    /* too long, or no slot is free */
    uint32_t crc;
    /* since the last byte */
    bool silent;
    bool gap; /* silent for long */
    uint64_t silent_since;
} rx;

static struct {
    uint8_t block[1 + BLOCK_BYTES]; /* COBS code and its bytes */
    uint8_t count;                  /* bytes in it */
    bool full_before;               /* the block before was a full one, which implies no zero */
    bool break_due;
    uint32_t crc;
} tx;

/* --- CRC-32 ------------------------------------------------------------------------------------------------------- */

/* Four bits at a time: 64 bytes of table. Entry i is i shifted four times through 0xEDB88320. */
static const uint32_t crc_table[16] = {
    0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
    0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
};

static inline uint32_t crc_step(uint32_t inverted, uint8_t byte)
{
    inverted ^= byte;
    inverted = inverted >> 4 ^ crc_table[inverted & 15u];
    return inverted >> 4 ^ crc_table[inverted & 15u];
}

uint32_t bench_crc32(uint32_t crc, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    uint32_t inverted = ~crc;
    while (count != 0) {
        size_t chunk = count < CHUNK_BYTES ? count : CHUNK_BYTES;
        count -= chunk;
        while (chunk-- != 0) {
            inverted = crc_step(inverted, *at++);
        }
        (void)bench_receive();
    }
    return ~inverted;
}

void bench_copy(void *to, const void *from, size_t count)
{
    uint8_t *out = to;
    const uint8_t *in = from;
    while (count != 0) {
        const size_t chunk = count < CHUNK_BYTES ? count : CHUNK_BYTES;
        __builtin_memcpy(out, in, chunk);
        out += chunk;
        in += chunk;
        count -= chunk;
        (void)bench_receive();
    }
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

static void start_frame(void)
{
    rx.count = 0;
    rx.left = 0;
    rx.zero_due = false;
    rx.dropping = false;
    rx.crc = ~0u;
}

void bench_discard_received(void)
{
    rx.complete = 0;
    rx.oldest = rx.receiving;
    start_frame();
}

static uint8_t slot_behind(uint8_t slot)
{
    return (uint8_t)(slot + 1u == BENCH_WINDOW_FRAMES ? 0u : slot + 1u);
}

static void take_decoded(uint8_t byte)
{
    if (rx.complete == BENCH_WINDOW_FRAMES || rx.count == SLOT_BYTES) {
        rx.dropping = true;
    } else {
        rx.slots[rx.receiving][rx.count++] = byte;
        rx.crc = crc_step(rx.crc, byte);
    }
}

static void finish_frame(void)
{
    if (!rx.dropping && rx.left == 0 && rx.count >= BENCH_FRAME_OVERHEAD_BYTES && ~rx.crc == CRC_RESIDUE &&
        bench_u16(rx.slots[rx.receiving] + 4) + BENCH_FRAME_OVERHEAD_BYTES == rx.count) {
        rx.complete++;
        rx.receiving = slot_behind(rx.receiving);
    }
    start_frame();
}

static void take_byte(uint8_t byte)
{
    const bool gap = rx.gap;
    rx.silent = false;
    rx.gap = false;
    if (bench_text_take(byte, gap)) {
        start_frame(); /* what came before belonged to a text command, or was noise */
    } else if (byte == 0) {
        finish_frame();
    } else if (rx.left == 0) {
        if (rx.zero_due) {
            take_decoded(0);
        }
        rx.left = (uint8_t)(byte - 1);
        rx.zero_due = byte != 0xFF;
    } else {
        rx.left--;
        take_decoded(byte);
    }
}

bool bench_receive(void)
{
    uint8_t byte;
    bool any = false;
    while (port_uart_read(&byte)) {
        take_byte(byte);
        any = true;
    }
    return any;
}

void bench_line_silent(uint64_t now_cycles, uint64_t gap_cycles)
{
    if (!rx.silent) {
        rx.silent = true;
        rx.silent_since = now_cycles;
    }
    rx.gap = now_cycles - rx.silent_since >= gap_cycles;
}

bool bench_oldest_frame(bench_frame_t *frame)
{
    if (rx.complete == 0) {
        return false;
    }
    const uint8_t *const bytes = rx.slots[rx.oldest];
    frame->version = bytes[0];
    frame->type = bytes[1];
    frame->sequence = bench_u16(bytes + 2);
    frame->length = bench_u16(bytes + 4);
    frame->payload = bytes + HEADER_BYTES;
    return true;
}

void bench_release_frame(void)
{
    rx.oldest = slot_behind(rx.oldest);
    rx.complete--;
}

/* No text commands, unless bench_mlperf.c is part of the image. */
__attribute__((weak)) bool bench_text_take(uint8_t byte, bool after_gap)
{
    (void)byte;
    (void)after_gap;
    return false;
}

__attribute__((weak)) void bench_text_execute(void)
{
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static void put_wire(uint8_t byte)
{
    do {
        (void)bench_receive();
    } while (!port_uart_try_write(byte));
}

static void close_block(void)
{
    tx.block[0] = (uint8_t)(tx.count + 1u);
    for (unsigned at = 0; at <= tx.count; at++) {
        put_wire(tx.block[at]);
    }
    tx.full_before = tx.count == BLOCK_BYTES;
    tx.count = 0;
}

static void put_stuffed(uint8_t byte)
{
    if (byte == 0) {
        close_block();
        return;
    }
    tx.block[++tx.count] = byte;
    if (tx.count == BLOCK_BYTES) {
        close_block();
    }
}

void bench_send_break(void)
{
    tx.break_due = true;
}

void bench_send_plain(const char *text, size_t count)
{
    while (count-- != 0) {
        put_wire((uint8_t)*text++);
    }
    tx.break_due = true;
}

__attribute__((noinline)) void bench_send(const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    while (count-- != 0) {
        tx.crc = crc_step(tx.crc, *at);
        put_stuffed(*at++);
        if (count % SEND_CHUNK_BYTES == 0) {
            (void)bench_receive();
        }
    }
}

void bench_send_begin(uint8_t type, uint16_t sequence, uint32_t length)
{
    if (tx.break_due) {
        put_wire(0);
        tx.break_due = false;
    }
    tx.count = 0;
    tx.full_before = false;
    tx.crc = ~0u;
    const uint8_t start[2] = {1u, type};
    bench_send(start, sizeof start);
    bench_send_u16(sequence);
    bench_send_u16(length);
}

/* Not inlined into those below, which would triple their size: the wire is slower than any call. */
__attribute__((noinline)) void bench_send_u16(uint32_t value)
{
    const uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    bench_send(bytes, sizeof bytes);
}

__attribute__((noinline)) void bench_send_u32(uint32_t value)
{
    bench_send_u16(value & 0xFFFFu);
    bench_send_u16(value >> 16);
}

void bench_send_u64(uint64_t value)
{
    bench_send_u32((uint32_t)value);
    bench_send_u32((uint32_t)(value >> 32));
}

void bench_send_end(void)
{
    bench_send_u32(~tx.crc);
    if (!(tx.count == 0 && tx.full_before)) {
        close_block();
    }
    put_wire(0);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif
