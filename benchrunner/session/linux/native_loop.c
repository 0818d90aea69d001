/* The timed loop of the runner on a Linux board, around the runtime's own Invoke: no Python inside.
 *
 * Needs nothing but the C library, so that a cross compiler makes it for any board. The caller passes the
 * address of `tflite::impl::Interpreter::Invoke()`, a member function: by the platform ABIs of Linux on x86-64,
 * AArch64 and 32-bit Arm it is called like a function whose first argument is the object.
 */
#include <stdint.h>
#include <time.h>

typedef int (*invoke_function)(void *interpreter);

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Time `count` inferences, each by itself. Returns the first status that is not 0. */
__attribute__((visibility("default"))) int benchrunner_time(invoke_function invoke, void *interpreter,
                                                            uint32_t count, int64_t *samples_ns)
{
    for (uint32_t index = 0; index < count; index++) {
        const int64_t began_ns = now_ns();
        const int status = invoke(interpreter);
        samples_ns[index] = now_ns() - began_ns;
        if (status != 0)
            return status;
    }
    return 0;
}

/* In the place of Invoke: what the loop itself costs. */
__attribute__((visibility("default"))) int benchrunner_nothing(void *interpreter)
{
    (void)interpreter;
    return 0;
}
