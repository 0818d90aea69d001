/* Memory under the names of the linker symbols (bench_port.h declares those as single bytes, so not here).
 *
 * The C library defines __data_start and the linker __bss_start; the ends are for the linker's command line:
 * -Wl,--defsym=__data_end=_edata,--defsym=__bss_end=_end */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define IMAGE_BYTES 65536
#define STACK_BYTES 4096
#define UNTOUCHED_BYTES 1024 /* of the stand-in for a stack, which nothing uses */

_Alignas(16) uint8_t host_image[IMAGE_BYTES];
const size_t host_image_bytes = IMAGE_BYTES;
_Alignas(16) uint8_t host_stack[STACK_BYTES];

__asm(".globl __image_start\n.set __image_start, host_image\n"
      ".globl __stack_limit\n.set __stack_limit, host_stack\n"
      ".globl __stack_top\n.set __stack_top, host_stack + 4096\n");

void host_paint_stack(void);

void host_paint_stack(void)
{
    memset(host_stack, 0xC5, UNTOUCHED_BYTES);
}
