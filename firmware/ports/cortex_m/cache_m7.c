#include "cache_m7.h"

#include "core_registers.h"

void cache_m7_enable_instruction(void) {
    core_barrier();
    REG(SCB, ICIALLU) = 0;
    core_barrier();
    REG(SCB, CCR) |= SCB_CCR_IC;
    core_barrier();
}

/* DDI 0489 (Cortex-M7 TRM), 3.4: DCISW has the way in the top bits (four ways: bits 31:30), the set from bit 5 on
 * (lines of 32 bytes). The contents are undefined after power-up and must not be written back: invalidate, not
 * clean. */
void cache_m7_enable_data(void) {
    enum { WAY_SHIFT = 30, SET_SHIFT = 5 };
    REG(SCB, CSSELR) = 0; /* level 1, data */
    core_barrier();
    const uint32_t size = REG(SCB, CCSIDR);
    for (uint32_t set = 0; set <= FIELD_OF(SCB_CCSIDR_NUMSETS, size); ++set) {
        for (uint32_t way = 0; way <= FIELD_OF(SCB_CCSIDR_ASSOCIATIVITY, size); ++way) {
            REG(SCB, DCISW) = (way << WAY_SHIFT) | (set << SET_SHIFT);
        }
    }
    core_barrier();
    REG(SCB, CCR) |= SCB_CCR_DC;
    core_barrier();
}
