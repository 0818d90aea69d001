/* The USART and LPUART of STM32F7, H7, L4 and U5: those with ISR, RDR and TDR. RM0399, RM0455,
 * RM0385, RM0410, RM0351, RM0432, RM0456. The base
 * is that of the board's virtual COM port: USART_BASE in family_registers.h. FIFOEN only in the H7, L4+ and U5. */
#ifndef STM32_USART_REGISTERS_H
#define STM32_USART_REGISTERS_H

#include "stm32_registers.h"

#define USART_CR1 0x00u
#define USART_CR1_UE BIT(0)
#define USART_CR1_RE BIT(2)
#define USART_CR1_TE BIT(3)
#define USART_CR1_FIFOEN BIT(29)
#define USART_CR2 0x04u
#define USART_CR3 0x08u
#define USART_BRR 0x0Cu
#define USART_ISR 0x1Cu
#define USART_ISR_PE BIT(0)
#define USART_ISR_FE BIT(1)
#define USART_ISR_NF BIT(2)
#define USART_ISR_ORE BIT(3)
#define USART_ISR_RXNE BIT(5) /* with the FIFO: not empty */
#define USART_ISR_TC BIT(6)
#define USART_ISR_TXE BIT(7) /* with the FIFO: not full */
#define USART_ICR 0x20u
#define USART_ICR_PECF BIT(0)
#define USART_ICR_FECF BIT(1)
#define USART_ICR_NCF BIT(2)
#define USART_ICR_ORECF BIT(3)
#define USART_RDR 0x24u
#define USART_TDR 0x28u

#endif
