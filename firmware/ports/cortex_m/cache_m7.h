/* The L1 caches of the Cortex-M7. */
#ifndef CORTEX_M_CACHE_M7_H
#define CORTEX_M_CACHE_M7_H

/* Invalidates and switches on; call once, with the caches off as reset leaves them. */
void cache_m7_enable_instruction(void);
void cache_m7_enable_data(void);

#endif
