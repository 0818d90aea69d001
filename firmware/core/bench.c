/* The device's side of docs/protocol.md: boot, requests, faults. */
#include "bench_answer.h"
#include "bench_manifest.h"
#include "bench_model.h"
#include "bench_port.h"
#include "bench_protocol.h"
#include "bench_reply.h"
#include "bench_run.h"
#include "bench_text.h"
#include "bench_wire.h"

#if defined(__clang__) /* which unrolls at -O2 what runs once per frame */
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#endif

#define TEXT_GAP_PER_SECOND 10u /* a tenth of a second of silence lets a text command start amid a broken frame */

/* Bytes of payload, or the fewest where data follows; requests that have no entry have none. */
static const uint8_t payload_bytes[LAST_REQUEST + 1] = {
    [LOAD_INPUT] = 6, [GET_INPUT_CRC] = 2, [RUN] = 4, [GET_SAMPLES] = 8, [GET_LAYERS] = 8, [READ_OUTPUT] = 8,
};

/* The last Run or RunProfile: the same frame again gets the same reply. */
static struct {
    bool valid;
    uint8_t type;
    uint16_t sequence;
    bench_error_t error; /* of a run that was refused */
    bench_run_t run;     /* run.count is what was asked for */
    uint64_t profile_cycles;
} remembered;

static bench_error_t unfit; /* why the model must not run */

static const char *unfit_text(void)
{
    return unfit == WRONG_CHIP  ? "the image is for another chip"
           : unfit == BAD_IMAGE ? "the checksum of the image in flash is wrong"
                                : "faulted, waits for a reset";
}

static void send_unfit(uint16_t sequence)
{
    bench_line_t line = {.count = 0};
    bench_line_text(&line, unfit_text());
    if (unfit == WRONG_CHIP) {
        bench_line_text(&line, ": 0x");
        bench_line_hex(&line, bench_image()->chip_id, 3);
        bench_line_text(&line, ", this is 0x");
        bench_line_hex(&line, port_conditions()->chip_id, 3);
    }
    bench_reply_error(sequence, unfit, &line);
}

/* --- runs --------------------------------------------------------------------------------------------------------- */

static void send_failed_plan(void)
{
    unfit = FAULT;
    bench_line_t line = {.count = 0};
    bench_line_text(&line, "outputs depend on memory that no layer writes: the memory plan is wrong");
    bench_send_break();
    bench_reply_error(0, FAULT, &line);
}

static bench_error_t execute_run(const bench_frame_t *frame)
{
    if (frame->type == RUN && (remembered.run.count == 0 || remembered.run.count > bench_run_limit())) {
        return BAD_ARGUMENT;
    }
    if (frame->type == RUN_PROFILE && bench_model.layer_count > BENCH_MAX_LAYERS) {
        return BAD_ARGUMENT;
    }
    if (bench_input_loaded_bytes() != bench_input_total_bytes()) {
        return NO_INPUT;
    }
    if (!bench_counter_runs()) {
        return COUNTER_DEAD;
    }
    port_uart_flush();
    if (frame->type == RUN) {
        bench_run(remembered.run.count, &remembered.run);
    } else if (!bench_profile(&remembered.profile_cycles)) {
        return FAULT;
    }
    return NO_ERROR;
}

static void answer_run(const bench_frame_t *frame)
{
    const uint32_t count = frame->type == RUN ? bench_u32(frame->payload) : 0u;
    if (!remembered.valid || remembered.type != frame->type || remembered.sequence != frame->sequence ||
        remembered.run.count != count) {
        remembered.valid = true;
        remembered.type = frame->type;
        remembered.sequence = frame->sequence;
        remembered.run.count = count;
        remembered.error = execute_run(frame);
    }
    switch (remembered.error) {
    case NO_ERROR:
        if (frame->type == RUN) {
            bench_send_begin(RUN | REPLY, frame->sequence, 24);
            bench_send_u32(remembered.run.count);
            bench_send_u32(remembered.run.first_is_cold ? 1u : 0u);
            bench_send_u64(remembered.run.began_cycles);
            bench_send_u64(remembered.run.ended_cycles);
        } else {
            bench_send_begin(RUN_PROFILE | REPLY, frame->sequence, 12);
            bench_send_u32(bench_model.layer_count);
            bench_send_u64(remembered.profile_cycles);
        }
        bench_send_end();
        break;
    case NO_INPUT:
        bench_reply_error_of(frame->sequence, NO_INPUT, "loaded bytes: ", bench_input_loaded_bytes(), " of ",
                             bench_input_total_bytes());
        break;
    case COUNTER_DEAD:
        bench_reply_error_of(frame->sequence, COUNTER_DEAD, "the cycle counter stands at ", (uint32_t)port_cycles(),
                             ", nominal Hz ", port_conditions()->core_clock_hz);
        break;
    case FAULT:
        send_failed_plan();
        break;
    default:
        if (frame->type == RUN) {
            bench_reply_error_of(frame->sequence, remembered.error, "Run: count ", count, ", at most ",
                                 bench_run_limit());
        } else {
            bench_reply_error_of(frame->sequence, remembered.error, "RunProfile: layers ", bench_model.layer_count,
                                 ", built for at most ", BENCH_MAX_LAYERS);
        }
        break;
    }
}

/* --- dispatch ----------------------------------------------------------------------------------------------------- */

static bool payload_fits(const bench_frame_t *frame)
{
    const uint32_t expected = payload_bytes[frame->type];
    return frame->length == expected || (frame->length > expected && frame->type == LOAD_INPUT) ||
           frame->type == ECHO;
}

static void execute(const bench_frame_t *frame)
{
    if (frame->version != BENCH_PROTOCOL_VERSION || frame->type == 0 || frame->type > LAST_REQUEST) {
        bench_reply_error_of(frame->sequence, UNKNOWN_REQUEST, "no request: type ", frame->type, " of version ",
                             frame->version);
        return;
    }
    if (!payload_fits(frame)) {
        bench_reply_error_of(frame->sequence, BAD_ARGUMENT, "payload bytes: ", frame->length, ", expected ",
                             payload_bytes[frame->type]);
        return;
    }
    if (unfit != NO_ERROR && frame->type != JUMP_TO_BOOTLOADER && frame->type != RESET) {
        send_unfit(frame->sequence);
        return;
    }
    switch (frame->type) {
    case GET_MANIFEST:
        remembered.valid = false; /* a new conversation, whose sequence numbers may meet the old ones */
        bench_send_manifest(frame->sequence);
        break;
    case ECHO:
        bench_send_begin(ECHO | REPLY, frame->sequence, frame->length);
        bench_send(frame->payload, frame->length);
        bench_send_end();
        break;
    case GET_TIME: {
        const uint64_t now = port_cycles();
        bench_send_begin(GET_TIME | REPLY, frame->sequence, 8);
        bench_send_u64(now);
        bench_send_end();
        break;
    }
    case RUN:
    case RUN_PROFILE:
        answer_run(frame);
        break;
    case JUMP_TO_BOOTLOADER:
    case RESET:
        bench_reply_accepted(frame->sequence);
        port_uart_flush();
        if (frame->type == JUMP_TO_BOOTLOADER) {
            port_jump_to_bootloader();
        }
        port_reset();
    default:
        bench_answer(frame);
    }
}

static _Noreturn void serve(void)
{
    for (;;) {
        bench_frame_t frame;
        port_watchdog_kick();
        if (!bench_receive()) {
            bench_line_silent(port_cycles(), port_conditions()->core_clock_hz / TEXT_GAP_PER_SECOND);
        }
        if (bench_oldest_frame(&frame)) {
            execute(&frame);
            bench_release_frame();
        }
        if (unfit == NO_ERROR) {
            bench_text_execute();
        }
    }
}

/* --- boot and faults ---------------------------------------------------------------------------------------------- */

int main(void)
{
    port_init();
    bench_discard_received();
    bench_measure_overhead();
    unfit = bench_check_image();
    bench_send_break();
    if (unfit != NO_ERROR) {
        send_unfit(0);
        serve();
    }
    if (port_conditions()->clock_fallback) {
        bench_line_t line = {.count = 0};
        bench_line_text(&line, "the wished clock did not come up, the core runs at Hz ");
        bench_line_decimal(&line, port_conditions()->core_clock_hz);
        const uint8_t level = LOG_WARNING;
        bench_send_begin(LOG, 0, 1u + line.count);
        bench_send(&level, sizeof level);
        bench_send(line.text, line.count);
        bench_send_end();
    }
    bench_send_manifest(0);
    serve();
}

_Noreturn void bench_fault(const port_fault_t *fault)
{
    static const struct {
        const char *name;
        uint8_t at;
    } registers[] = {
        {" pc=", offsetof(port_fault_t, pc)},       {" lr=", offsetof(port_fault_t, lr)},
        {" psr=", offsetof(port_fault_t, xpsr)},    {" sp=", offsetof(port_fault_t, sp)},
        {" cfsr=", offsetof(port_fault_t, cfsr)},   {" hfsr=", offsetof(port_fault_t, hfsr)},
        {" mmfar=", offsetof(port_fault_t, mmfar)}, {" bfar=", offsetof(port_fault_t, bfar)},
    };
    bench_line_t line = {.count = 0};
    bench_line_text(&line, "exception ");
    bench_line_decimal(&line, fault->exception);
    if (bench_model.layer_now != NULL && *bench_model.layer_now != 0) {
        bench_line_text(&line, " layer=");
        bench_line_decimal(&line, *bench_model.layer_now - 1u);
    }
    for (unsigned at = 0; at < sizeof registers / sizeof registers[0]; at++) {
        uint32_t value;
        __builtin_memcpy(&value, (const uint8_t *)fault + registers[at].at, sizeof value);
        bench_line_text(&line, registers[at].name);
        bench_line_hex(&line, value, 8);
    }
    bench_discard_received();
    bench_send_break(); /* ends a frame that the fault has cut short */
    bench_reply_error(0, FAULT, &line);
    unfit = FAULT;
    serve();
}

#if defined(__clang__)
#pragma clang attribute pop
#endif
