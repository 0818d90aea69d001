/* What the images of the emulator's tests share: a vector table, start-up, and registers by address. */
#ifndef STM32_H
#define STM32_H
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))

int main(void);
void hard_fault(void);
void reset(void);
extern uint32_t __stack_top, __data_start, __data_end, __data_load, __bss_start, __bss_end;

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))&__stack_top, reset, hard_fault, hard_fault, hard_fault, hard_fault, hard_fault};

void reset(void) {
    volatile uint32_t *from = &__data_load;
    for (volatile uint32_t *to = &__data_start; to < &__data_end;) {
        *to++ = *from++;
    }
    for (volatile uint32_t *to = &__bss_start; to < &__bss_end;) {
        *to++ = 0;
    }
    main();
    for (;;) {
    }
}
#endif
