/* How registers are written down in the ports, and the registers of the Cortex-M core itself.
 *
 * P_BASE is the address of peripheral P, P_R the offset of its register R, P_R_F the mask of the field F in it.
 * `tools/check_registers.py` reads these headers and compares them with tables of the parts; therefore addresses,
 * offsets and masks are plain numbers, BIT() or BITS().
 */
#ifndef CORTEX_M_REGISTERS_H
#define CORTEX_M_REGISTERS_H

#include <stdint.h>

#define BIT(n) (1u << (n))
#define BITS(offset, width) (((1u << (width)) - 1u) << (offset))
/* A value moved to where a mask is, and back. */
#define FIELD(mask, value) ((uint32_t)(value) * ((mask) & (0u - (mask))))
#define FIELD_OF(mask, word) (((uint32_t)(word) & (mask)) / ((mask) & (0u - (mask))))

#define REG_AT(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define REG(peripheral, name) REG_AT(peripheral##_BASE + peripheral##_##name)

/* System control block. DDI 0403E (Armv7-M), B3.2; DDI 0553 (Armv8-M), D1.1. */
#define SCB_BASE 0xE000ED00u
#define SCB_CPUID 0x00u
#define SCB_ICSR 0x04u
#define SCB_VTOR 0x08u
#define SCB_AIRCR 0x0Cu
#define SCB_AIRCR_SYSRESETREQ BIT(2)
#define SCB_AIRCR_VECTKEY 0x05FA0000u
#define SCB_CCR 0x14u
#define SCB_CCR_DC BIT(16)
#define SCB_CCR_IC BIT(17)
#define SCB_CFSR 0x28u
#define SCB_HFSR 0x2Cu
#define SCB_MMFAR 0x34u
#define SCB_BFAR 0x38u
#define SCB_CCSIDR 0x80u
#define SCB_CCSIDR_ASSOCIATIVITY BITS(3, 10)
#define SCB_CCSIDR_NUMSETS BITS(13, 15)
#define SCB_CSSELR 0x84u
#define SCB_CPACR 0x88u
#define SCB_CPACR_CP10_CP11 BITS(20, 4)
#define SCB_ICIALLU 0x250u
#define SCB_DCISW 0x260u

/* Debug exception and monitor control. DDI 0403E, C1.6.5. */
#define DCB_BASE 0xE000EDF0u
#define DCB_DEMCR 0x0Cu
#define DCB_DEMCR_TRCENA BIT(24)

/* Data watchpoint and trace unit. DDI 0403E, C1.8; the lock: CoreSight (IHI 0029), LAR. */
#define DWT_BASE 0xE0001000u
#define DWT_CTRL 0x00u
#define DWT_CTRL_CYCCNTENA BIT(0)
#define DWT_CYCCNT 0x04u
#define DWT_LAR 0xFB0u
#define DWT_LAR_KEY 0xC5ACCE55u

static inline void core_barrier(void) { __asm volatile("dsb\n\tisb" ::: "memory"); }

#endif
