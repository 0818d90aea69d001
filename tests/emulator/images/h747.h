/* STM32H747 (RM0399): 400 MHz from the 25 MHz crystal, USART1 at 115200, in the order that silicon wants. */
#include "stm32.h"

#define RCC 0x58024400u
#define PWR 0x58024800u
#define FLASH_ACR REG(0x52002000u)
#define GPIOA 0x58020000u
#define USART1 0x40011000u
#define DEMCR REG(0xE000EDFCu)
#define DWT_CTRL REG(0xE0001000u)
#define DWT_CYCCNT REG(0xE0001004u)
#define DWT_LAR REG(0xE0001FB0u)

static void supply_up(void) {
    REG(PWR + 0x0C) = (REG(PWR + 0x0C) & ~0x3u) | 0x4u; /* SMPS, not LDO */
    while (!(REG(PWR + 0x04) & 1u << 13)) {
    }
    REG(PWR + 0x18) = 3u << 14; /* VOS1 */
    while (!(REG(PWR + 0x18) & 1u << 13)) {
    }
}

static void pll_up(void) {
    REG(RCC + 0x00) |= 1u << 16;
    while (!(REG(RCC + 0x00) & 1u << 17)) {
    }
    REG(RCC + 0x28) = 2u | 5u << 4; /* HSE / 5 = 5 MHz */
    REG(RCC + 0x2C) = 2u << 2 | 7u << 16;
    REG(RCC + 0x30) = 159u | 1u << 9 | 3u << 16 | 1u << 24; /* x 160 / 2 */
    REG(RCC + 0x00) |= 1u << 24;
    while (!(REG(RCC + 0x00) & 1u << 25)) {
    }
}

static void buses(void) {
    REG(RCC + 0x18) = 8u | 4u << 4; /* HCLK = core / 2 */
    REG(RCC + 0x1C) = 4u << 4 | 4u << 8;
    REG(RCC + 0x20) = 4u << 4;
}

static void switch_to_pll(void) {
    REG(RCC + 0x10) = 3u;
    while ((REG(RCC + 0x10) >> 3 & 7u) != 3u) {
    }
}

static void uart_up(void) {
    REG(RCC + 0xE0) |= 1u;      /* GPIOA */
    REG(RCC + 0xF0) |= 1u << 4; /* USART1 */
    REG(GPIOA) = (REG(GPIOA) & ~(0xFu << 18)) | 0xAu << 18;
    REG(GPIOA + 0x24) = (REG(GPIOA + 0x24) & ~0xFF0u) | 0x770u;
    REG(USART1 + 0x0C) = 868u; /* 100 MHz / 115200 */
    REG(USART1 + 0x00) = 1u << 29 | 0xDu;
}

static void start(void) {
    supply_up();
    pll_up();
    FLASH_ACR = 2u | 2u << 4;
    while ((FLASH_ACR & 0xFu) != 2u) {
    }
    buses();
    switch_to_pll();
    uart_up();
}

static void counter_up(void) {
    DEMCR |= 1u << 24;
    DWT_LAR = 0xC5ACCE55u;
    DWT_CYCCNT = 0;
    DWT_CTRL |= 1u;
}

static inline void put(uint8_t byte) {
    while (!(REG(USART1 + 0x1C) & 1u << 7)) {
    }
    REG(USART1 + 0x28) = byte;
}

static inline uint8_t get(void) {
    while (!(REG(USART1 + 0x1C) & 1u << 5)) {
    }
    return (uint8_t)REG(USART1 + 0x24);
}

static void put_word(uint32_t word) {
    for (int i = 0; i < 4; i++) {
        put((uint8_t)(word >> 8 * i));
    }
}
