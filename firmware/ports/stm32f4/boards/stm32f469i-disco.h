/* STM32F469I-DISCO. RM0386, datasheet DS11189, UM1932. */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#define PORT_HSE_HZ 8000000u /* UM1932: crystal X2 */
#define PORT_HSE_BYPASS 0
#define PORT_PLL_M 4u /* 2 MHz */
#define PORT_PLL_N 180u /* 360 MHz */
#define PORT_PLL_P 2u /* 180 MHz */
#define PORT_VCO_MIN_HZ 192000000u /* DS11189, main PLL characteristics */
#define PORT_VCO_MAX_HZ 432000000u
#define PORT_APB1_DIVIDER 4u
#define PORT_APB1_MAX_HZ 45000000u /* DS11189, general operating conditions */
#define PORT_APB2_DIVIDER 2u
#define PORT_APB2_MAX_HZ 90000000u
#define PORT_VOS 3u /* RM0386, PWR_CR: 3 is scale 1, up to 168 MHz, 180 MHz with over-drive */
#define PORT_OVERDRIVE 1

/* UM1932: virtual COM port on PB10 (TX), PB11 (RX); DS11189, alternate function 7 of both. */
#define PORT_TX_PORT 1u
#define PORT_TX_PIN 10u
#define PORT_TX_FUNCTION 7u
#define PORT_RX_PORT 1u
#define PORT_RX_PIN 11u
#define PORT_RX_FUNCTION 7u

#endif
