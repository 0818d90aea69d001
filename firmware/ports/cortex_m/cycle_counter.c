#include "cycle_counter.h"

#include "bench_port.h"
#include "board_port.h"
#include "core_registers.h"

#ifndef PORT_OWN_COUNTER /* machines on which DWT counts nothing */

/* CYCCNT alone wraps every 2^32 cycles, 10.7 s at 400 MHz, and one inference may take longer without anybody reading
 * it meanwhile. The slow timer says, to within a tick or two of 2^16 cycles, how many cycles passed since the last
 * reading; CYCCNT then says how many they were exactly: of all numbers that agree with it in the low 32 bits, the one
 * nearest to the estimate. The estimate is wrong by less than 2^17 (one tick of phase at each end, and the time between
 * the two readings), the candidates are 2^32 apart, so the answer is unique. The error does not add up over readings,
 * because each starts from the exact result of the last. The timer's 32 bits reach 2^48 cycles between two readings.
 *
 * A timer that stands still (a machine that does not have it) leaves this right for 2^31 cycles between readings. */
static uint64_t total;
static uint32_t last_tick;

bool cycle_counter_start(void) {
    REG(DCB, DEMCR) |= DCB_DEMCR_TRCENA;
    core_barrier();
    REG(DWT, LAR) = DWT_LAR_KEY; /* Cortex-M7 starts locked; writes to it do nothing on cores without the lock */
    REG(DWT, CYCCNT) = 0;
    REG(DWT, CTRL) |= DWT_CTRL_CYCCNTENA;
    core_barrier();
    last_tick = slow_timer_read();
    total = 0;
    const uint32_t first = REG(DWT, CYCCNT);
    for (volatile uint32_t i = 0; i < 16u; ++i) {
    }
    return REG(DWT, CYCCNT) != first;
}

uint64_t port_cycles(void) {
    core_barrier();
    const uint32_t low = REG(DWT, CYCCNT);
    const uint32_t tick = slow_timer_read();
    core_barrier();
    const uint64_t estimate = total + (uint64_t)(tick - last_tick) * SLOW_TICK_CYCLES;
    const uint32_t correction = low - (uint32_t)estimate; /* modulo 2^32, meant as -2^31 .. 2^31-1 */
    /* Sign-extended without a branch: a reading takes the same instructions whatever is read. */
    total = estimate + correction - ((uint64_t)(correction & 0x80000000u) << 1);
    last_tick = tick;
    return total;
}

#endif
