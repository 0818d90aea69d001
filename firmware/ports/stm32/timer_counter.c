/* The cycle counter of a machine on which DWT counts nothing: QEMU's STM32F405, whose TIM2 runs at 1 GHz of virtual
 * time, which is one tick per instruction under `-icount shift=0`. */
#include "bench_port.h"
#include "board_port.h"

#ifdef PORT_OWN_COUNTER
#include "cycle_counter.h"
#include "family_registers.h"

static uint64_t total;
static uint32_t last;

bool cycle_counter_start(void) {
    REG(TIM2, CR1) = 0;
    REG(TIM2, PSC) = 0;
    REG(TIM2, ARR) = 0xFFFFFFFFu;
    REG(TIM2, EGR) = TIM2_EGR_UG;
    REG(TIM2, CR1) = TIM2_CR1_CEN;
    last = slow_timer_read();
    total = 0;
    for (volatile uint32_t i = 0; i < 200u; ++i) {
    }
    return slow_timer_read() != last;
}

/* Right for less than 2^32 instructions between two readings. */
uint64_t port_cycles(void) {
    core_barrier();
    const uint32_t now = slow_timer_read();
    core_barrier();
    total += now - last;
    last = now;
    return total;
}
#endif
