/* From reset to main: vector table, stack paint, data, bss, FPU, and the way into the boot loader in the ROM. */
#include "bench_port.h"
#include "board.h"
#include "core_registers.h"
#include "startup.h"

int main(void);
void Reset_Handler(void);
void port_fault_entry(void);
_Noreturn void port_start(void);

typedef struct {
    uint8_t *stack;
    void (*handlers[15])(void);
} vectors_t;

/* Only the system exceptions: no interrupt is ever enabled, and PRIMASK stays set. */
__attribute__((section(".isr_vector"), used)) const vectors_t port_vectors = {
    .stack = &__stack_top,
    .handlers = {Reset_Handler, port_fault_entry, port_fault_entry, port_fault_entry, port_fault_entry,
                 port_fault_entry, port_fault_entry, port_fault_entry, port_fault_entry, port_fault_entry,
                 port_fault_entry, port_fault_entry, port_fault_entry, port_fault_entry, port_fault_entry},
};

/* Survives a system reset, in RAM that start-up does not touch. Two words, so that RAM after power-up, whatever it
 * holds, is not taken for a request: the chance is 2^-64. */
static struct {
    uint32_t request, complement;
} boot_request __attribute__((section(".noinit")));

#define BOOT_REQUEST 0xB007C0DEu

/* No C before the stack is painted: a C function would have its own frame in it. Interrupts stay masked for good; the
 * ROM boot loader's `Go` may have left some enabled. CPACR: the FPU before the first C function, which may use it. */
__attribute__((naked, used)) void Reset_Handler(void) {
    __asm volatile(
        "cpsid i\n\t"
        "movw r1, #:lower16:__stack_top\n\t"
        "movt r1, #:upper16:__stack_top\n\t"
        "msr msp, r1\n\t"
        "movw r0, #:lower16:__stack_limit\n\t"
        "movt r0, #:upper16:__stack_limit\n\t"
#if defined(__ARM_ARCH_8M_MAIN__)
        "msr msplim, r0\n\t"
#endif
        "movw r2, #0xC5C5\n\t" /* PORT_STACK_PAINT */
        "movt r2, #0xC5C5\n"
        "1:\n\t"
        "cmp r0, r1\n\t"
        "bhs 2f\n\t"
        "str r2, [r0], #4\n\t"
        "b 1b\n"
        "2:\n\t"
        "movw r0, #:lower16:__data_start\n\t"
        "movt r0, #:upper16:__data_start\n\t"
        "movw r1, #:lower16:__data_end\n\t"
        "movt r1, #:upper16:__data_end\n\t"
        "movw r2, #:lower16:__data_load\n\t"
        "movt r2, #:upper16:__data_load\n"
        "3:\n\t"
        "cmp r0, r1\n\t"
        "bhs 4f\n\t"
        "ldr r3, [r2], #4\n\t"
        "str r3, [r0], #4\n\t"
        "b 3b\n"
        "4:\n\t"
        "movw r0, #:lower16:__bss_start\n\t"
        "movt r0, #:upper16:__bss_start\n\t"
        "movw r1, #:lower16:__bss_end\n\t"
        "movt r1, #:upper16:__bss_end\n\t"
        "movs r2, #0\n"
        "5:\n\t"
        "cmp r0, r1\n\t"
        "bhs 6f\n\t"
        "str r2, [r0], #4\n\t"
        "b 5b\n"
        "6:\n\t"
        "movw r0, #0xED88\n\t" /* SCB_CPACR */
        "movt r0, #0xE000\n\t"
        "ldr r1, [r0]\n\t"
        "orr r1, r1, #0xF00000\n\t"
        "str r1, [r0]\n\t"
        "dsb\n\t"
        "isb\n\t"
        "b port_start\n");
}

_Static_assert(PORT_STACK_PAINT == 0xC5C5C5C5u, "Reset_Handler writes it");
_Static_assert(SCB_BASE + SCB_CPACR == 0xE000ED88u && SCB_CPACR_CP10_CP11 == 0xF00000u, "Reset_Handler sets it");

/* The ROM's own vector table is at its base; it expects the clocks, caches and the NVIC as reset leaves them. */
static _Noreturn void enter_boot_loader(void) {
    const uint32_t stack = REG_AT(BOARD_BOOTLOADER_BASE), entry = REG_AT(BOARD_BOOTLOADER_BASE + 4u);
    REG(SCB, VTOR) = BOARD_BOOTLOADER_BASE;
    core_barrier();
    __asm volatile(
#if defined(__ARM_ARCH_8M_MAIN__)
        "msr msplim, %2\n\t"
#endif
        "msr msp, %0\n\t"
        "cpsie i\n\t"
        "bx %1\n"
        :
        : "r"(stack), "r"(entry), "r"(0));
    __builtin_unreachable();
}

__attribute__((used)) _Noreturn void port_start(void) {
    const bool wanted = boot_request.request == BOOT_REQUEST && boot_request.complement == ~BOOT_REQUEST;
    boot_request.request = 0;
    boot_request.complement = 0;
    if (wanted) {
        enter_boot_loader();
    }
    REG(SCB, VTOR) = (uint32_t)(uintptr_t)&__image_start;
    core_barrier();
    (void)main();
    port_reset();
}

_Noreturn void port_reset(void) {
    core_barrier();
    REG(SCB, AIRCR) = SCB_AIRCR_VECTKEY | SCB_AIRCR_SYSRESETREQ;
    core_barrier();
    for (;;) {
    }
}

_Noreturn void port_jump_to_bootloader(void) {
    boot_request.request = BOOT_REQUEST;
    boot_request.complement = ~BOOT_REQUEST;
    port_reset();
}

/* Where the registers of the code that faulted are kept while the report runs. */
__attribute__((used)) uint32_t port_fault_frame[8];

/* Every exception comes here; nothing returns from it, so that the report may have the whole stack for itself: an
 * overflow must not become a second fault. The stacked registers are saved first. Where the stack pointer has left the
 * stack they could not be stacked: the report then has none. */
__attribute__((naked, used)) void port_fault_entry(void) {
    __asm volatile(
        "mrs r1, msp\n\t"
        "mov r2, lr\n\t"
        "movs r0, #0\n\t"
        "movw r3, #:lower16:__stack_limit\n\t"
        "movt r3, #:upper16:__stack_limit\n\t"
        "cmp r1, r3\n\t"
        "blo 1f\n\t"
        "movw r3, #:lower16:__stack_top\n\t"
        "movt r3, #:upper16:__stack_top\n\t"
        "sub r3, r3, #32\n\t" /* the frame itself */
        "cmp r1, r3\n\t"
        "bhi 1f\n\t"
        "movw r0, #:lower16:port_fault_frame\n\t"
        "movt r0, #:upper16:port_fault_frame\n\t"
        "ldmia r1, {r4-r11}\n\t"
        "stmia r0, {r4-r11}\n"
        "1:\n\t"
        "movw r3, #:lower16:__stack_top\n\t"
        "movt r3, #:upper16:__stack_top\n\t"
        "msr msp, r3\n\t"
        "b port_fault_report\n");
}

/* Words that a frame with floating-point registers has (DDI 0403E, B1.5.7: S0..S15, FPSCR and one reserved). */
enum { FRAME_WORDS = 8, FRAME_WORDS_FP = 26 };

__attribute__((used)) _Noreturn void port_fault_report(const uint32_t *frame, uint32_t sp, uint32_t exc_return) {
    uint32_t ipsr;
    __asm volatile("mrs %0, ipsr" : "=r"(ipsr));
    port_fault_t fault = {
        .sp = sp,
        .exception = ipsr,
        .exc_return = exc_return,
        .cfsr = REG(SCB, CFSR),
        .hfsr = REG(SCB, HFSR),
        .mmfar = REG(SCB, MMFAR),
        .bfar = REG(SCB, BFAR),
    };
    if (frame != NULL) {
        fault.r0 = frame[0];
        fault.r1 = frame[1];
        fault.r2 = frame[2];
        fault.r3 = frame[3];
        fault.r12 = frame[4];
        fault.lr = frame[5];
        fault.pc = frame[6];
        fault.xpsr = frame[7];
        /* EXC_RETURN bit 4: without floating-point registers. xPSR bit 9: one word of padding (B1.5.7). */
        const uint32_t words = (exc_return & BIT(4)) != 0 ? FRAME_WORDS : FRAME_WORDS_FP;
        fault.sp = sp + 4u * (words + ((fault.xpsr & BIT(9)) != 0 ? 1u : 0u));
    }
    bench_fault(&fault);
}
