/* The virtual COM port on a USART or LPUART with ISR, RDR and TDR; polled. */
#include "bench_port.h"
#include "board.h"
#include "family_registers.h"
#include "stm32.h"

#ifdef USART_ISR /* the STM32F4 has another USART, and its own driver */

/* RM0399, USART_BRR: USARTDIV = clock / baud with 16-fold oversampling. RM0432, LPUART_BRR: the
 * LPUART's is 256 times that. */
void stm32_usart_start(uint32_t usart_hz) {
    REG(USART, CR1) = 0;
    REG(USART, CR2) = 0; /* one stop bit */
    REG(USART, CR3) = 0;
#if USART_IS_LPUART
    REG(USART, BRR) = (uint32_t)((256ull * usart_hz + BOARD_BAUD_HZ / 2u) / BOARD_BAUD_HZ);
#else
    REG(USART, BRR) = (usart_hz + BOARD_BAUD_HZ / 2u) / BOARD_BAUD_HZ;
#endif
#if USART_FIFO_BYTES > 1
    REG(USART, CR1) = USART_CR1_FIFOEN;
#endif
    REG(USART, CR1) |= USART_CR1_UE | USART_CR1_RE | USART_CR1_TE;
}

/* A byte with an error is delivered as it is: the frame's checksum finds it. An overrun is cleared, or the receiver
 * would stay deaf. */
bool port_uart_read(uint8_t *byte) {
    const uint32_t status = REG(USART, ISR);
    if ((status & (USART_ISR_PE | USART_ISR_FE | USART_ISR_NF | USART_ISR_ORE)) != 0) {
        REG(USART, ICR) = USART_ICR_PECF | USART_ICR_FECF | USART_ICR_NCF | USART_ICR_ORECF;
    }
    if ((status & USART_ISR_RXNE) == 0) {
        return false;
    }
    *byte = (uint8_t)REG(USART, RDR);
    return true;
}

bool port_uart_try_write(uint8_t byte) {
    if ((REG(USART, ISR) & USART_ISR_TXE) == 0) {
        return false;
    }
    REG(USART, TDR) = byte;
    return true;
}

/* At most a FIFO full of bytes is under way: 2 ms at 115200 baud, far below the bound. */
void port_uart_flush(void) { (void)stm32_wait(&REG(USART, ISR), USART_ISR_TC, USART_ISR_TC); }

#endif
