/* The serial commands of MLPerf Tiny in performance mode, beside the frames of the device protocol. */
#include "bench_mlperf.h"

#include "bench_model.h"
#include "bench_port.h"
#include "bench_run.h"
#include "bench_text.h"
#include "bench_wire.h"

#if defined(__clang__) /* small: nothing here is timed but a loop of calls */
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC optimize("Os")
#endif

#define COMMAND_CHARACTERS 80u
#define MICROSECONDS 1000000u
#define BYTES_PER_LINE 8u
#define QUANTISED_BYTES 32u
#define BOOT_SILENCE_S 2u /* who speaks frames does so by then, and would count the lines as damage */

static struct {
    /* Commands that have arrived, each closed by '%', then the one that is arriving. */
    char text[COMMAND_CHARACTERS + 1u];
    uint8_t complete; /* characters of those that are whole, '%' included */
    uint8_t count;    /* characters */
    bool overflowed;  /* the arriving one is too long, or waits behind too many */
    bool no_text;     /* what arrives is a frame, or noise: until a delimiter, or a silence */
    bool doubtful;    /* the arriving one began amid a frame: it must be a command that is known */
    bool introduced;  /* somebody spoke, or the boot lines were sent */
    uint32_t expected_bytes, loaded_bytes; /* of db load */
} commands;

/* --- telling text from frames --------------------------------------------------------------------------------------- */

static bool is_word(const char *text, const char *word)
{
    while (*word != '\0') {
        if (*text++ != *word++) {
            return false;
        }
    }
    return *text == '%' || *text == ' ' || *text == '\0';
}

static const char *const words[] = {"name", "timestamp", "profile", "help", "db", "infer", "results"};

static bool is_known(const char *text)
{
    for (unsigned at = 0; at < sizeof words / sizeof words[0]; at++) {
        if (is_word(text, words[at])) {
            return true;
        }
    }
    return false;
}

static void drop_arriving(void)
{
    commands.count = commands.complete;
    commands.overflowed = false;
    commands.doubtful = false;
}

/* A good frame has version 1 as its second byte on the wire, a command only printable characters: the two cannot be
 * taken for each other. What follows a damaged frame is not text before a delimiter, or a silence and a known word. */
bool bench_text_take(uint8_t byte, bool after_gap)
{
    commands.introduced = true;
    if (byte == 0) {
        commands.no_text = false;
        drop_arriving();
        return false;
    }
    if (commands.no_text) {
        if (!after_gap) {
            return false;
        }
        commands.no_text = false;
        commands.doubtful = true;
    }
    if ((byte == '\r' || byte == '\n') && commands.count == commands.complete) {
        return false;
    }
    if (byte < ' ' || byte > '~') {
        drop_arriving();
        commands.no_text = true;
        return false;
    }
    if (commands.count < COMMAND_CHARACTERS) {
        commands.text[commands.count++] = (char)byte;
    } else {
        commands.overflowed = true;
    }
    if (byte != '%') {
        return false;
    }
    if (commands.doubtful && !is_known(commands.text + commands.complete)) {
        drop_arriving();
        commands.no_text = true;
        return false;
    }
    if (commands.overflowed) {
        commands.text[COMMAND_CHARACTERS - 1u] = '%';
        if (commands.complete < COMMAND_CHARACTERS - 1u) {
            commands.text[commands.complete] = '?'; /* refused as unknown, and not executed in part */
        }
    }
    commands.complete = commands.count;
    drop_arriving();
    return true;
}

/* --- lines ---------------------------------------------------------------------------------------------------------- */

static void say(const bench_line_t *line)
{
    bench_send_plain(line->text, line->count);
    bench_send_plain("\r\n", 2);
}

static void say_text(const char *text)
{
    bench_line_t line = {.count = 0};
    bench_line_text(&line, text);
    say(&line);
}

static void say_around(const char *before, const char *middle, const char *after)
{
    bench_line_t line = {.count = 0};
    bench_line_text(&line, before);
    bench_line_text(&line, middle);
    bench_line_text(&line, after);
    say(&line);
}

static void say_number(const char *before, uint64_t number, const char *after)
{
    bench_line_t line = {.count = 0};
    bench_line_text(&line, before);
    bench_line_decimal(&line, number);
    bench_line_text(&line, after);
    say(&line);
}

static void say_lap(uint64_t cycles)
{
    /* Whole seconds apart, so that nothing exceeds 64 bits. */
    uint32_t rest, unused;
    const uint32_t hz = port_conditions()->core_clock_hz;
    const uint64_t seconds = bench_divide(cycles, hz, &rest);
    const uint64_t microseconds = bench_divide((uint64_t)rest * MICROSECONDS, hz, &unused);
    say_number("m-lap-us-", seconds * MICROSECONDS + microseconds, "");
}

/* --- input ---------------------------------------------------------------------------------------------------------- */

static uint32_t largest_load(void)
{
    return bench_model.inputs[0].bytes * (bench_mlperf.load == BENCH_MLPERF_FLOATS ? (uint32_t)sizeof(float) : 1u);
}

/* Turns pixels into the int8 input and back. */
static uint8_t pixel_bit(void)
{
    return bench_mlperf.load == BENCH_MLPERF_MINUS_128 ? 0x80u : 0u;
}

static uint8_t loaded_byte(uint32_t at)
{
    return bench_mlperf.load == BENCH_MLPERF_FLOATS ? ((const uint8_t *)bench_mlperf.floats)[at]
                                                    : (uint8_t)(bench_input(0)[at] ^ pixel_bit());
}

static void store(const uint8_t *bytes, uint32_t count)
{
    if (bench_mlperf.load == BENCH_MLPERF_FLOATS) {
        __builtin_memcpy((uint8_t *)bench_mlperf.floats + commands.loaded_bytes, bytes, count);
    } else {
        (void)bench_load_input(0, commands.loaded_bytes, bytes, count);
    }
    commands.loaded_bytes += count;
}

/* value / scale + zero point, to the nearest integer, halves away from zero, within int8. */
static int8_t quantised(float value)
{
    const float steps = value / bench_mlperf.input_scale;
    if (!(steps > -1024.0f)) { /* NaN, too */
        return INT8_MIN;
    }
    if (steps > 1024.0f) {
        return INT8_MAX;
    }
    int32_t whole = (int32_t)steps;
    const float rest = steps - (float)whole;
    whole += rest >= 0.5f ? 1 : rest <= -0.5f ? -1 : 0;
    whole += bench_mlperf.input_zero_point;
    return (int8_t)(whole < INT8_MIN ? INT8_MIN : whole > INT8_MAX ? INT8_MAX : whole);
}

static void quantise_input(void)
{
    if (bench_mlperf.load != BENCH_MLPERF_FLOATS) {
        return;
    }
    const uint32_t bytes = bench_model.inputs[0].bytes;
    uint8_t some[QUANTISED_BYTES];
    for (uint32_t done = 0; done < bytes;) {
        uint32_t count = 0;
        while (count < QUANTISED_BYTES && done + count < bytes) {
            some[count] = (uint8_t)quantised(bench_mlperf.floats[done + count]);
            count++;
        }
        (void)bench_load_input(0, done, some, count);
        done += count;
    }
}

static int hex_digit(char character)
{
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    const char lower = (char)(character | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Digits up to 9 999 999 999 and an optional sign; as much as is a number. */
static int64_t number_at(const char *text)
{
    int64_t number = 0;
    const bool negative = *text == '-';
    text += negative ? 1 : 0;
    for (int digits = 0; digits < 10 && *text >= '0' && *text <= '9'; digits++) {
        number = number * 10 + (*text++ - '0');
    }
    return negative ? -number : number;
}

static void store_hex(const char *digits)
{
    uint32_t count = 0;
    while (digits[count] != '\0') {
        count++;
    }
    if ((count & 1u) != 0) {
        say_text("e-[Insufficent number of hex digits]"); /* spelled as the runner knows it */
        return;
    }
    uint8_t bytes[COMMAND_CHARACTERS / 2u];
    for (uint32_t at = 0; at < count; at += 2) {
        const int high = hex_digit(digits[at]), low = hex_digit(digits[at + 1]);
        if (high < 0 || low < 0) {
            const char pair[3] = {digits[at], digits[at + 1], '\0'};
            say_around("e-[Invalid hex digit '", pair, "']");
            return;
        }
        bytes[at / 2u] = (uint8_t)((high << 4 | low) ^ pixel_bit());
    }
    const uint32_t left = commands.expected_bytes - commands.loaded_bytes;
    if (left != 0) {
        store(bytes, count / 2u < left ? count / 2u : left);
        if (commands.loaded_bytes == commands.expected_bytes) {
            say_text("m-load-done");
        }
    }
}

static void print_buffer(void)
{
    bench_line_t line = {.count = 0};
    uint32_t at = 0;
    while (at < commands.expected_bytes) {
        bench_line_text(&line, at % BYTES_PER_LINE == 0 ? "m-buffer-" : "-");
        bench_line_hex(&line, loaded_byte(at++), 2);
        if (at % BYTES_PER_LINE == 0 || at == commands.expected_bytes) {
            say(&line);
            line.count = 0;
        }
    }
    if (at % BYTES_PER_LINE != 0) {
        say(&line);
    }
}

static void db(const char *arguments)
{
    if (*arguments == '\0') {
        say_text("e-[Command 'db' requires a subcommand]");
    } else if (is_word(arguments, "load")) {
        const char *const text = arguments + 4;
        const int64_t count = *text == ' ' ? number_at(text + 1) : 0;
        commands.expected_bytes = commands.loaded_bytes = 0; /* what fails leaves nothing to be filled */
        if (*text != ' ') {
            say_text("e-[Command 'db load' requires the # of bytes]");
        } else if (count <= 0) {
            say_text("e-[Command 'db load' must be >0 bytes]");
        } else if (count > (int64_t)largest_load()) {
            bench_line_t line = {.count = 0};
            bench_line_text(&line, "Supplied buffer size ");
            bench_line_decimal(&line, (uint64_t)count);
            bench_line_text(&line, " exceeds maximum of ");
            bench_line_decimal(&line, largest_load());
            say(&line);
        } else {
            commands.expected_bytes = (uint32_t)count;
            say_number("m-[Expecting ", (uint64_t)count, " bytes]");
        }
    } else if (is_word(arguments, "print")) {
        print_buffer();
    } else {
        store_hex(arguments);
    }
}

/* --- inference ------------------------------------------------------------------------------------------------------ */

static void results(void)
{
    const int8_t *const output = bench_model.outputs[0].data;
    const uint32_t count = bench_model.outputs[0].bytes;
    float squares = 0.0f;
    bench_line_t line = {.count = 0};
    bench_line_text(&line, "m-results-[");
    for (uint32_t at = 0; at < count; at++) {
        const float value = (float)(output[at] - bench_mlperf.output_zero_point) * bench_mlperf.output_scale;
        if (bench_mlperf.load == BENCH_MLPERF_FLOATS) {
            const float difference = value - bench_mlperf.floats[at];
            squares += difference * difference;
        } else {
            bench_line_text(&line, at != 0 ? "," : "");
            bench_line_thousandths(&line, value);
        }
    }
    if (bench_mlperf.load == BENCH_MLPERF_FLOATS) {
        bench_line_thousandths(&line, squares / (float)count);
    }
    bench_line_text(&line, "]");
    say(&line);
}

static void infer(const char *arguments)
{
    int64_t iterations = 1, warmups = 10; /* the benchmark's own defaults */
    if (*arguments != '\0') {
        iterations = number_at(arguments);
        while (*arguments != '\0' && *arguments != ' ') {
            arguments++;
        }
        if (*arguments == ' ') {
            warmups = number_at(arguments + 1);
        }
    }
    if (iterations <= 0) {
        say_text("e-[Inference iterations must be >0]");
        return;
    }
    if (warmups < 0) {
        say_text("e-[Inference warmup must be >=0]");
        return;
    }
    if (bench_inputs_are_lost() && iterations + warmups > 1) {
        say_text("e-[This network overwrites its input: one inference for each load]");
        return;
    }
    quantise_input();
    say_number("m-warmup-start-", (uint64_t)warmups, "");
    while (warmups-- != 0) {
        bench_infer();
    }
    say_text("m-warmup-done");
    say_number("m-infer-start-", (uint64_t)iterations, "");
    port_uart_flush();
    /* Both times are said when both are known: nothing is sent between them. */
    const uint64_t began = port_cycles();
    while (iterations-- != 0) {
        bench_infer();
    }
    const uint64_t ended = port_cycles();
    say_lap(began);
    say_lap(ended);
    say_text("m-infer-done");
    results();
}

/* --- commands ------------------------------------------------------------------------------------------------------- */

static const char speaks_as[] = "ULPMark for tinyML Firmware V0.0.1"; /* which every firmware has to say */

static void execute(char *command)
{
    char *arguments = command;
    while (*arguments != '\0' && *arguments != ' ') {
        arguments++;
    }
    if (*arguments == ' ') {
        *arguments++ = '\0';
    }
    if (is_word(command, "name")) {
        say_around("m-name-dut-[", bench_mlperf.vendor, "]");
    } else if (is_word(command, "timestamp")) {
        say_lap(port_cycles());
    } else if (is_word(command, "profile")) {
        say_around("m-profile-[", speaks_as, "]");
        say_around("m-model-[", bench_mlperf.model, "]");
        if (port_conditions()->fidelity != BENCH_FIDELITY_MEASURED) { /* its microseconds are none */
            say_text("m-fidelity-[emulated]");
        }
    } else if (is_word(command, "help")) {
        say_text(speaks_as);
        say_text("");
        say_text("name, timestamp, profile, help, db load N, db HEX, db print, infer N W, results; each ends with '%'");
    } else if (is_word(command, "db")) {
        db(arguments);
    } else if (is_word(command, "infer")) {
        infer(arguments);
    } else if (is_word(command, "results")) {
        results();
    } else {
        say_around("e-[Unknown command: ", command, "]");
    }
    say_text("m-ready");
}

static void introduce(void)
{
    commands.introduced = true;
    say_text("m-timestamp-mode-performance");
    say_lap(port_cycles());
    say_text("m-init-done");
    say_text("m-ready");
}

void bench_text_execute(void)
{
    if (!commands.introduced && port_cycles() >= (uint64_t)port_conditions()->core_clock_hz * BOOT_SILENCE_S) {
        introduce();
    }
    if (commands.complete == 0) {
        return;
    }
    char command[COMMAND_CHARACTERS + 1u];
    uint8_t length = 0;
    while (commands.text[length] != '%') {
        command[length] = commands.text[length];
        length++;
    }
    command[length] = '\0';
    const uint8_t taken = (uint8_t)(length + 1u);
    for (uint8_t at = taken; at < commands.count; at++) {
        commands.text[at - taken] = commands.text[at];
    }
    commands.complete = (uint8_t)(commands.complete - taken);
    commands.count = (uint8_t)(commands.count - taken);
    execute(command);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif
