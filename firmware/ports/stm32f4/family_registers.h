/* STM32F401 (RM0368), F405 (RM0090) and F469 (RM0386): what they do not share with the F7, and their USART. */
#ifndef STM32F4_FAMILY_REGISTERS_H
#define STM32F4_FAMILY_REGISTERS_H

#include "board.h"
#include "rcc_f4_f7.h"

#define FLASH_ACR_ICEN BIT(9)
#define FLASH_ACR_DCEN BIT(10)
#define FLASH_ACR_ICRST BIT(11)
#define FLASH_ACR_DCRST BIT(12)

/* RM0090, RM0368, RM0386: "USART registers". */
#define USART_SR 0x00u
#define USART_SR_RXNE BIT(5)
#define USART_SR_TC BIT(6)
#define USART_SR_TXE BIT(7)
#define USART_SR_PE BIT(0)
#define USART_SR_FE BIT(1)
#define USART_SR_NF BIT(2)
#define USART_SR_ORE BIT(3)
#define USART_DR 0x04u
#define USART_BRR 0x08u
#define USART_CR1 0x0Cu
#define USART_CR1_RE BIT(2)
#define USART_CR1_TE BIT(3)
#define USART_CR1_UE BIT(13)
#define USART_CR2 0x10u
#define USART_CR3 0x14u

#endif
