/* STM32F769I-DISCO. RM0410, datasheet DS11532, UM2033. */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#define PORT_HSE_HZ 25000000u /* UM2033: crystal X2 */
#define PORT_HSE_BYPASS 0
#define PORT_PLL_M 25u /* 1 MHz */
#define PORT_PLL_N 432u /* 432 MHz */
#define PORT_PLL_P 2u /* 216 MHz */
#define PORT_VCO_MIN_HZ 100000000u /* DS11532, main PLL characteristics */
#define PORT_VCO_MAX_HZ 432000000u
#define PORT_APB1_DIVIDER 4u
#define PORT_APB1_MAX_HZ 54000000u /* DS11532, general operating conditions */
#define PORT_APB2_DIVIDER 2u
#define PORT_APB2_MAX_HZ 108000000u
#define PORT_VOS 3u /* RM0410, PWR_CR1: 3 is scale 1, up to 180 MHz, 216 MHz with over-drive */
#define PORT_OVERDRIVE 1

/* UM2033: virtual COM port on PA9 (TX), PA10 (RX); DS11532, alternate function 7 of both. */
#define PORT_TX_PORT 0u
#define PORT_TX_PIN 9u
#define PORT_TX_FUNCTION 7u
#define PORT_RX_PORT 0u
#define PORT_RX_PIN 10u
#define PORT_RX_FUNCTION 7u

#endif
