/* QEMU's mps2-an386: Cortex-M4. */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#define PORT_OWN_COUNTER 1 /* DWT counts nothing there */
#define PORT_UART_BASE 0x40004000u
/* SysTick runs at 25 MHz, one instruction is 1 ns (-icount shift=0): so many instructions are so many ticks. */
#define PORT_INSTRUCTIONS_OF 40u
#define PORT_TICKS 1u

#endif
