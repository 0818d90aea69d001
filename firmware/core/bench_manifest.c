#include "bench_manifest.h"

#include "bench_model.h"
#include "bench_port.h"
#include "bench_run.h"
#include "bench_wire.h"

#if defined(__clang__) /* which unrolls at -O2 what runs once per frame */
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#endif

#define LARGEST_IMAGE_BYTES (16u << 20) /* of a length that can be believed */

const bench_image_block_t *bench_image(void)
{
    uintptr_t start = (uintptr_t)&__image_start;
    __asm("" : "+r"(start)); /* the compiler believes that the object named by the linker symbol has one byte */
    return (const bench_image_block_t *)(start + BENCH_IMAGE_BLOCK_OFFSET);
}

static uint32_t checksum(const bench_image_block_t *block)
{
    static const uint8_t zeros[sizeof block->image_sha256];
    const uint8_t *const bytes = (const uint8_t *)block - BENCH_IMAGE_BLOCK_OFFSET;
    const uint32_t crc_at = BENCH_IMAGE_BLOCK_OFFSET + (uint32_t)offsetof(bench_image_block_t, crc32);
    const uint32_t sha_at = BENCH_IMAGE_BLOCK_OFFSET + (uint32_t)offsetof(bench_image_block_t, image_sha256);
    const uint32_t sha_end = sha_at + (uint32_t)sizeof block->image_sha256;
    uint32_t crc = bench_crc32(0, bytes, crc_at);
    crc = bench_crc32(crc, zeros, sizeof block->crc32);
    crc = bench_crc32(crc, bytes + crc_at + sizeof block->crc32, sha_at - crc_at - sizeof block->crc32);
    crc = bench_crc32(crc, zeros, sizeof block->image_sha256);
    return bench_crc32(crc, bytes + sha_end, block->image_bytes - sha_end);
}

bench_error_t bench_check_image(void)
{
    const bench_image_block_t *const block = bench_image();
    const uint32_t header_bytes = BENCH_IMAGE_BLOCK_OFFSET + (uint32_t)sizeof *block;
    if (__builtin_memcmp(block->magic, BENCH_IMAGE_MAGIC, sizeof block->magic) != 0 || block->version != BENCH_IMAGE_VERSION) {
        return BAD_IMAGE;
    }
    if (port_conditions()->chip_id != 0 && port_conditions()->chip_id != block->chip_id) {
        return WRONG_CHIP;
    }
    if (block->image_bytes > LARGEST_IMAGE_BYTES || block->text_bytes > BENCH_IMAGE_TEXT_LIMIT ||
        block->image_bytes < header_bytes + block->text_bytes || checksum(block) != block->crc32) {
        return BAD_IMAGE;
    }
    return NO_ERROR;
}

static uint32_t text_length(const char *text)
{
    uint32_t length = 0;
    while (text != NULL && text[length] != '\0') {
        length++;
    }
    return length;
}

void bench_send_manifest(uint16_t sequence)
{
    const port_conditions_t *const conditions = port_conditions();
    const bench_image_block_t *const block = bench_image();
    const char *const texts[] = {
        !bench_model.inputs_overwritten ? "inputs=intact\n"
        : bench_inputs_are_lost()       ? "inputs=lost\n"
                                        : "inputs=copied\n",
        conditions->clock_fallback ? "clock=fallback\n" : NULL,
        conditions->text,
    };
    uint32_t text_bytes = block->text_bytes;
    for (unsigned at = 0; at < sizeof texts / sizeof texts[0]; at++) {
        text_bytes += text_length(texts[at]);
    }
    bench_send_begin(GET_MANIFEST | REPLY, sequence,
                     100u + 4u * (bench_model.input_count + bench_model.output_count) + text_bytes);
    const uint8_t who[2] = {BENCH_PROTOCOL_VERSION, conditions->fidelity};
    bench_send(who, sizeof who);
    bench_send_u16(conditions->chip_id);
    bench_send_u32(conditions->core_clock_hz);
    bench_send_u32(conditions->time_scale_permille);
    const uint8_t flags[2] = {
        (uint8_t)((conditions->icache ? 1u : 0u) | (conditions->dcache ? 2u : 0u) | (conditions->prefetch ? 4u : 0u) |
                  (conditions->counter_running ? 8u : 0u)),
        (uint8_t)conditions->flash_wait_states,
    };
    bench_send(flags, sizeof flags);
    bench_send_u16(BENCH_MAX_PAYLOAD_BYTES);
    bench_send_u32(bench_run_limit());
    bench_send_u32(bench_overhead_cycles());
    bench_send_u32(conditions->reset_cause);
    bench_send_u16(bench_model.layer_count);
    bench_send_u16(BENCH_WINDOW_FRAMES);
    bench_send(block->image_sha256, sizeof block->image_sha256);
    bench_send(block->model_sha256, sizeof block->model_sha256);
    const uint8_t counts[2] = {(uint8_t)bench_model.input_count, (uint8_t)bench_model.output_count};
    bench_send(counts, sizeof counts);
    bench_send_u16(text_bytes);
    for (uint32_t at = 0; at < bench_model.input_count; at++) {
        bench_send_u32(bench_model.inputs[at].bytes);
    }
    for (uint32_t at = 0; at < bench_model.output_count; at++) {
        bench_send_u32(bench_model.outputs[at].bytes);
    }
    bench_send((const char *)(block + 1), block->text_bytes);
    for (unsigned at = 0; at < sizeof texts / sizeof texts[0]; at++) {
        bench_send(texts[at], text_length(texts[at]));
    }
    bench_send_end();
}

#if defined(__clang__)
#pragma clang attribute pop
#endif
