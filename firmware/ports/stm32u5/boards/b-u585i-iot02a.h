/* B-U585I-IOT02A. RM0456, datasheet DS13086, UM2839. */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#define PORT_PLL_M 2u /* HSI16 by 2: 8 MHz */
#define PORT_PLL_N 40u /* 320 MHz */
#define PORT_PLL_R 2u /* 160 MHz */

/* UM2839: virtual COM port on PA9 (TX), PA10 (RX); DS13086, alternate function 7 of both. */
#define PORT_TX_PORT 0u
#define PORT_TX_PIN 9u
#define PORT_TX_FUNCTION 7u
#define PORT_RX_PORT 0u
#define PORT_RX_PIN 10u
#define PORT_RX_FUNCTION 7u

#endif
