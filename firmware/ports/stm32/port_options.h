/* What a build may choose, by -D; the defaults are what is measured unless somebody asks for something else. */
#ifndef STM32_PORT_OPTIONS_H
#define STM32_PORT_OPTIONS_H

#ifndef PORT_ICACHE
#define PORT_ICACHE 1
#endif
#ifndef PORT_DCACHE
#define PORT_DCACHE 1
#endif
#ifndef PORT_PREFETCH
#define PORT_PREFETCH 1
#endif
#ifndef PORT_WATCHDOG
#define PORT_WATCHDOG 0
#endif
/* A machine of QEMU, where reading the unique id is a bus fault. */
#ifndef PORT_HAS_NO_UID
#define PORT_HAS_NO_UID 0
#endif

#endif
