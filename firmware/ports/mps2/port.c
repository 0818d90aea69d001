/* The port of QEMU's MPS2 and MPS3 machines. There is no clock to set up, and DWT counts nothing there: what counts is
 * SysTick in QEMU's virtual time, which advances by 1 ns with every instruction under `-icount shift=0`. */
#include "bench_port.h"
#include "board.h"
#include "mps2.h"

static port_conditions_t conditions = {
    .core_clock_hz = BOARD_CORE_CLOCK_HZ,
    .fidelity = BENCH_FIDELITY_EMULATED,
    .text = "counter=qemu virtual time\n",
};
static uint64_t total_ticks;
static uint32_t last_value;

/* SysTick, which counts down. Not the CMSDK timer: while that runs, QEMU 7.2 loses received bytes. */
static uint32_t counter_read(void) {
    return REG(SYSTICK, CVR);
}

static void counter_start(void) {
    REG(SYSTICK, RVR) = COUNTER_MASK;
    REG(SYSTICK, CVR) = 0;
    REG(SYSTICK, CSR) = SYSTICK_CSR_ENABLE | SYSTICK_CSR_CLKSOURCE;
    for (volatile uint32_t i = 0; i < 200u; ++i) {
    }
    last_value = counter_read();
}

/* Right for less than one round of the counter between two readings: 2^24 ticks, more than 500 million
 * instructions. */
uint64_t port_cycles(void) {
    core_barrier();
    const uint32_t value = counter_read();
    core_barrier();
    total_ticks += (last_value - value) & COUNTER_MASK;
    last_value = value;
    return total_ticks * PORT_INSTRUCTIONS_OF / PORT_TICKS;
}

void port_init(void) {
    REG(UART, BAUDDIV) = UART_BAUDDIV_MIN;
    REG(UART, CTRL) = UART_CTRL_TX_ENABLE | UART_CTRL_RX_ENABLE;
    counter_start();
    const uint64_t first = port_cycles();
    for (volatile uint32_t i = 0; i < 200u; ++i) {
    }
    conditions.counter_running = port_cycles() != first;
}

const port_conditions_t *port_conditions(void) { return &conditions; }

bool port_uart_read(uint8_t *byte) {
    const uint32_t state = REG(UART, STATE);
    if ((state & UART_STATE_RX_OVERRUN) != 0) {
        REG(UART, STATE) = UART_STATE_RX_OVERRUN; /* written ones clear */
    }
    if ((state & UART_STATE_RX_FULL) == 0) {
        return false;
    }
    *byte = (uint8_t)REG(UART, DATA);
    return true;
}

bool port_uart_try_write(uint8_t byte) {
    if ((REG(UART, STATE) & UART_STATE_TX_FULL) != 0) {
        return false;
    }
    REG(UART, DATA) = byte;
    return true;
}

void port_uart_flush(void) {
    for (uint32_t left = 1000000u; left != 0 && (REG(UART, STATE) & UART_STATE_TX_FULL) != 0; --left) {
    }
}

void port_watchdog_kick(void) {}
