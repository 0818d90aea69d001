/* What the host port offers to models made for tests. */
#ifndef HOST_H
#define HOST_H

#include <stdint.h>

/* Lets the cycle counter run ahead, as if that much time had been spent computing. */
void host_spend_ns(uint64_t ns);

#endif
