/* STM32L4R9I-DISCO. RM0432, datasheet DS12023, UM2271. */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#define PORT_L4_PLUS 1
#define PORT_PLL_M 2u /* HSI16: 8 MHz */
#define PORT_PLL_N 30u /* 240 MHz */
#define PORT_PLL_R 2u /* 120 MHz */
#define PORT_GPIO_SUPPLY_2 0 /* pins of the USART in the VDDIO2 domain */

/* UM2271: virtual COM port on PA2 (TX), PA3 (RX); DS12023, alternate function 7 of both. */
#define PORT_TX_PORT 0u
#define PORT_TX_PIN 2u
#define PORT_TX_FUNCTION 7u
#define PORT_RX_PORT 0u
#define PORT_RX_PIN 3u
#define PORT_RX_FUNCTION 7u

#endif
