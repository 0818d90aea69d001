/* A port for a Linux process: the wire is standard input and output, the cycle counter the monotonic clock.
 *
 * For tests of the core and of the host's side of the protocol. What it says of itself (machine=host-process, fidelity
 * emulated) keeps its numbers from being taken for a board's. Environment:
 *   BENCH_IMAGE       file with the image whose manifest block is reported (required)
 *   BENCH_CHIP_ID     chip id, else 0
 *   BENCH_CLOCK_FILE  file of 8 bytes that is the counter, in ns, and moves by computing only; else real time
 *   BENCH_DEAD        if set, the counter stands still
 *   BENCH_FALLBACK    if set, the clock is said to be a fallback
 * JumpToBootloader ends the process with status 3, end of input with 0; Reset starts it anew on the same wire.
 */
#define _GNU_SOURCE
#include "host.h"

#include "bench_port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BOOTLOADER_STATUS 3
#define CANNOT_START_STATUS 4
#define IDLE_READS 64 /* without a byte, before a read sleeps for a while */
#define NAP_MS 20
#define READING_NS 100 /* what reading the counter costs, where time is not real */

static port_conditions_t conditions;
static volatile uint64_t *clock_file;
static uint64_t spent_ns, boot_ns;
static volatile sig_atomic_t fault_asked; /* by a signal from outside: taken up at the next look at the wire */
static struct {
    uint8_t bytes[4096];
    size_t at, count;
} in, out;
/* The idle core reads the counter after every read without a byte; the busy one only looks at the receiver. */
static unsigned idle_reads;
static bool counter_was_read;

static void cannot_start(const char *what)
{
    perror(what);
    _exit(CANNOT_START_STATUS);
}

extern uint8_t host_image[];
extern const size_t host_image_bytes;
void host_paint_stack(void);

static _Noreturn void fault(int number, uintptr_t address)
{
    const port_fault_t found = {
        .exception = (uint32_t)number,
        .pc = (uint32_t)address,
        .lr = 0x08001235u,
        .xpsr = 0x61000000u,
        .sp = 0x2001FF00u,
        .cfsr = 0x00010000u,
        .hfsr = 0x40000000u,
        .mmfar = 0xE000ED34u,
        .bfar = 0xE000ED38u,
    };
    bench_fault(&found);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code <= 0) { /* sent by a process: this one may be in the middle of a system call's result */
        fault_asked = number;
        return;
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    fault(number, (uintptr_t)info->si_addr);
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#ifndef HOST_FIDELITY
#define HOST_FIDELITY BENCH_FIDELITY_EMULATED /* a test may play a board with the other one */
#endif

void port_init(void)
{
    const char *const image = getenv("BENCH_IMAGE"), *const chip = getenv("BENCH_CHIP_ID");
    const char *const clock_name = getenv("BENCH_CLOCK_FILE");
    FILE *const file = image != NULL ? fopen(image, "rb") : NULL;
    if (file == NULL) {
        cannot_start("BENCH_IMAGE");
    } else {
        (void)fread(host_image, 1, host_image_bytes, file);
        (void)fclose(file);
    }
    if (clock_name != NULL) {
        const int descriptor = open(clock_name, O_RDWR | O_CLOEXEC);
        void *const mapped = mmap(NULL, sizeof *clock_file, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        if (mapped == MAP_FAILED) {
            cannot_start("BENCH_CLOCK_FILE");
        }
        clock_file = mapped;
        (void)close(descriptor);
    }
    boot_ns = monotonic_ns();
    conditions = (port_conditions_t){
        .core_clock_hz = 1000000000u,
        .chip_id = (uint16_t)(chip != NULL ? strtoul(chip, NULL, 0) : 0),
        .fidelity = HOST_FIDELITY,
        .time_scale_permille = clock_name != NULL ? 0 : 1000,
        .counter_running = getenv("BENCH_DEAD") == NULL,
        .reset_cause = getenv("BENCH_WAS_RESET") != NULL ? 1 : 0,
        .clock_fallback = getenv("BENCH_FALLBACK") != NULL,
        .text = "machine=host-process\n",
    };
    host_paint_stack();
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    (void)sigaction(SIGILL, &action, NULL);
    (void)sigaction(SIGTRAP, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) != 0 || fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK) != 0) {
        cannot_start("standard input and output");
    }
}

const port_conditions_t *port_conditions(void)
{
    return &conditions;
}

void host_spend_ns(uint64_t ns)
{
    if (clock_file != NULL) {
        *clock_file += ns;
    } else {
        spent_ns += ns;
    }
}

uint64_t port_cycles(void)
{
    counter_was_read = true;
    if (!conditions.counter_running) {
        return 42;
    }
    if (clock_file != NULL) {
        return *clock_file += READING_NS;
    }
    return monotonic_ns() - boot_ns + spent_ns;
}

static void put_out(void)
{
    while (out.at < out.count) {
        const ssize_t written = write(STDOUT_FILENO, out.bytes + out.at, out.count - out.at);
        if (written > 0) {
            out.at += (size_t)written;
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            _exit(0); /* nobody listens any more */
        }
    }
    out.at = out.count = 0;
}

/* Until something arrives, or what waits can go out. */
static void nap(void)
{
    struct pollfd wire[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = STDOUT_FILENO, .events = (short)(out.count != 0 ? POLLOUT : 0)}};
    (void)poll(wire, 2, NAP_MS);
}

bool port_uart_read(uint8_t *byte)
{
    if (fault_asked != 0) {
        const int number = fault_asked;
        fault_asked = 0;
        fault(number, 0);
    }
    if (in.at == in.count) {
        if (counter_was_read) {
            put_out();
            if (++idle_reads >= IDLE_READS) {
                nap();
            }
        } else {
            idle_reads = 0;
        }
        counter_was_read = false;
        const ssize_t count = read(STDIN_FILENO, in.bytes, sizeof in.bytes);
        if (count == 0 || (count < 0 && errno == EIO)) {
            _exit(0); /* end of input; EIO is that of a terminal */
        }
        if (count < 0) {
            return false;
        }
        in.at = 0;
        in.count = (size_t)count;
    }
    idle_reads = 0;
    *byte = in.bytes[in.at++];
    return true;
}

bool port_uart_try_write(uint8_t byte)
{
    if (out.count == sizeof out.bytes) {
        put_out();
    }
    if (out.count == sizeof out.bytes) {
        nap();
        return false;
    }
    out.bytes[out.count++] = byte;
    return true;
}

void port_uart_flush(void)
{
    put_out();
    while (out.count != 0) {
        struct pollfd wire = {.fd = STDOUT_FILENO, .events = POLLOUT};
        (void)poll(&wire, 1, -1);
        put_out();
    }
}

void port_watchdog_kick(void)
{
}

_Noreturn void port_reset(void)
{
    char name[] = "bench-host", *arguments[] = {name, NULL};
    (void)setenv("BENCH_WAS_RESET", "1", 1);
    (void)execv("/proc/self/exe", arguments);
    cannot_start("reset");
    abort();
}

_Noreturn void port_jump_to_bootloader(void)
{
    _exit(BOOTLOADER_STATUS);
}
