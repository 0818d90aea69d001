/* STM32F746 (RM0385) and STM32F769 (RM0410): what they do not share with the F4. */
#ifndef STM32F7_FAMILY_REGISTERS_H
#define STM32F7_FAMILY_REGISTERS_H

#include "board.h"
#include "rcc_f4_f7.h"
#include "usart_registers.h"

#define FLASH_ACR_ARTEN BIT(9)
#define FLASH_ACR_ARTRST BIT(11)

#endif
