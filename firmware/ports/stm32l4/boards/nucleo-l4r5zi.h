/* NUCLEO-L4R5ZI. RM0432, datasheet DS12023, UM2179. */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#define PORT_L4_PLUS 1
#define PORT_PLL_M 2u /* HSI16: 8 MHz */
#define PORT_PLL_N 30u /* 240 MHz */
#define PORT_PLL_R 2u /* 120 MHz */
#define PORT_GPIO_SUPPLY_2 1 /* pins of the USART in the VDDIO2 domain */

/* UM2179: virtual COM port on PG7 (TX), PG8 (RX); DS12023, alternate function 8 of both. */
#define PORT_TX_PORT 6u
#define PORT_TX_PIN 7u
#define PORT_TX_FUNCTION 8u
#define PORT_RX_PORT 6u
#define PORT_RX_PIN 8u
#define PORT_RX_FUNCTION 8u

#endif
