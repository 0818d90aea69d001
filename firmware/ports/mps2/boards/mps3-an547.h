/* QEMU's mps3-an547: Cortex-M55, everything secure. */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#define PORT_OWN_COUNTER 1 /* DWT counts nothing there */
#define PORT_UART_BASE 0x59303000u
/* SysTick runs at 32 MHz, one instruction is 1 ns (-icount shift=0): so many instructions are so many ticks. */
#define PORT_INSTRUCTIONS_OF 125u
#define PORT_TICKS 4u

#endif
