/* Netduino Plus 2 (STM32F405RG), as QEMU's machine of that name: no RCC, PWR, FLASH, DWT and unique id answer there, so
 * that the port falls back to HSI and says so. On the real board the clock would be 168 MHz. RM0090, DS8626. */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#define PORT_HAS_NO_UID 1
#define PORT_OWN_COUNTER 1 /* DWT counts nothing there: TIM2 does */
#define PORT_HSE_HZ 25000000u /* crystal */
#define PORT_HSE_BYPASS 0
#define PORT_PLL_M 25u /* 1 MHz */
#define PORT_PLL_N 336u /* 336 MHz */
#define PORT_PLL_P 2u /* 168 MHz */
#define PORT_VCO_MIN_HZ 192000000u /* DS8626, main PLL characteristics */
#define PORT_VCO_MAX_HZ 432000000u
#define PORT_APB1_DIVIDER 4u
#define PORT_APB1_MAX_HZ 42000000u /* DS8626, general operating conditions */
#define PORT_APB2_DIVIDER 2u
#define PORT_APB2_MAX_HZ 84000000u
#define PORT_VOS 1u /* RM0090, PWR_CR: bit 14 set is scale 1, up to 168 MHz */
#define PORT_OVERDRIVE 0

/* The first serial port of the machine, PA9 (TX), PA10 (RX); DS8626, alternate function 7 of both. */
#define PORT_TX_PORT 0u
#define PORT_TX_PIN 9u
#define PORT_TX_FUNCTION 7u
#define PORT_RX_PORT 0u
#define PORT_RX_PIN 10u
#define PORT_RX_FUNCTION 7u

#endif
