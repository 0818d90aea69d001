/* QEMU's mps2-an505: Cortex-M33, everything secure. */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#define PORT_OWN_COUNTER 1 /* DWT counts nothing there */
#define PORT_UART_BASE 0x50200000u
/* SysTick runs at 20 MHz, one instruction is 1 ns (-icount shift=0): so many instructions are so many ticks. */
#define PORT_INSTRUCTIONS_OF 50u
#define PORT_TICKS 1u

#endif
