/* NUCLEO-H7A3ZI-Q. RM0455, datasheet DS13195, UM2408. */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#define PORT_HSE_HZ 8000000u /* UM2408: MCO of the debug probe, from its crystal */
#define PORT_HSE_BYPASS 1
#define PORT_PLL_M 1u  /* 8 MHz */
#define PORT_PLL_N 70u /* 560 MHz */
#define PORT_PLL_P 2u  /* 280 MHz */
#define PORT_VCO_MIN_HZ 128000000u /* DS13195, PLL characteristics, wide range */
#define PORT_VCO_MAX_HZ 560000000u
#define PORT_AHB_DIVIDER 1u        /* 280 MHz */
#define PORT_AHB_MAX_HZ 280000000u /* DS13195: at VOS0 */
#define PORT_VOS 3u                /* RM0455, PWR_SRDCR: 3 is VOS0, up to 280 MHz */
#define PORT_FLASH_WRHIGHFREQ 3u   /* likewise */

/* UM2408: virtual COM port on PD8 (TX), PD9 (RX); DS13195, alternate function 7 of both. */
#define PORT_TX_PORT 3u
#define PORT_TX_PIN 8u
#define PORT_TX_FUNCTION 7u
#define PORT_RX_PORT 3u
#define PORT_RX_PIN 9u
#define PORT_RX_FUNCTION 7u

#endif
