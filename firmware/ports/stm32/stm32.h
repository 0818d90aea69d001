/* What one STM32 family gives to the part of the port that all of them share. */
#ifndef STM32_H
#define STM32_H

#include <stdbool.h>
#include <stdint.h>

#include "bench_port.h"

typedef struct {
    uint32_t core_hz;  /* of the processor */
    uint32_t timer_hz; /* of TIM2, before its prescaler; core_hz is a multiple of it by a power of two */
    uint32_t usart_hz; /* of the USART of the virtual COM port, before its divider */
} stm32_clocks_t;

/* Core voltage, flash wait states, oscillator, PLL, bus dividers as the board's header has them, from whatever state
 * the ROM left. False: a step did not come up in time, and the core runs on the internal oscillator. */
bool stm32_clocks_start(void);
/* What the registers say now. */
stm32_clocks_t stm32_clocks_read(void);

/* Flash accelerator and caches. */
void stm32_caches_start(void);
/* Fills icache, dcache, prefetch and flash_wait_states from the registers. */
void stm32_caches_read(port_conditions_t *conditions);

/* The reset flags, which it clears for the next time. */
uint32_t stm32_reset_cause(void);

/* Clocks of GPIO ports, USART and TIM2. */
void stm32_peripherals_enable(void);

/* The USART of the virtual COM port: 8N1, BOARD_BAUD_HZ, as near as the divider comes. */
void stm32_usart_start(uint32_t usart_hz);

/* Waits until (word & mask) == value, for at most STM32_WAIT_POLLS readings. The slowest thing waited for is a crystal
 * (datasheets: about 2 ms typical, tens of ms at worst); a polling turn takes at least 5 cycles, so that at the
 * 64 MHz of the fastest reset clock this is at least 30 ms, and in practice about 100 ms. */
#define STM32_WAIT_POLLS 400000u
static inline bool stm32_wait(volatile const uint32_t *word, uint32_t mask, uint32_t value) {
    for (uint32_t polls = 0; polls < STM32_WAIT_POLLS; ++polls) {
        if ((*word & mask) == value) {
            return true;
        }
    }
    return false;
}

#endif
