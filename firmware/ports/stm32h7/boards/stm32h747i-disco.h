/* STM32H747I-DISCO, the Cortex-M7. RM0399, datasheet DS12930, UM2411. */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#define PORT_HSE_HZ 25000000u /* UM2411: crystal X1 */
#define PORT_HSE_BYPASS 0
#define PORT_PLL_M 5u   /* 5 MHz */
#define PORT_PLL_N 160u /* 800 MHz */
#define PORT_PLL_P 2u   /* 400 MHz */
#define PORT_VCO_MIN_HZ 192000000u /* DS12930, PLL characteristics, wide range */
#define PORT_VCO_MAX_HZ 836000000u
#define PORT_AHB_DIVIDER 2u          /* 200 MHz */
#define PORT_AHB_MAX_HZ 200000000u   /* DS12930: at VOS1 */
#define PORT_VOS 3u                  /* RM0399, PWR_D3CR: 3 is VOS1, up to 400 MHz */
#define PORT_FLASH_WRHIGHFREQ 2u     /* likewise */

/* UM2411: virtual COM port on PA9 (TX), PA10 (RX); DS12930, alternate function 7 of both. */
#define PORT_TX_PORT 0u
#define PORT_TX_PIN 9u
#define PORT_TX_FUNCTION 7u
#define PORT_RX_PORT 0u
#define PORT_RX_PIN 10u
#define PORT_RX_FUNCTION 7u

#endif
