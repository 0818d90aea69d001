/* Symbols between the start-up, its assembly and the linker script. */
#ifndef CORTEX_M_STARTUP_H
#define CORTEX_M_STARTUP_H

#include <stdint.h>

extern const uint8_t __data_load; /* where the values of .data lie in flash */

_Noreturn void port_fault_report(const uint32_t *frame, uint32_t sp, uint32_t exc_return);

#endif
