/* STM32U5: core voltage with its booster, clock tree, instruction cache. RM0456.
 *
 * The PLL runs from HSI16, which every board has and which is within 1 % over temperature (datasheets): so are
 * milliseconds derived from the nominal clock. Cycles are exact. */
#include "board.h"
#include "board_port.h"
#include "family_registers.h"
#include "port_options.h"
#include "stm32.h"

#define HSI_HZ 16000000u
#define MSI_RESET_HZ 4000000u

enum { SOURCE_HSI = 1, SOURCE_PLL1 = 3 }; /* RCC_CFGR1 SW, SWS */
enum { PLL1SRC_HSI = 2 };                 /* RCC_PLL1CFGR PLL1SRC */
enum { MBOOST_2 = 1 };                    /* PLL1MBOOST: the booster's clock is the PLL's source by two */
enum { VOS_RANGE1 = 3 };                  /* PWR_VOSR VOS */

#define REFERENCE_HZ (HSI_HZ / PORT_PLL_M)
#define VCO_HZ (REFERENCE_HZ * PORT_PLL_N)

/* RCC_PLL1CFGR, RCC_PLL1DIVR; datasheets, PLL characteristics: reference 4..16 MHz, VCO 128..544 MHz. */
_Static_assert(HSI_HZ % PORT_PLL_M == 0, "whole hertz");
_Static_assert(REFERENCE_HZ >= 4000000u && REFERENCE_HZ <= 16000000u, "reference of the VCO");
_Static_assert(VCO_HZ >= 128000000u && VCO_HZ <= 544000000u, "VCO");
_Static_assert(VCO_HZ == BOARD_CORE_CLOCK_HZ * PORT_PLL_R, "the core runs on PLL1 R");
_Static_assert(PORT_PLL_N >= 4 && PORT_PLL_N <= 512 && PORT_PLL_M >= 1 && PORT_PLL_M <= 16, "PLL1N, PLL1M");
_Static_assert(PORT_PLL_R == 1 || PORT_PLL_R % 2u == 0, "PLL1R: odd dividers are not allowed");
_Static_assert(BOARD_CORE_CLOCK_HZ > 55000000u && BOARD_CORE_CLOCK_HZ <= 160000000u, "range 1 with the booster");
/* PLL1MBOOST: the booster's clock must be 4..16 MHz. */
_Static_assert(HSI_HZ / 2u >= 4000000u && HSI_HZ / 2u <= 16000000u, "booster");

/* PLL1RGE: 3 for a reference of 8..16 MHz, else 4..8 MHz. */
#define REFERENCE_RANGE (REFERENCE_HZ > 8000000u ? 3u : 0u)

static bool select(uint32_t source) {
    REG(RCC, CFGR1) = (REG(RCC, CFGR1) & ~RCC_CFGR1_SW) | FIELD(RCC_CFGR1_SW, source);
    return stm32_wait(&REG(RCC, CFGR1), RCC_CFGR1_SWS, FIELD(RCC_CFGR1_SWS, source));
}

/* Whatever the ROM left: on HSI16, PLL1 and booster off, buses undivided. The dividers last: they must not go down
 * while the clock is still fast. */
static bool run_on_hsi(void) {
    REG(RCC, CR) |= RCC_CR_HSION;
    if (!stm32_wait(&REG(RCC, CR), RCC_CR_HSIRDY, RCC_CR_HSIRDY) || !select(SOURCE_HSI)) {
        return false;
    }
    REG(RCC, CR) &= ~RCC_CR_PLL1ON;
    (void)stm32_wait(&REG(RCC, CR), RCC_CR_PLL1RDY, 0);
    REG(RCC, CFGR2) &= ~(RCC_CFGR2_HPRE | RCC_CFGR2_PPRE1 | RCC_CFGR2_PPRE2);
    REG(RCC, AHB3ENR) |= RCC_AHB3ENR_PWREN;
    (void)REG(RCC, AHB3ENR); /* two cycles until the clock is there */
    REG(PWR, VOSR) &= ~PWR_VOSR_BOOSTEN; /* PLL1MBOOST may be written while it is off only */
    (void)stm32_wait(&REG(PWR, VOSR), PWR_VOSR_BOOSTRDY, 0);
    return true;
}

/* PWR_VOSR: range 1, then the source and the divider of the booster's clock, then the booster. */
static bool raise_voltage(void) {
    REG(PWR, VOSR) = (REG(PWR, VOSR) & ~PWR_VOSR_VOS) | FIELD(PWR_VOSR_VOS, VOS_RANGE1);
    if (!stm32_wait(&REG(PWR, VOSR), PWR_VOSR_VOSRDY, PWR_VOSR_VOSRDY)) {
        return false;
    }
    REG(RCC, PLL1CFGR) = FIELD(RCC_PLL1CFGR_PLL1SRC, PLL1SRC_HSI) | FIELD(RCC_PLL1CFGR_PLL1RGE, REFERENCE_RANGE) |
                         FIELD(RCC_PLL1CFGR_PLL1M, PORT_PLL_M - 1u) | FIELD(RCC_PLL1CFGR_PLL1MBOOST, MBOOST_2);
    REG(PWR, VOSR) |= PWR_VOSR_BOOSTEN;
    return stm32_wait(&REG(PWR, VOSR), PWR_VOSR_BOOSTRDY, PWR_VOSR_BOOSTRDY);
}

/* FLASH_ACR: written, then read back before the clock may rise. */
static bool set_wait_states(void) {
    const uint32_t wanted = FIELD(FLASH_ACR_LATENCY, BOARD_FLASH_WAIT_STATES);
    REG(FLASH, ACR) = (REG(FLASH, ACR) & ~FLASH_ACR_LATENCY) | wanted;
    return stm32_wait(&REG(FLASH, ACR), FLASH_ACR_LATENCY, wanted);
}

static bool start_pll(void) {
    REG(RCC, PLL1DIVR) =
        (REG(RCC, PLL1DIVR) & (RCC_PLL1DIVR_PLL1P | RCC_PLL1DIVR_PLL1Q)) |
        FIELD(RCC_PLL1DIVR_PLL1N, PORT_PLL_N - 1u) | FIELD(RCC_PLL1DIVR_PLL1R, PORT_PLL_R - 1u);
    REG(RCC, PLL1CFGR) |= RCC_PLL1CFGR_PLL1REN;
    REG(RCC, CR) |= RCC_CR_PLL1ON;
    return stm32_wait(&REG(RCC, CR), RCC_CR_PLL1RDY, RCC_CR_PLL1RDY);
}

bool stm32_clocks_start(void) {
    if (!run_on_hsi() || !raise_voltage() || !set_wait_states() || !start_pll()) {
        return false;
    }
    if (!select(SOURCE_PLL1)) {
        (void)run_on_hsi();
        return false;
    }
    return true;
}

/* Where not even HSI16 came up, the core is still on MSIS at its frequency of reset. */
static uint32_t source_hz(void) {
    switch (FIELD_OF(RCC_CFGR1_SWS, REG(RCC, CFGR1))) {
    case SOURCE_HSI:
        return HSI_HZ;
    case SOURCE_PLL1: {
        const uint32_t dividers = REG(RCC, PLL1DIVR);
        return HSI_HZ / (FIELD_OF(RCC_PLL1CFGR_PLL1M, REG(RCC, PLL1CFGR)) + 1u) *
               (FIELD_OF(RCC_PLL1DIVR_PLL1N, dividers) + 1u) / (FIELD_OF(RCC_PLL1DIVR_PLL1R, dividers) + 1u);
    }
    default:
        return MSI_RESET_HZ;
    }
}

/* AHB and APBs stay undivided (their limit is the core's): timers and USARTs have HCLK. */
stm32_clocks_t stm32_clocks_read(void) {
    const uint32_t core_hz = source_hz();
    return (stm32_clocks_t){.core_hz = core_hz, .timer_hz = core_hz, .usart_hz = core_hz};
}

/* ICACHE_CR: enabled once it is empty; it is invalidated by hardware after reset, and again here. DCACHE1 serves
 * external memories only, and stays off. */
void stm32_caches_start(void) {
#if PORT_PREFETCH
    REG(FLASH, ACR) |= FLASH_ACR_PRFTEN;
#endif
#if PORT_ICACHE
    REG(ICACHE, CR) |= ICACHE_CR_CACHEINV;
    (void)stm32_wait(&REG(ICACHE, SR), ICACHE_SR_BUSYF, 0);
    REG(ICACHE, CR) |= ICACHE_CR_EN;
    core_barrier();
#endif
}

void stm32_caches_read(port_conditions_t *conditions) {
    const uint32_t acr = REG(FLASH, ACR);
    conditions->icache = (REG(ICACHE, CR) & ICACHE_CR_EN) != 0;
    conditions->dcache = false;
    conditions->prefetch = (acr & FLASH_ACR_PRFTEN) != 0;
    conditions->flash_wait_states = (uint16_t)FIELD_OF(FLASH_ACR_LATENCY, acr);
}

uint32_t stm32_reset_cause(void) {
    const uint32_t cause = REG(RCC, CSR);
    REG(RCC, CSR) = cause | RCC_CSR_RMVF;
    return cause;
}

void stm32_peripherals_enable(void) {
    REG(RCC, CCIPR1) &= ~RCC_CCIPR1_USART1SEL; /* PCLK2 */
    REG(RCC, AHB2ENR1) |= (RCC_AHB2ENR1_GPIOAEN << PORT_TX_PORT) | (RCC_AHB2ENR1_GPIOAEN << PORT_RX_PORT);
    REG(RCC, APB1ENR1) |= RCC_APB1ENR1_TIM2EN;
    REG_AT(RCC_BASE + USART_ENR) |= USART_ENR_BIT;
    (void)REG_AT(RCC_BASE + USART_ENR); /* two cycles until the clock is there */
    core_barrier();
}
