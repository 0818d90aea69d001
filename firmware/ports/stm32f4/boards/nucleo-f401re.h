/* NUCLEO-F401RE. RM0368, datasheet DS10086, UM1724. */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#define PORT_HSE_HZ 8000000u /* UM1724: MCO of the debug probe, from its crystal */
#define PORT_HSE_BYPASS 1
#define PORT_PLL_M 4u /* 2 MHz */
#define PORT_PLL_N 168u /* 336 MHz */
#define PORT_PLL_P 4u /* 84 MHz */
#define PORT_VCO_MIN_HZ 192000000u /* DS10086, main PLL characteristics */
#define PORT_VCO_MAX_HZ 432000000u
#define PORT_APB1_DIVIDER 2u
#define PORT_APB1_MAX_HZ 42000000u /* DS10086, general operating conditions */
#define PORT_APB2_DIVIDER 1u
#define PORT_APB2_MAX_HZ 84000000u
#define PORT_VOS 2u /* RM0368, PWR_CR: 2 is scale 2, up to 84 MHz */
#define PORT_OVERDRIVE 0

/* UM1724: virtual COM port on PA2 (TX), PA3 (RX); DS10086, alternate function 7 of both. */
#define PORT_TX_PORT 0u
#define PORT_TX_PIN 2u
#define PORT_TX_FUNCTION 7u
#define PORT_RX_PORT 0u
#define PORT_RX_PIN 3u
#define PORT_RX_FUNCTION 7u

#endif
