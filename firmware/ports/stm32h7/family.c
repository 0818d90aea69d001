/* STM32H7: core voltage, clock tree, flash, caches. RM0399. */
#include "stm32.h"

#include "board.h"
#include "board_port.h"
#include "cache_m7.h"
#include "family_registers.h"
#include "port_options.h"

#define HSI_HZ 64000000u

enum { SOURCE_HSI = 0, SOURCE_HSE = 2, SOURCE_PLL1 = 3 }; /* RCC_CFGR SW, SWS */
enum { PLLSRC_HSI = 0, PLLSRC_HSE = 2 };                  /* RCC_PLLCKSELR PLLSRC */

#define REFERENCE_HZ (PORT_HSE_HZ / PORT_PLL_M)
#define VCO_HZ (REFERENCE_HZ * PORT_PLL_N)

/* PLL1 in its wide range (VCOSEL = 0): reference 2..16 MHz. RM0399: 192..836 MHz; RM0455: 128..560 MHz. */
_Static_assert(PORT_HSE_HZ % PORT_PLL_M == 0, "whole hertz");
_Static_assert(REFERENCE_HZ >= 2000000u && REFERENCE_HZ <= 16000000u, "reference of the wide VCO");
_Static_assert(VCO_HZ >= PORT_VCO_MIN_HZ && VCO_HZ <= PORT_VCO_MAX_HZ, "VCO");
_Static_assert(VCO_HZ == BOARD_CORE_CLOCK_HZ * PORT_PLL_P, "the core runs on PLL1 P");
_Static_assert(PORT_PLL_P % 2u == 0, "odd dividers are not allowed for P");
_Static_assert(BOARD_CORE_CLOCK_HZ / PORT_AHB_DIVIDER <= PORT_AHB_MAX_HZ, "AXI and AHB");
_Static_assert(BOARD_CORE_CLOCK_HZ / PORT_AHB_DIVIDER / 2u <= PORT_AHB_MAX_HZ / 2u, "APB, divided by two");

/* RCC_PLLCFGR PLL1RGE: 1..2, 2..4, 4..8, 8..16 MHz. */
#define REFERENCE_RANGE (REFERENCE_HZ < 4000000u ? 1u : REFERENCE_HZ <= 8000000u ? 2u : 3u)

/* D1CFGR HPRE: 0xxx /1, 8 /2. PPRE fields: 0xx /1, 4 /2. All APBs run at half the AHB. */
enum { HPRE_1 = 0, HPRE_2 = 8, PPRE_1 = 0, PPRE_2 = 4 };
_Static_assert(PORT_AHB_DIVIDER == 1 || PORT_AHB_DIVIDER == 2, "HPRE");

static void select(uint32_t source) {
    REG(RCC, CFGR) = (REG(RCC, CFGR) & ~RCC_CFGR_SW) | FIELD(RCC_CFGR_SW, source);
}

static bool selected(uint32_t source) {
    return stm32_wait(&REG(RCC, CFGR), RCC_CFGR_SWS, FIELD(RCC_CFGR_SWS, source));
}

/* As after a reset, whatever the ROM left: on HSI undivided, PLL1 off, buses undivided. */
static void run_on_hsi(void) {
    REG(RCC, CR) = (REG(RCC, CR) | RCC_CR_HSION) & ~RCC_CR_HSIDIV;
    (void)stm32_wait(&REG(RCC, CR), RCC_CR_HSIRDY, RCC_CR_HSIRDY);
    select(SOURCE_HSI);
    (void)selected(SOURCE_HSI);
    REG(RCC, CR) &= ~RCC_CR_PLL1ON;
    (void)stm32_wait(&REG(RCC, CR), RCC_CR_PLL1RDY, 0);
    REG(RCC, D1CFGR) = 0;
    REG(RCC, D2CFGR) = 0;
    REG(RCC, D3CFGR) = 0;
}

/* PWR_CR3: the supply must be chosen before the voltage may change; the first write after power-up decides, later
 * ones are ignored. Both boards feed the core from the SMPS directly; the wrong choice leaves the part without power
 * until the board is unplugged. */
static bool raise_voltage(void) {
    REG(PWR, CR3) = (REG(PWR, CR3) & ~(PWR_CR3_BYPASS | PWR_CR3_LDOEN | PWR_CR3_SMPSEXTHP | PWR_CR3_SMPSLEVEL)) |
                    PWR_CR3_SMPSEN;
    if (!stm32_wait(&REG(PWR, CSR1), PWR_CSR1_ACTVOSRDY, PWR_CSR1_ACTVOSRDY)) {
        return false;
    }
    REG(PWR, D3CR) = (REG(PWR, D3CR) & ~PWR_D3CR_VOS) | FIELD(PWR_D3CR_VOS, PORT_VOS);
    return stm32_wait(&REG(PWR, D3CR), PWR_D3CR_VOSRDY, PWR_D3CR_VOSRDY) &&
           stm32_wait(&REG(PWR, CSR1), PWR_CSR1_ACTVOSRDY | PWR_CSR1_ACTVOS,
                      PWR_CSR1_ACTVOSRDY | FIELD(PWR_CSR1_ACTVOS, PORT_VOS));
}

/* FLASH_ACR: written, then read back before the clock may rise. */
static bool set_wait_states(void) {
    const uint32_t wanted =
        FIELD(FLASH_ACR_LATENCY, BOARD_FLASH_WAIT_STATES) | FIELD(FLASH_ACR_WRHIGHFREQ, PORT_FLASH_WRHIGHFREQ);
    REG(FLASH, ACR) = wanted;
    return stm32_wait(&REG(FLASH, ACR), FLASH_ACR_LATENCY | FLASH_ACR_WRHIGHFREQ, wanted);
}

static bool start_pll(void) {
#if PORT_HSE_BYPASS
    REG(RCC, CR) |= RCC_CR_HSEBYP; /* while HSE is off */
#endif
    REG(RCC, CR) |= RCC_CR_HSEON;
    if (!stm32_wait(&REG(RCC, CR), RCC_CR_HSERDY, RCC_CR_HSERDY)) {
        return false;
    }
    REG(RCC, PLLCKSELR) = (REG(RCC, PLLCKSELR) & ~(RCC_PLLCKSELR_PLLSRC | RCC_PLLCKSELR_DIVM1)) |
                          FIELD(RCC_PLLCKSELR_PLLSRC, PLLSRC_HSE) | FIELD(RCC_PLLCKSELR_DIVM1, PORT_PLL_M);
    REG(RCC, PLLCFGR) = (REG(RCC, PLLCFGR) & ~(RCC_PLLCFGR_PLL1FRACEN | RCC_PLLCFGR_PLL1VCOSEL | RCC_PLLCFGR_PLL1RGE)) |
                        FIELD(RCC_PLLCFGR_PLL1RGE, REFERENCE_RANGE) | RCC_PLLCFGR_DIVP1EN;
    REG(RCC, PLL1DIVR) = (REG(RCC, PLL1DIVR) & ~(RCC_PLL1DIVR_DIVN1 | RCC_PLL1DIVR_DIVP1)) |
                         FIELD(RCC_PLL1DIVR_DIVN1, PORT_PLL_N - 1u) | FIELD(RCC_PLL1DIVR_DIVP1, PORT_PLL_P - 1u);
    REG(RCC, CR) |= RCC_CR_PLL1ON;
    return stm32_wait(&REG(RCC, CR), RCC_CR_PLL1RDY, RCC_CR_PLL1RDY);
}

bool stm32_clocks_start(void) {
    run_on_hsi();
    if (!raise_voltage() || !set_wait_states() || !start_pll()) {
        return false;
    }
    /* The dividers before the fast clock, so that no bus is ever too fast. */
    REG(RCC, D1CFGR) = FIELD(RCC_D1CFGR_HPRE, PORT_AHB_DIVIDER == 2 ? HPRE_2 : HPRE_1) |
                       FIELD(RCC_D1CFGR_D1PPRE, PPRE_2);
    REG(RCC, D2CFGR) = FIELD(RCC_D2CFGR_D2PPRE1, PPRE_2) | FIELD(RCC_D2CFGR_D2PPRE2, PPRE_2);
    REG(RCC, D3CFGR) = FIELD(RCC_D3CFGR_D3PPRE, PPRE_2);
    select(SOURCE_PLL1);
    if (!selected(SOURCE_PLL1)) {
        run_on_hsi();
        return false;
    }
    return true;
}

static uint32_t source_hz(void) {
    switch (FIELD_OF(RCC_CFGR_SWS, REG(RCC, CFGR))) {
    case SOURCE_HSI:
        return HSI_HZ >> FIELD_OF(RCC_CR_HSIDIV, REG(RCC, CR));
    case SOURCE_HSE:
        return PORT_HSE_HZ;
    case SOURCE_PLL1: {
        const uint32_t select_word = REG(RCC, PLLCKSELR), dividers = REG(RCC, PLL1DIVR);
        const uint32_t input_hz =
            FIELD_OF(RCC_PLLCKSELR_PLLSRC, select_word) == PLLSRC_HSE ? PORT_HSE_HZ : HSI_HZ;
        const uint32_t m = FIELD_OF(RCC_PLLCKSELR_DIVM1, select_word);
        return m == 0 ? 0
                      : input_hz / m * (FIELD_OF(RCC_PLL1DIVR_DIVN1, dividers) + 1u) /
                            (FIELD_OF(RCC_PLL1DIVR_DIVP1, dividers) + 1u);
    }
    default:
        return 0;
    }
}

/* 0xxx and 0xx: not divided; 8 is /2, 9 is /4 ...; 4 is /2, 5 is /4 ... (only those that are set above occur). */
static uint32_t bus_shift(uint32_t field, uint32_t first) { return field < first ? 0 : field - first + 1u; }

/* RCC_CFGR TIMPRE: TIM2 runs on HCLK while its APB is divided by one or two (TIMPRE = 0), USART kernels on
 * the APB's clock (D2CCIP2R at reset: pclk2 for USART1, pclk1 for USART3). */
stm32_clocks_t stm32_clocks_read(void) {
    const uint32_t d1 = REG(RCC, D1CFGR), d2 = REG(RCC, D2CFGR);
    const uint32_t core_hz = source_hz() >> bus_shift(FIELD_OF(RCC_D1CFGR_D1CPRE, d1), 8);
    const uint32_t ahb_hz = core_hz >> bus_shift(FIELD_OF(RCC_D1CFGR_HPRE, d1), 8);
    const uint32_t apb1_shift = bus_shift(FIELD_OF(RCC_D2CFGR_D2PPRE1, d2), 4);
    const uint32_t apb2_shift = bus_shift(FIELD_OF(RCC_D2CFGR_D2PPRE2, d2), 4);
    return (stm32_clocks_t){
        .core_hz = core_hz,
        .timer_hz = ahb_hz,
        .usart_hz = ahb_hz >> (USART_ENR == RCC_C1_APB2ENR ? apb2_shift : apb1_shift),
    };
}

void stm32_caches_start(void) {
#if PORT_ICACHE
    cache_m7_enable_instruction();
#endif
#if PORT_DCACHE
    cache_m7_enable_data();
#endif
}

void stm32_caches_read(port_conditions_t *conditions) {
    conditions->icache = (REG(SCB, CCR) & SCB_CCR_IC) != 0;
    conditions->dcache = (REG(SCB, CCR) & SCB_CCR_DC) != 0;
    conditions->prefetch = false; /* the H7 has none to switch */
    conditions->flash_wait_states = (uint16_t)FIELD_OF(FLASH_ACR_LATENCY, REG(FLASH, ACR));
}

uint32_t stm32_reset_cause(void) {
    const uint32_t cause = REG(RCC, C1_RSR);
    REG(RCC, C1_RSR) = RCC_C1_RSR_RMVF;
    return cause;
}

void stm32_peripherals_enable(void) {
    REG(RCC, D2CCIP2R) &= ~(RCC_D2CCIP2R_USART234578SRC | RCC_D2CCIP2R_USART16SRC);
    REG(RCC, C1_AHB4ENR) |= (RCC_C1_AHB4ENR_GPIOAEN << PORT_TX_PORT) | (RCC_C1_AHB4ENR_GPIOAEN << PORT_RX_PORT);
    REG(RCC, C1_APB1LENR) |= RCC_C1_APB1LENR_TIM2EN;
    REG_AT(RCC_BASE + USART_ENR) |= USART_ENR_BIT;
    (void)REG_AT(RCC_BASE + USART_ENR); /* two cycles until the clock is there */
    core_barrier();
}
