#include "bench_answer.h"

#include "bench_model.h"
#include "bench_port.h"
#include "bench_protocol.h"
#include "bench_reply.h"
#include "bench_run.h"

#if defined(__clang__) /* which unrolls at -O2 what runs once per frame */
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#endif

static void load_input(const bench_frame_t *frame)
{
    const uint32_t index = bench_u16(frame->payload), offset = bench_u32(frame->payload + 2);
    const uint32_t count = frame->length - 6u;
    if (index >= bench_model.input_count) {
        bench_reply_error_of(frame->sequence, BAD_ARGUMENT, "LoadInput: input ", index, ", there are ",
                             bench_model.input_count);
    } else if (offset > bench_model.inputs[index].bytes || count > bench_model.inputs[index].bytes - offset) {
        bench_reply_error_of(frame->sequence, BAD_ARGUMENT, "LoadInput: beyond the end, at offset ", offset,
                             " of an input of bytes ", bench_model.inputs[index].bytes);
    } else if (!bench_load_input(index, offset, frame->payload + 6, count)) {
        bench_reply_error_of(frame->sequence, BUSY, "LoadInput: offset ", offset, ", too many gaps; loaded bytes ",
                             bench_input_loaded_bytes());
    } else {
        bench_reply_accepted(frame->sequence);
    }
}

static void input_crc(const bench_frame_t *frame)
{
    const uint32_t index = bench_u16(frame->payload);
    if (index >= bench_model.input_count) {
        bench_reply_error_of(frame->sequence, BAD_ARGUMENT, "GetInputCrc: input ", index, ", there are ",
                             bench_model.input_count);
        return;
    }
    const uint32_t crc = bench_crc32(0, bench_input(index), bench_model.inputs[index].bytes);
    bench_send_begin(GET_INPUT_CRC | REPLY, frame->sequence, 4);
    bench_send_u32(crc);
    bench_send_end();
}

static void read_output(const bench_frame_t *frame)
{
    const uint32_t index = bench_u16(frame->payload), offset = bench_u32(frame->payload + 2);
    const uint32_t count = bench_u16(frame->payload + 6);
    if (index >= bench_model.output_count) {
        bench_reply_error_of(frame->sequence, BAD_ARGUMENT, "ReadOutput: output ", index, ", there are ",
                             bench_model.output_count);
    } else if (offset > bench_model.outputs[index].bytes || count > bench_model.outputs[index].bytes - offset) {
        bench_reply_error_of(frame->sequence, BAD_ARGUMENT, "ReadOutput: beyond the end, at offset ", offset,
                             " of an output of bytes ", bench_model.outputs[index].bytes);
    } else if (count > BENCH_MAX_PAYLOAD_BYTES - 6u) {
        bench_reply_error_of(frame->sequence, BAD_ARGUMENT, "ReadOutput: bytes ", count, ", at most ",
                             BENCH_MAX_PAYLOAD_BYTES - 6u);
    } else {
        bench_send_begin(READ_OUTPUT | REPLY, frame->sequence, 6u + count);
        bench_send_u16(index);
        bench_send_u32(offset);
        bench_send((const uint8_t *)bench_model.outputs[index].data + offset, count);
        bench_send_end();
    }
}

/* GetSamples and GetLayers: as many as fit of what there is. */
static void send_range(const bench_frame_t *frame, uint32_t there, uint32_t each_bytes)
{
    const uint32_t first = bench_u32(frame->payload), asked = bench_u32(frame->payload + 4);
    if (asked == 0 || first >= there || asked > there - first) {
        bench_reply_error_of(frame->sequence, BAD_ARGUMENT, "range of results from ", first, ", there are ", there);
        return;
    }
    const uint32_t most = (BENCH_MAX_PAYLOAD_BYTES - 4u) / each_bytes, count = asked < most ? asked : most;
    bench_send_begin((uint8_t)(frame->type | REPLY), frame->sequence, 4u + count * each_bytes);
    bench_send_u32(first);
    bench_send(bench_results() + first * each_bytes, count * each_bytes);
    bench_send_end();
}

static void send_memory(uint16_t sequence)
{
    const uint32_t stack_bytes = (uint32_t)(&__stack_top - &__stack_limit);
    const uint8_t *unused = &__stack_limit;
    __asm("" : "+r"(unused));
    uint32_t paint = PORT_STACK_PAINT;
    uint32_t untouched = 0;
    while (untouched < stack_bytes && __builtin_memcmp(unused + untouched, &paint, sizeof paint) == 0) {
        untouched += (uint32_t)sizeof paint;
    }
    uint32_t static_bytes = (uint32_t)(&__data_end - &__data_start) + (uint32_t)(&__bss_end - &__bss_start);
    const uint8_t *const arena = bench_model.arena;
    if ((uintptr_t)arena >= (uintptr_t)&__bss_start && (uintptr_t)arena < (uintptr_t)&__bss_end) {
        static_bytes -= bench_model.arena_bytes;
    }
    const uint32_t values[7] = {
        bench_model.arena_bytes, bench_model.arena_bytes, stack_bytes, stack_bytes - untouched, 0, 0, static_bytes,
    };
    bench_send_begin(GET_MEMORY | REPLY, sequence, sizeof values);
    for (unsigned at = 0; at < 7; at++) {
        bench_send_u32(values[at]);
    }
    bench_send_end();
}

void bench_answer(const bench_frame_t *frame)
{
    switch (frame->type) {
    case LOAD_INPUT:
        load_input(frame);
        break;
    case GET_INPUT_CRC:
        input_crc(frame);
        break;
    case GET_SAMPLES:
        send_range(frame, bench_sample_count(), BENCH_SAMPLE_BYTES);
        break;
    case GET_LAYERS:
        send_range(frame, bench_profiled_layers(), BENCH_LAYER_BYTES);
        break;
    case READ_OUTPUT:
        read_output(frame);
        break;
    default: /* GetMemory */
        send_memory(frame->sequence);
    }
}

#if defined(__clang__)
#pragma clang attribute pop
#endif
