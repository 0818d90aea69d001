/* What a port of one MCU family offers to the bench: the contract between `core/` and `ports/<family>/`.
 *
 * Everything is polled; no interrupt is ever enabled, so that nothing disturbs a timed inference. Functions that wait
 * do so with a bound.
 */
#ifndef BENCH_PORT_H
#define BENCH_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_FIDELITY_MEASURED 0u /* as FidelityCode of protocol.md */
#define BENCH_FIDELITY_EMULATED 1u
/* The 12 bytes of the unique id register of every emulated STM32 (benchrunner/image.py, EMULATED_UID): no factory
 * writes them. There the counter counts instructions, and time_scale_permille is 0. */
#define BENCH_EMULATED_UID "BENCHRUN-EMU"

typedef struct {
    uint32_t core_clock_hz; /* as set up and read back, not as wished */
    uint16_t chip_id;       /* DBGMCU_IDCODE[11:0]; 0 where the machine has none */
    uint8_t fidelity;       /* BENCH_FIDELITY_*; an STM32 port compares its unique id with BENCH_EMULATED_UID */
    uint16_t time_scale_permille; /* 1000 on silicon; 0 where device time is not wall time */
    bool icache;
    bool dcache;
    bool prefetch;
    bool counter_running; /* proven by reading it twice */
    uint16_t flash_wait_states;
    uint32_t reset_cause; /* as in the part's reset status register, 0 unknown */
    bool clock_fallback;  /* the wished clock did not come up: core_clock_hz is the one that runs */
    const char *text;     /* further lines "key=value\n" for the manifest, or NULL; keys that the image's text lacks */
} port_conditions_t;

/* Clock tree, flash wait states, caches, FPU, UART, cycle counter. Called once, first thing in main. */
void port_init(void);
const port_conditions_t *port_conditions(void);

/* The 64-bit cycle counter. Must be called at least once per 2^32 cycles outside of a run; inside a run the core calls
 * it only before and after, so a port whose hardware counter has 32 bits must extend it by other means (a second,
 * slower counter) and be right for one inference of up to 2^40 cycles. Ordered by barriers. */
uint64_t port_cycles(void);

/* One byte if there is one. Clears an overrun or line error if it finds one: neither may stay set. */
bool port_uart_read(uint8_t *byte);
/* Hands one byte to the transmitter; false, at once, while that has no room. The core reads between two tries, so
 * that a receiver without FIFO loses nothing while something is sent. */
bool port_uart_try_write(uint8_t byte);
/* Waits until the wire is idle. */
void port_uart_flush(void);

void port_watchdog_kick(void); /* a no-op where there is none */

_Noreturn void port_reset(void);
_Noreturn void port_jump_to_bootloader(void);

/* What the processor knew when it faulted. The registers are those of the code that faulted. Fields that this core
 * does not have, or that could not be read because the stack pointer was outside of the stack, are 0. */
typedef struct {
    uint32_t r0, r1, r2, r3, r12, lr, pc, xpsr;
    uint32_t sp;         /* before the exception */
    uint32_t exception;  /* 2 NMI, 3 hard fault, 4 memory, 5 bus, 6 usage; else an interrupt that nobody enabled */
    uint32_t exc_return; /* EXC_RETURN, in lr on entry */
    uint32_t cfsr, hfsr, mmfar, bfar;
} port_fault_t;

/* Given by core/, called by the port on a stack that is whole again: reports and waits for a reset. */
_Noreturn void bench_fault(const port_fault_t *fault);

/* The word that start-up fills the stack with before main, from __stack_limit up to __stack_top. */
#define PORT_STACK_PAINT 0xC5C5C5C5u

/* Linker symbols, the same names in every linker script. */
extern uint8_t __stack_limit; /* lowest address of the stack */
extern uint8_t __stack_top;   /* first address above it */
extern uint8_t __data_start, __data_end, __bss_start, __bss_end;
extern const uint8_t __image_start; /* the vector table; the manifest block lies BENCH_IMAGE_BLOCK_OFFSET behind */

#endif
