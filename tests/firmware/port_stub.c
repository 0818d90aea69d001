/* The smallest program on a port: uses everything that bench_port.h offers. */
#include "bench_port.h"

static uint8_t arena[64] __attribute__((section(".arena"), aligned(32), used));
static uint8_t kept[32] __attribute__((section(".kept_inputs"), aligned(32), used));
static const char image_block[104] __attribute__((section(".image_block"), used)) = "BRIMAGE";
static volatile uint32_t initialised = 0x12345678u; /* .data */
static volatile uint32_t cleared;                   /* .bss */

static void send(const void *data, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        while (!port_uart_try_write(((const uint8_t *)data)[i])) {
        }
    }
}

int main(void) {
    port_init();
    const uint64_t start = port_cycles();
    for (;;) {
        uint8_t command;
        if (!port_uart_read(&command)) {
            port_watchdog_kick();
            continue;
        }
        arena[0] = kept[0] = command;
        const uint32_t words[4] = {initialised, cleared++, port_conditions()->core_clock_hz,
                                   (uint32_t)(port_cycles() - start)};
        send(words, sizeof words);
        port_uart_flush();
        if (command == 'b') {
            port_jump_to_bootloader();
        }
        if (command == 'r') {
            port_reset();
        }
    }
}

_Noreturn void bench_fault(const port_fault_t *fault) {
    send(fault, sizeof *fault);
    for (;;) {
    }
}
