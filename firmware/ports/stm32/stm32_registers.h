/* Registers that are the same in every STM32 family here, at a base that the family's registers.h gives. */
#ifndef STM32_REGISTERS_H
#define STM32_REGISTERS_H

#include "core_registers.h"

/* GPIO. RM0399, RM0455, RM0385, RM0410, RM0351, RM0432, RM0456, RM0090:
 * "GPIO registers". One port every 0x400 bytes from GPIOA on; pin n has bits 2n+1:2n of
 * MODER, and bits 4(n%8)+3:4(n%8) of AFR[n/8]. */
#define GPIO_STEP 0x400u
#define GPIO_MODER 0x00u
#define GPIO_MODER_ALTERNATE 2u
#define GPIO_OSPEEDR 0x08u
#define GPIO_OSPEEDR_MEDIUM 1u
#define GPIO_PUPDR 0x0Cu
#define GPIO_PUPDR_UP 1u
#define GPIO_AFRL 0x20u
#define GPIO_AFRH 0x24u

/* TIM2, a 32-bit counter in every family. RM0399 and its like, "TIMx registers". */
#define TIM2_BASE 0x40000000u
#define TIM2_CR1 0x00u
#define TIM2_CR1_CEN BIT(0)
#define TIM2_EGR 0x14u
#define TIM2_EGR_UG BIT(0)
#define TIM2_CNT 0x24u
#define TIM2_PSC 0x28u
#define TIM2_ARR 0x2Cu

/* Independent watchdog. RM0399 and its like. LSI: about 32 kHz everywhere. */
#define IWDG_KR 0x00u
#define IWDG_KR_START 0xCCCCu
#define IWDG_KR_UNLOCK 0x5555u
#define IWDG_KR_RELOAD 0xAAAAu
#define IWDG_PR 0x04u
#define IWDG_PR_DIV256 6u
#define IWDG_RLR 0x08u
#define IWDG_RLR_MAX 0xFFFu

#endif
