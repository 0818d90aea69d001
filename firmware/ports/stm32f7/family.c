/* STM32F7: caches and flash accelerator. */
#include "cache_m7.h"
#include "family_registers.h"
#include "port_options.h"
#include "stm32.h"

/* RM0410, FLASH_ACR: the accelerator (ART) and its prefetch serve the ITCM interface only; the image runs at
 * 0x08000000, over AXI and through the L1 caches, so that it changes nothing there. It is switched on all the same, as
 * a person who reads `prefetch` expects. */
void stm32_caches_start(void) {
#if PORT_PREFETCH
    REG(FLASH, ACR) &= ~FLASH_ACR_ARTEN;
    REG(FLASH, ACR) |= FLASH_ACR_ARTRST; /* only while it is off */
    REG(FLASH, ACR) &= ~FLASH_ACR_ARTRST;
    REG(FLASH, ACR) |= FLASH_ACR_PRFTEN | FLASH_ACR_ARTEN;
#endif
#if PORT_ICACHE
    cache_m7_enable_instruction();
#endif
#if PORT_DCACHE
    cache_m7_enable_data();
#endif
}

void stm32_caches_read(port_conditions_t *conditions) {
    const uint32_t acr = REG(FLASH, ACR);
    conditions->icache = (REG(SCB, CCR) & SCB_CCR_IC) != 0;
    conditions->dcache = (REG(SCB, CCR) & SCB_CCR_DC) != 0;
    conditions->prefetch = (acr & FLASH_ACR_PRFTEN) != 0;
    conditions->flash_wait_states = (uint16_t)FIELD_OF(FLASH_ACR_LATENCY, acr);
}
