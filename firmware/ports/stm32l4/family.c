/* STM32L4 and L4+: core voltage, clock tree, flash accelerator. RM0432.
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

enum { SOURCE_HSI = 1, SOURCE_PLL = 3 }; /* RCC_CFGR SW, SWS */
enum { PLLSRC_HSI = 2 };                 /* RCC_PLLCFGR PLLSRC */
enum { VOS_RANGE1 = 1 };                 /* PWR_CR1 VOS */

#define REFERENCE_HZ (HSI_HZ / PORT_PLL_M)
#define VCO_HZ (REFERENCE_HZ * PORT_PLL_N)

/* RCC_PLLCFGR; datasheets, PLL characteristics: reference 4..16 MHz, VCO 64..344 MHz in range 1. */
_Static_assert(HSI_HZ % PORT_PLL_M == 0, "whole hertz");
_Static_assert(REFERENCE_HZ >= 4000000u && REFERENCE_HZ <= 16000000u, "reference of the VCO");
_Static_assert(VCO_HZ >= 64000000u && VCO_HZ <= 344000000u, "VCO");
_Static_assert(VCO_HZ == BOARD_CORE_CLOCK_HZ * PORT_PLL_R, "the core runs on PLL R");
_Static_assert(PORT_PLL_N >= 8 && PORT_PLL_N <= (PORT_L4_PLUS ? 127 : 86), "PLLN");
_Static_assert(PORT_PLL_R == 2 || PORT_PLL_R == 4 || PORT_PLL_R == 6 || PORT_PLL_R == 8, "PLLR");
_Static_assert(BOARD_CORE_CLOCK_HZ <= (PORT_L4_PLUS ? 120000000u : 80000000u), "the core in range 1");

/* PWR_CR5: above 80 MHz range 1 needs its boost mode, and the step up goes over half the clock. */
#define BOOST (BOARD_CORE_CLOCK_HZ > 80000000u)

enum { HPRE_1 = 0, HPRE_2 = 8 };

static bool select(uint32_t source) {
    REG(RCC, CFGR) = (REG(RCC, CFGR) & ~RCC_CFGR_SW) | FIELD(RCC_CFGR_SW, source);
    return stm32_wait(&REG(RCC, CFGR), RCC_CFGR_SWS, FIELD(RCC_CFGR_SWS, source));
}

/* Whatever the ROM left: on HSI16, PLL off, buses undivided. The dividers last: they must not go down while the clock
 * is still fast. */
static bool run_on_hsi(void) {
    REG(RCC, CR) |= RCC_CR_HSION;
    if (!stm32_wait(&REG(RCC, CR), RCC_CR_HSIRDY, RCC_CR_HSIRDY) || !select(SOURCE_HSI)) {
        return false;
    }
    REG(RCC, CR) &= ~RCC_CR_PLLON;
    (void)stm32_wait(&REG(RCC, CR), RCC_CR_PLLRDY, 0);
    REG(RCC, CFGR) &= ~(RCC_CFGR_HPRE | RCC_CFGR_PPRE1 | RCC_CFGR_PPRE2);
    return true;
}

static bool raise_voltage(void) {
    REG(RCC, APB1ENR1) |= RCC_APB1ENR1_PWREN;
    (void)REG(RCC, APB1ENR1); /* two cycles until the clock is there */
    REG(PWR, CR1) = (REG(PWR, CR1) & ~PWR_CR1_VOS) | FIELD(PWR_CR1_VOS, VOS_RANGE1);
    if (!stm32_wait(&REG(PWR, SR2), PWR_SR2_VOSF, 0)) {
        return false;
    }
#if PORT_L4_PLUS
    if (BOOST) {
        REG(PWR, CR5) &= ~PWR_CR5_R1MODE; /* 0 is the boost mode */
    }
#endif
    return true;
}

/* FLASH_ACR: written, then read back before the clock may rise. */
static bool set_wait_states(void) {
    const uint32_t wanted = FIELD(FLASH_ACR_LATENCY, BOARD_FLASH_WAIT_STATES);
    REG(FLASH, ACR) = (REG(FLASH, ACR) & ~FLASH_ACR_LATENCY) | wanted;
    return stm32_wait(&REG(FLASH, ACR), FLASH_ACR_LATENCY, wanted);
}

static bool start_pll(void) {
    REG(RCC, PLLCFGR) = FIELD(RCC_PLLCFGR_PLLSRC, PLLSRC_HSI) | FIELD(RCC_PLLCFGR_PLLM, PORT_PLL_M - 1u) |
                        FIELD(RCC_PLLCFGR_PLLN, PORT_PLL_N) | FIELD(RCC_PLLCFGR_PLLR, PORT_PLL_R / 2u - 1u) |
                        RCC_PLLCFGR_PLLREN;
    REG(RCC, CR) |= RCC_CR_PLLON;
    return stm32_wait(&REG(RCC, CR), RCC_CR_PLLRDY, RCC_CR_PLLRDY);
}

bool stm32_clocks_start(void) {
    if (!run_on_hsi() || !raise_voltage() || !set_wait_states() || !start_pll()) {
        return false;
    }
    if (BOOST) {
        REG(RCC, CFGR) = (REG(RCC, CFGR) & ~RCC_CFGR_HPRE) | FIELD(RCC_CFGR_HPRE, HPRE_2);
    }
    if (!select(SOURCE_PLL)) {
        (void)run_on_hsi();
        return false;
    }
    if (BOOST) {
        /* At least 1 us at half the clock, which is 60 cycles: a turn takes more than one. */
        for (volatile uint32_t i = 0; i < 120u; ++i) {
        }
        REG(RCC, CFGR) = (REG(RCC, CFGR) & ~RCC_CFGR_HPRE) | FIELD(RCC_CFGR_HPRE, HPRE_1);
    }
    return true;
}

/* Where not even HSI16 came up, the core is still on MSI at its frequency of reset. */
static uint32_t source_hz(void) {
    switch (FIELD_OF(RCC_CFGR_SWS, REG(RCC, CFGR))) {
    case SOURCE_HSI:
        return HSI_HZ;
    case SOURCE_PLL: {
        const uint32_t word = REG(RCC, PLLCFGR);
        return HSI_HZ / (FIELD_OF(RCC_PLLCFGR_PLLM, word) + 1u) * FIELD_OF(RCC_PLLCFGR_PLLN, word) /
               (2u * (FIELD_OF(RCC_PLLCFGR_PLLR, word) + 1u));
    }
    default:
        return MSI_RESET_HZ;
    }
}

/* HPRE: 0xxx not divided, 8 is /2. The APBs stay undivided (their limit is the core's): timers and USARTs have HCLK. */
stm32_clocks_t stm32_clocks_read(void) {
    const uint32_t hpre = FIELD_OF(RCC_CFGR_HPRE, REG(RCC, CFGR));
    const uint32_t core_hz = source_hz() >> (hpre < HPRE_2 ? 0 : hpre - HPRE_2 + 1u);
    return (stm32_clocks_t){.core_hz = core_hz, .timer_hz = core_hz, .usart_hz = core_hz};
}

uint32_t stm32_reset_cause(void) {
    const uint32_t cause = REG(RCC, CSR);
    REG(RCC, CSR) = cause | RCC_CSR_RMVF;
    return cause;
}

void stm32_peripherals_enable(void) {
#if PORT_GPIO_SUPPLY_2
    REG(PWR, CR2) |= PWR_CR2_IOSV; /* PG2..PG15 have a supply of their own, cut off at reset */
#endif
    REG(RCC, CCIPR) &= ~(RCC_CCIPR_USART1SEL | RCC_CCIPR_USART2SEL | RCC_CCIPR_LPUART1SEL); /* PCLK */
    REG(RCC, AHB2ENR) |= (RCC_AHB2ENR_GPIOAEN << PORT_TX_PORT) | (RCC_AHB2ENR_GPIOAEN << PORT_RX_PORT);
    REG(RCC, APB1ENR1) |= RCC_APB1ENR1_TIM2EN;
    REG_AT(RCC_BASE + USART_ENR) |= USART_ENR_BIT;
    (void)REG_AT(RCC_BASE + USART_ENR); /* two cycles until the clock is there */
    core_barrier();
}
