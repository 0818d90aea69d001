/* STM32H747 (Cortex-M7 side; RM0399) and STM32H7A3 (RM0455). Where the two manuals name one register differently, the
 * name is RM0399's: D1CFGR is CDCFGR1, D2CFGR CDCFGR2, D3CFGR SRDCFGR, D3CR SRDCR in RM0455. The clock enables are
 * taken at 0x130 and on, which RM0399 calls C1_..., because 0xD0 and on exist in the H74x only. */
#ifndef STM32H7_FAMILY_REGISTERS_H
#define STM32H7_FAMILY_REGISTERS_H

#include "board.h"
#include "stm32_registers.h"
#include "usart_registers.h"

#define RCC_BASE 0x58024400u
#define RCC_CR 0x00u
#define RCC_CR_HSION BIT(0)
#define RCC_CR_HSIRDY BIT(2)
#define RCC_CR_HSIDIV BITS(3, 2)
#define RCC_CR_HSEON BIT(16)
#define RCC_CR_HSERDY BIT(17)
#define RCC_CR_HSEBYP BIT(18)
#define RCC_CR_PLL1ON BIT(24)
#define RCC_CR_PLL1RDY BIT(25)
#define RCC_CFGR 0x10u
#define RCC_CFGR_SW BITS(0, 3)
#define RCC_CFGR_SWS BITS(3, 3)
#define RCC_D1CFGR 0x18u
#define RCC_D1CFGR_HPRE BITS(0, 4)
#define RCC_D1CFGR_D1PPRE BITS(4, 3)
#define RCC_D1CFGR_D1CPRE BITS(8, 4)
#define RCC_D2CFGR 0x1Cu
#define RCC_D2CFGR_D2PPRE1 BITS(4, 3)
#define RCC_D2CFGR_D2PPRE2 BITS(8, 3)
#define RCC_D3CFGR 0x20u
#define RCC_D3CFGR_D3PPRE BITS(4, 3)
#define RCC_PLLCKSELR 0x28u
#define RCC_PLLCKSELR_PLLSRC BITS(0, 2)
#define RCC_PLLCKSELR_DIVM1 BITS(4, 6)
#define RCC_PLLCFGR 0x2Cu
#define RCC_PLLCFGR_PLL1FRACEN BIT(0)
#define RCC_PLLCFGR_PLL1VCOSEL BIT(1)
#define RCC_PLLCFGR_PLL1RGE BITS(2, 2)
#define RCC_PLLCFGR_DIVP1EN BIT(16)
#define RCC_PLL1DIVR 0x30u
#define RCC_PLL1DIVR_DIVN1 BITS(0, 9)
#define RCC_PLL1DIVR_DIVP1 BITS(9, 7)
#define RCC_D2CCIP2R 0x54u
#define RCC_D2CCIP2R_USART234578SRC BITS(0, 3)
#define RCC_D2CCIP2R_USART16SRC BITS(3, 3)
#define RCC_C1_RSR 0x130u
#define RCC_C1_RSR_RMVF BIT(16)
#define RCC_C1_AHB4ENR 0x140u
#define RCC_C1_AHB4ENR_GPIOAEN BIT(0)
#define RCC_C1_APB1LENR 0x148u
#define RCC_C1_APB1LENR_TIM2EN BIT(0)
#define RCC_C1_APB1LENR_USART3EN BIT(18)
#define RCC_C1_APB2ENR 0x150u
#define RCC_C1_APB2ENR_USART1EN BIT(4)

/* RM0399, RM0455: "PWR registers". Bit 2 of CR3 is SDEN in RM0399 and SMPSEN in RM0455; SCUEN in
 * parts without a converter. */
#define PWR_BASE 0x58024800u
#define PWR_CSR1 0x04u
#define PWR_CSR1_ACTVOSRDY BIT(13)
#define PWR_CSR1_ACTVOS BITS(14, 2)
#define PWR_CR3 0x0Cu
#define PWR_CR3_BYPASS BIT(0)
#define PWR_CR3_LDOEN BIT(1)
#define PWR_CR3_SMPSEN BIT(2)
#define PWR_CR3_SMPSEXTHP BIT(3)
#define PWR_CR3_SMPSLEVEL BITS(4, 2)
#define PWR_D3CR 0x18u
#define PWR_D3CR_VOSRDY BIT(13)
#define PWR_D3CR_VOS BITS(14, 2)

#define FLASH_BASE 0x52002000u
#define FLASH_ACR 0x00u
#define FLASH_ACR_LATENCY BITS(0, 3) /* 4 bits in the manuals; no setting here needs the fourth */
#define FLASH_ACR_WRHIGHFREQ BITS(4, 2)

#define DBGMCU_BASE 0x5C001000u /* RM0399, RM0455 */
#define DBGMCU_IDCODE 0x00u
#define DBGMCU_IDCODE_DEV_ID BITS(0, 12)

#define GPIOA_BASE 0x58020000u
#define IWDG_BASE 0x58004800u
#define USART1_BASE 0x40011000u
#define USART3_BASE 0x40004800u

/* The USART of the virtual COM port. All have FIFOs of 16 bytes (RM0399, RM0455). */
#if defined(BOARD_USART_USART1)
#define USART_BASE USART1_BASE
#define USART_ENR RCC_C1_APB2ENR
#define USART_ENR_BIT RCC_C1_APB2ENR_USART1EN
#elif defined(BOARD_USART_USART3)
#define USART_BASE USART3_BASE
#define USART_ENR RCC_C1_APB1LENR
#define USART_ENR_BIT RCC_C1_APB1LENR_USART3EN
#else
#error "this port does not know the clock of the board's USART"
#endif
#define USART_FIFO_BYTES 16
#define USART_IS_LPUART 0

#endif
