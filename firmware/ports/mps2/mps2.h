/* Registers of Arm's MPS2 and MPS3 FPGA images as QEMU has them (hw/arm/mps2.c, hw/arm/mps2-tz.c).
 * Cortex-M System Design Kit (CMSDK), DDI 0479: APB UART 4.3. SysTick: DDI 0403E, B3.3. */
#ifndef MPS2_H
#define MPS2_H

#include "board_port.h"
#include "core_registers.h"

#define UART_BASE PORT_UART_BASE
#define UART_DATA 0x00u
#define UART_STATE 0x04u
#define UART_STATE_TX_FULL BIT(0)
#define UART_STATE_RX_FULL BIT(1)
#define UART_STATE_TX_OVERRUN BIT(2)
#define UART_STATE_RX_OVERRUN BIT(3)
#define UART_CTRL 0x08u
#define UART_CTRL_TX_ENABLE BIT(0)
#define UART_CTRL_RX_ENABLE BIT(1)
#define UART_BAUDDIV 0x10u
#define UART_BAUDDIV_MIN 16u

#define SYSTICK_BASE 0xE000E010u
#define SYSTICK_CSR 0x00u
#define SYSTICK_CSR_ENABLE BIT(0)
#define SYSTICK_CSR_CLKSOURCE BIT(2)
#define SYSTICK_RVR 0x04u
#define SYSTICK_CVR 0x08u
#define COUNTER_MASK 0x00FFFFFFu
#endif
