/* The flash accelerator (ART) of STM32F4 and L4: the same register in both. RM0090, RM0351, RM0432. */
#include "family_registers.h"
#include "port_options.h"
#include "stm32.h"

/* Instruction and data cache of the flash interface; emptied while they are off. */
void stm32_caches_start(void) {
    REG(FLASH, ACR) &= ~(FLASH_ACR_ICEN | FLASH_ACR_DCEN);
    REG(FLASH, ACR) |= FLASH_ACR_ICRST | FLASH_ACR_DCRST;
    REG(FLASH, ACR) &= ~(FLASH_ACR_ICRST | FLASH_ACR_DCRST);
    REG(FLASH, ACR) = (REG(FLASH, ACR) & FLASH_ACR_LATENCY) | (PORT_ICACHE ? FLASH_ACR_ICEN : 0u) |
                      (PORT_DCACHE ? FLASH_ACR_DCEN : 0u) | (PORT_PREFETCH ? FLASH_ACR_PRFTEN : 0u);
}

void stm32_caches_read(port_conditions_t *conditions) {
    const uint32_t acr = REG(FLASH, ACR);
    conditions->icache = (acr & FLASH_ACR_ICEN) != 0;
    conditions->dcache = (acr & FLASH_ACR_DCEN) != 0;
    conditions->prefetch = (acr & FLASH_ACR_PRFTEN) != 0;
    conditions->flash_wait_states = (uint16_t)FIELD_OF(FLASH_ACR_LATENCY, acr);
}
