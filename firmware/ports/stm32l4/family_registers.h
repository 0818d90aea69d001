/* STM32L475 (RM0351) and STM32L4R5/L4R9 (RM0432). */
#ifndef STM32L4_FAMILY_REGISTERS_H
#define STM32L4_FAMILY_REGISTERS_H

#include "board.h"
#include "board_port.h"
#include "stm32_registers.h"
#include "usart_registers.h"

#define RCC_BASE 0x40021000u
#define RCC_CR 0x00u
#define RCC_CR_HSION BIT(8)
#define RCC_CR_HSIRDY BIT(10)
#define RCC_CR_PLLON BIT(24)
#define RCC_CR_PLLRDY BIT(25)
#define RCC_CFGR 0x08u
#define RCC_CFGR_SW BITS(0, 2)
#define RCC_CFGR_SWS BITS(2, 2)
#define RCC_CFGR_HPRE BITS(4, 4)
#define RCC_CFGR_PPRE1 BITS(8, 3)
#define RCC_CFGR_PPRE2 BITS(11, 3)
#define RCC_PLLCFGR 0x0Cu
#define RCC_PLLCFGR_PLLSRC BITS(0, 2)
#define RCC_PLLCFGR_PLLM BITS(4, 3) /* 4 bits in the L4+; no setting here needs the fourth */
#define RCC_PLLCFGR_PLLN BITS(8, 7)
#define RCC_PLLCFGR_PLLREN BIT(24)
#define RCC_PLLCFGR_PLLR BITS(25, 2)
#define RCC_AHB2ENR 0x4Cu
#define RCC_AHB2ENR_GPIOAEN BIT(0)
#define RCC_APB1ENR1 0x58u
#define RCC_APB1ENR1_TIM2EN BIT(0)
#define RCC_APB1ENR1_USART2EN BIT(17)
#define RCC_APB1ENR1_PWREN BIT(28)
#define RCC_APB1ENR2 0x5Cu
#define RCC_APB1ENR2_LPUART1EN BIT(0)
#define RCC_APB2ENR 0x60u
#define RCC_APB2ENR_USART1EN BIT(14)
#define RCC_CCIPR 0x88u
#define RCC_CCIPR_USART1SEL BITS(0, 2)
#define RCC_CCIPR_USART2SEL BITS(2, 2)
#define RCC_CCIPR_LPUART1SEL BITS(10, 2)
#define RCC_CSR 0x94u
#define RCC_CSR_RMVF BIT(23)

#define PWR_BASE 0x40007000u
#define PWR_CR1 0x00u
#define PWR_CR1_VOS BITS(9, 2)
#define PWR_CR2 0x04u
#define PWR_CR2_IOSV BIT(9)
#define PWR_SR2 0x14u
#define PWR_SR2_VOSF BIT(10)
#define PWR_CR5 0x80u /* L4+ only: RM0432 */
#define PWR_CR5_R1MODE BIT(8)

#define FLASH_BASE 0x40022000u
#define FLASH_ACR 0x00u
#define FLASH_ACR_LATENCY BITS(0, 3) /* 4 bits in the L4+; no setting here needs the fourth */
#define FLASH_ACR_PRFTEN BIT(8)
#define FLASH_ACR_ICEN BIT(9)
#define FLASH_ACR_DCEN BIT(10)
#define FLASH_ACR_ICRST BIT(11)
#define FLASH_ACR_DCRST BIT(12)

#define DBGMCU_BASE 0xE0042000u
#define DBGMCU_IDCODE 0x00u
#define DBGMCU_IDCODE_DEV_ID BITS(0, 12)

#define GPIOA_BASE 0x48000000u
#define IWDG_BASE 0x40003000u
#define USART1_BASE 0x40013800u
#define USART2_BASE 0x40004400u
#define LPUART1_BASE 0x40008000u

/* The USART of the virtual COM port. */
#if defined(BOARD_USART_USART1)
#define USART_BASE USART1_BASE
#define USART_ENR RCC_APB2ENR
#define USART_ENR_BIT RCC_APB2ENR_USART1EN
#elif defined(BOARD_USART_USART2)
#define USART_BASE USART2_BASE
#define USART_ENR RCC_APB1ENR1
#define USART_ENR_BIT RCC_APB1ENR1_USART2EN
#elif defined(BOARD_USART_LPUART1)
#define USART_BASE LPUART1_BASE
#define USART_ENR RCC_APB1ENR2
#define USART_ENR_BIT RCC_APB1ENR2_LPUART1EN
#else
#error "this port does not know the clock of the board's USART"
#endif
#ifdef BOARD_USART_LPUART1
#define USART_IS_LPUART 1
#else
#define USART_IS_LPUART 0
#endif
/* The L4+ has FIFOs of 8 bytes (RM0432), the L475 none. */
#if PORT_L4_PLUS
#define USART_FIFO_BYTES 8
#else
#define USART_FIFO_BYTES 1
#endif

#endif
