/* B-L475E-IOT01A. RM0351, datasheet DS10969, UM2153. */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#define PORT_L4_PLUS 0
#define PORT_PLL_M 2u /* HSI16: 8 MHz */
#define PORT_PLL_N 20u /* 160 MHz */
#define PORT_PLL_R 2u /* 80 MHz */
#define PORT_GPIO_SUPPLY_2 0 /* pins of the USART in the VDDIO2 domain */

/* UM2153: virtual COM port on PB6 (TX), PB7 (RX); DS10969, alternate function 7 of both. */
#define PORT_TX_PORT 1u
#define PORT_TX_PIN 6u
#define PORT_TX_FUNCTION 7u
#define PORT_RX_PORT 1u
#define PORT_RX_PIN 7u
#define PORT_RX_FUNCTION 7u

#endif
