/* Clock tree of the STM32F4 and F7: HSE, one PLL, voltage scale and over-drive. RM0410. */
#include "board.h"
#include "board_port.h"
#include "family_registers.h"
#include "stm32.h"

#define HSI_HZ 16000000u

enum { SOURCE_HSI = 0, SOURCE_HSE = 1, SOURCE_PLL = 2 }; /* RCC_CFGR SW, SWS */

#define REFERENCE_HZ (PORT_HSE_HZ / PORT_PLL_M)
#define VCO_HZ (REFERENCE_HZ * PORT_PLL_N)

/* RCC_PLLCFGR; datasheets, main PLL characteristics. */
_Static_assert(PORT_HSE_HZ % PORT_PLL_M == 0, "whole hertz");
_Static_assert(REFERENCE_HZ >= 1000000u && REFERENCE_HZ <= 2000000u, "reference of the VCO");
_Static_assert(VCO_HZ >= PORT_VCO_MIN_HZ && VCO_HZ <= PORT_VCO_MAX_HZ, "VCO");
_Static_assert(VCO_HZ == BOARD_CORE_CLOCK_HZ * PORT_PLL_P, "the core runs on PLL P");
_Static_assert(PORT_PLL_P == 2 || PORT_PLL_P == 4 || PORT_PLL_P == 6 || PORT_PLL_P == 8, "PLLP");
_Static_assert(PORT_PLL_M >= 2 && PORT_PLL_M <= 63 && PORT_PLL_N >= 50 && PORT_PLL_N <= 432, "PLLM, PLLN");
_Static_assert(BOARD_CORE_CLOCK_HZ / PORT_APB1_DIVIDER <= PORT_APB1_MAX_HZ, "APB1");
_Static_assert(BOARD_CORE_CLOCK_HZ / PORT_APB2_DIVIDER <= PORT_APB2_MAX_HZ, "APB2");

/* PPRE1, PPRE2: 0xx /1, 4 /2, 5 /4. */
#define PPRE(divider) ((divider) == 1u ? 0u : (divider) == 2u ? 4u : 5u)
_Static_assert(PORT_APB1_DIVIDER == 1 || PORT_APB1_DIVIDER == 2 || PORT_APB1_DIVIDER == 4, "PPRE1");
_Static_assert(PORT_APB2_DIVIDER == 1 || PORT_APB2_DIVIDER == 2 || PORT_APB2_DIVIDER == 4, "PPRE2");

static bool select(uint32_t source) {
    REG(RCC, CFGR) = (REG(RCC, CFGR) & ~RCC_CFGR_SW) | FIELD(RCC_CFGR_SW, source);
    return stm32_wait(&REG(RCC, CFGR), RCC_CFGR_SWS, FIELD(RCC_CFGR_SWS, source));
}

/* As after a reset, whatever the ROM left: on HSI, PLL off, buses undivided. The dividers last: they must not go down
 * while the clock is still fast. */
static void run_on_hsi(void) {
    REG(RCC, CR) |= RCC_CR_HSION;
    (void)stm32_wait(&REG(RCC, CR), RCC_CR_HSIRDY, RCC_CR_HSIRDY);
    (void)select(SOURCE_HSI);
    REG(RCC, CR) &= ~RCC_CR_PLLON;
    (void)stm32_wait(&REG(RCC, CR), RCC_CR_PLLRDY, 0);
    REG(RCC, CFGR) &= ~(RCC_CFGR_HPRE | RCC_CFGR_PPRE1 | RCC_CFGR_PPRE2);
}

static bool start_pll(void) {
#if PORT_HSE_BYPASS
    REG(RCC, CR) |= RCC_CR_HSEBYP; /* while HSE is off */
#endif
    REG(RCC, CR) |= RCC_CR_HSEON;
    if (!stm32_wait(&REG(RCC, CR), RCC_CR_HSERDY, RCC_CR_HSERDY)) {
        return false;
    }
    REG(RCC, PLLCFGR) = (REG(RCC, PLLCFGR) & ~(RCC_PLLCFGR_PLLM | RCC_PLLCFGR_PLLN | RCC_PLLCFGR_PLLP)) |
                        FIELD(RCC_PLLCFGR_PLLM, PORT_PLL_M) | FIELD(RCC_PLLCFGR_PLLN, PORT_PLL_N) |
                        FIELD(RCC_PLLCFGR_PLLP, PORT_PLL_P / 2u - 1u) | RCC_PLLCFGR_PLLSRC;
    REG(RCC, CR) |= RCC_CR_PLLON;
    return stm32_wait(&REG(RCC, CR), RCC_CR_PLLRDY, RCC_CR_PLLRDY);
}

/* PWR_CR VOS: the scale may be chosen while the PLL is off only, and takes effect when it is on. */
static void choose_voltage(void) {
    REG(RCC, APB1ENR) |= RCC_APB1ENR_PWREN;
    (void)REG(RCC, APB1ENR); /* two cycles until the clock is there */
    REG(PWR, CR) = (REG(PWR, CR) & ~PWR_CR_VOS) | FIELD(PWR_CR_VOS, PORT_VOS);
}

/* "Entering over-drive mode": with the PLL on and before the core runs on it. */
static bool voltage_ready(void) {
#if PORT_OVERDRIVE
    REG(PWR, CR) |= PWR_CR_ODEN;
    if (!stm32_wait(&REG(PWR, CSR), PWR_CSR_ODRDY, PWR_CSR_ODRDY)) {
        return false;
    }
    REG(PWR, CR) |= PWR_CR_ODSWEN;
    if (!stm32_wait(&REG(PWR, CSR), PWR_CSR_ODSWRDY, PWR_CSR_ODSWRDY)) {
        return false;
    }
#endif
    return stm32_wait(&REG(PWR, CSR), PWR_CSR_VOSRDY, PWR_CSR_VOSRDY);
}

/* FLASH_ACR: written, then read back before the clock may rise. */
static bool set_wait_states(void) {
    const uint32_t wanted = FIELD(FLASH_ACR_LATENCY, BOARD_FLASH_WAIT_STATES);
    REG(FLASH, ACR) = (REG(FLASH, ACR) & ~FLASH_ACR_LATENCY) | wanted;
    return stm32_wait(&REG(FLASH, ACR), FLASH_ACR_LATENCY, wanted);
}

bool stm32_clocks_start(void) {
    run_on_hsi();
    choose_voltage();
    if (!start_pll() || !voltage_ready() || !set_wait_states()) {
        return false;
    }
    /* The dividers before the fast clock, so that no bus is ever too fast. */
    REG(RCC, CFGR) = (REG(RCC, CFGR) & ~(RCC_CFGR_HPRE | RCC_CFGR_PPRE1 | RCC_CFGR_PPRE2)) |
                     FIELD(RCC_CFGR_PPRE1, PPRE(PORT_APB1_DIVIDER)) | FIELD(RCC_CFGR_PPRE2, PPRE(PORT_APB2_DIVIDER));
    if (!select(SOURCE_PLL)) {
        run_on_hsi();
        return false;
    }
    return true;
}

static uint32_t source_hz(void) {
    switch (FIELD_OF(RCC_CFGR_SWS, REG(RCC, CFGR))) {
    case SOURCE_HSI:
        return HSI_HZ;
    case SOURCE_HSE:
        return PORT_HSE_HZ;
    case SOURCE_PLL: {
        const uint32_t word = REG(RCC, PLLCFGR);
        const uint32_t input_hz = (word & RCC_PLLCFGR_PLLSRC) != 0 ? PORT_HSE_HZ : HSI_HZ;
        const uint32_t m = FIELD_OF(RCC_PLLCFGR_PLLM, word);
        return m == 0 ? 0
                      : input_hz / m * FIELD_OF(RCC_PLLCFGR_PLLN, word) /
                            (2u * (FIELD_OF(RCC_PLLCFGR_PLLP, word) + 1u));
    }
    default:
        return 0;
    }
}

/* 0xx: not divided; 4 is /2, 5 is /4 ... */
static uint32_t bus_shift(uint32_t field) { return field < 4u ? 0 : field - 3u; }

/* RCC_DCKCFGR: a timer runs on its APB's clock, doubled where that is divided (TIMPRE = 0, as reset leaves it);
 * a USART on its APB's clock. HPRE stays 0, so that HCLK is the core's clock. */
stm32_clocks_t stm32_clocks_read(void) {
    const uint32_t core_hz = source_hz(), cfgr = REG(RCC, CFGR);
    const uint32_t apb1_shift = bus_shift(FIELD_OF(RCC_CFGR_PPRE1, cfgr));
    const uint32_t apb2_shift = bus_shift(FIELD_OF(RCC_CFGR_PPRE2, cfgr));
    return (stm32_clocks_t){
        .core_hz = core_hz,
        .timer_hz = apb1_shift == 0 ? core_hz : core_hz >> (apb1_shift - 1u),
        .usart_hz = core_hz >> (USART_ENR == RCC_APB2ENR ? apb2_shift : apb1_shift),
    };
}

uint32_t stm32_reset_cause(void) {
    const uint32_t cause = REG(RCC, CSR);
    REG(RCC, CSR) = cause | RCC_CSR_RMVF;
    return cause;
}

void stm32_peripherals_enable(void) {
    REG(RCC, AHB1ENR) |= (RCC_AHB1ENR_GPIOAEN << PORT_TX_PORT) | (RCC_AHB1ENR_GPIOAEN << PORT_RX_PORT);
    REG(RCC, APB1ENR) |= RCC_APB1ENR_TIM2EN;
    REG_AT(RCC_BASE + USART_ENR) |= USART_ENR_BIT;
    (void)REG_AT(RCC_BASE + USART_ENR); /* two cycles until the clock is there */
    core_barrier();
}
