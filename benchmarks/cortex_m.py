"""C on one of QEMU's Cortex-M machines, and how many instructions it takes.

Needs arm-none-eabi-gcc and qemu-system-arm. `measure` is the entry of the benchmarks that use it.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchrunner.resources import shipped


@dataclass(frozen=True)
class Machine:
    name: str
    code: int
    ram: int
    timer: int  # CMSDK timer
    per_tick: float  # instructions per tick, with -icount shift=6


MACHINES = {
    "cortex-m7": Machine("mps2-an500", 0x00000000, 0x20000000, 0x40000000, 0.625),
    "cortex-m4": Machine("mps2-an386", 0x00000000, 0x20000000, 0x40000000, 0.625),
    "cortex-m33": Machine("mps2-an505", 0x10000000, 0x38000000, 0x50000000, 0.78125),
}
_FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-mthumb", "-mfloat-abi=hard"]

# What a benchmark's C builds upon. It defines `void benchmark(void)`.
_PRELUDE = r"""
#include <stdint.h>
#include <string.h>
#define TIMER ((volatile uint32_t *)@TIMER@u)
static void host(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}
/* One line per number. */
static void print(uint32_t value) {
    char text[12], *at = text + 11;
    *at = 0;
    *--at = '\n';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    host(4, at);
}
static uint32_t ticks(void (*work)(void)) {
    const uint32_t before = TIMER[1];
    work();
    return before - TIMER[1];
}
static void fill(int8_t *data, uint32_t count) {
    uint32_t seed = 12345;
    for (uint32_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (int8_t)(seed >> 24);
    }
}
static void benchmark(void);
static void reset(void) {
    *(volatile uint32_t *)0xE000ED88u |= 0xF00000u; /* FPU: the compiler may keep values in its registers */
    TIMER[2] = 0xFFFFFFFFu;
    TIMER[1] = 0xFFFFFFFFu;
    TIMER[0] = 1;
    benchmark();
    static const uint32_t done[] = {0x20026, 0};
    host(0x20, done);
    for (;;) {
    }
}
__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    (void *)@STACK@u, (void *)reset, (void *)reset, (void *)reset};
"""
_LINK = """
SECTIONS {{
  . = {code:#x};
  .text : {{ KEEP(*(.vectors)) *(.text* .rodata*) *(.ARM.*) }}
  . = {ram:#x};
  .bss : {{ *(.data*) *(.bss* COMMON .arena*) }}
}}
"""


def stimulus(count: int) -> bytes:
    """What `fill` writes."""
    seed, found = 12345, bytearray()
    for _ in range(count):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        found.append(seed >> 24)
    return bytes(found)


def measure(
    text: str, files: Mapping[str, str], kernels: Sequence[str], cpu: str, flags: str
) -> tuple[list[int], int]:
    """The numbers that the benchmark `text` prints, and the bytes of text of `kernels`."""
    machine = MACHINES[cpu]
    sources = shipped("firmware") / "kernels"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        prelude = _PRELUDE.replace("@TIMER@", hex(machine.timer)).replace(
            "@STACK@", hex(machine.ram + 0x3FFFF0)
        )
        for name, content in {**files, "main.c": prelude + text}.items():
            (work / name).write_text(content)
        (work / "link.ld").write_text(_LINK.format(code=machine.code, ram=machine.ram))
        options = [f"-mcpu={cpu}", *_FLAGS, *flags.split(), "-ffunction-sections"]
        options += ["-I", folder, "-I", str(sources), "-I", str(shipped("firmware") / "core")]
        names = [str(work / "main.c"), *(str(work / name) for name in files if name.endswith(".c"))]
        names += [str(sources / kernel) for kernel in kernels]
        objects = []
        for name in names:
            objects.append(str(work / f"{Path(name).stem}.o"))
            subprocess.run(["arm-none-eabi-gcc", *options, "-c", name, "-o", objects[-1]], check=True)
        link = ["-nostartfiles", "-T", str(work / "link.ld"), "-Wl,--no-warn-rwx-segments,-e0,--gc-sections"]
        program = str(work / "main.elf")
        subprocess.run(["arm-none-eabi-gcc", *options[:-6], *objects, *link, "-o", program], check=True)
        sizes = subprocess.run(
            ["arm-none-eabi-size", *objects[-len(kernels) :]], check=True, capture_output=True, text=True
        )
        emulator = ["qemu-system-arm", "-M", machine.name, "-display", "none", "-monitor", "none"]
        emulator += ["-serial", "none", "-kernel", program, "-icount", "shift=6,align=off,sleep=off"]
        emulator += ["-semihosting-config", "enable=on,target=native"]
        done = subprocess.run(emulator, capture_output=True, text=True, timeout=600, check=True)
    text_bytes = sum(int(line.split()[0]) for line in sizes.stdout.splitlines()[1:])
    return [int(line) for line in (done.stderr + done.stdout).split()], text_bytes
