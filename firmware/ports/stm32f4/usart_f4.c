/* STM32F4: the USART with SR and DR. */
#include "board.h"
#include "family_registers.h"
#include "stm32.h"

/* RM0090, USART_BRR: USARTDIV = clock / (16 baud); BRR is that times 16. */
void stm32_usart_start(uint32_t usart_hz) {
    REG(USART, CR1) = 0;
    REG(USART, CR2) = 0; /* one stop bit */
    REG(USART, CR3) = 0;
    REG(USART, BRR) = (usart_hz + BOARD_BAUD_HZ / 2u) / BOARD_BAUD_HZ;
    REG(USART, CR1) = USART_CR1_UE | USART_CR1_RE | USART_CR1_TE;
}

/* RM0090, USART_SR: reading SR and then DR takes the byte and clears every error. A byte with an error is
 * delivered as it is: the frame's checksum finds it. An overrun without a byte is cleared the same way; that byte is
 * none. */
bool port_uart_read(uint8_t *byte) {
    const uint32_t status = REG(USART, SR);
    if ((status & (USART_SR_RXNE | USART_SR_PE | USART_SR_FE | USART_SR_NF | USART_SR_ORE)) == 0) {
        return false;
    }
    *byte = (uint8_t)REG(USART, DR);
    return (status & USART_SR_RXNE) != 0;
}

bool port_uart_try_write(uint8_t byte) {
    if ((REG(USART, SR) & USART_SR_TXE) == 0) {
        return false;
    }
    REG(USART, DR) = byte;
    return true;
}

/* One byte at most is under way behind the one that is sent: 0.2 ms at 115200 baud, far below the bound. */
void port_uart_flush(void) { (void)stm32_wait(&REG(USART, SR), USART_SR_TC, USART_SR_TC); }
