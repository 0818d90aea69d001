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

/* Each call needs more of the stack, and there are more calls than it has room for. */
__attribute__((noinline)) static uint32_t overflow(uint32_t calls) {
    volatile uint32_t frame[16];
    frame[calls % 16u] = calls;
    return calls == 0 ? 0 : overflow(calls - 1u) + frame[(calls + 1u) % 16u];
}

/* An address where no part has anything. */
__attribute__((noinline)) static void touch_nothing(void) { *(volatile uint32_t *)0xC0000000u = 1; }

static uint32_t painted_bytes(void) {
    const uint32_t *word = (const uint32_t *)(const void *)&__stack_limit;
    while (*word == PORT_STACK_PAINT) {
        ++word;
    }
    return (uint32_t)((const uint8_t *)word - &__stack_limit);
}

int main(void) {
    port_init();
    const uint64_t start = port_cycles();
    send("R", 1); /* ready: what is received before is lost */
    for (;;) {
        uint8_t command;
        if (!port_uart_read(&command)) {
            port_watchdog_kick();
            continue;
        }
        arena[0] = kept[0] = command;
        const port_conditions_t *at = port_conditions();
        const uint32_t words[] = {
            initialised,     cleared++,  at->core_clock_hz,   at->clock_fallback,  at->counter_running,
            at->fidelity,    at->icache, at->dcache,          at->prefetch,        at->flash_wait_states,
            at->chip_id,     at->reset_cause, painted_bytes(), (uint32_t)(port_cycles() - start),
        };
        send(words, sizeof words);
        port_uart_flush();
        if (command == 'o') {
            arena[1] = (uint8_t)overflow(1000);
        }
        if (command == 'f') {
            touch_nothing();
        }
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
