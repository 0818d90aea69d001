"""Instructions of weighted layers on an emulated Cortex-M, layer by layer, and whether their kernels agree.

`python benchmarks/kernels.py MODEL.tflite ... [--cpu cortex-m4] [--flags=-O3]` needs arm-none-eabi-gcc and
qemu-system-arm. Every layer runs on one pseudo-random input, through the plain loops and through the kernel
that the lowering chose; their outputs are compared on the target. An instruction count is no time.
"""

from __future__ import annotations

import argparse
import re
import struct
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from benchrunner.firmware.lowered import (
    Argument,
    ConstantArgument,
    LiteralArgument,
    Lowered,
    ScratchArgument,
    StructArgument,
    TensorArgument,
)
from benchrunner.firmware.lowering.convolution import lower_conv_2d, lower_depthwise_conv_2d
from benchrunner.firmware.lowering.fully_connected import lower_fully_connected
from benchrunner.model import Model, layer_costs, load_model
from benchrunner.resources import shipped

LOWERINGS = {
    "CONV_2D": lower_conv_2d,
    "DEPTHWISE_CONV_2D": lower_depthwise_conv_2d,
    "FULLY_CONNECTED": lower_fully_connected,
}
# Core -> QEMU's machine, code, RAM, CMSDK timer, instructions per tick with -icount shift=6.
MACHINES = {
    "cortex-m7": ("mps2-an500", 0x00000000, 0x20000000, 0x40000000, 0.625),
    "cortex-m4": ("mps2-an386", 0x00000000, 0x20000000, 0x40000000, 0.625),
    "cortex-m33": ("mps2-an505", 0x10000000, 0x38000000, 0x50000000, 0.78125),
}
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]

MAIN = r"""
#include <stdint.h>
#include <string.h>
%(includes)s
#define TIMER ((volatile uint32_t *)%(timer)#xu)
static _Alignas(8) int8_t input[%(input)d], plain[%(output)d], fast[%(output)d], scratch[%(scratch)d];
%(layers)s
typedef struct { void (*plain)(void); void (*fast)(void); uint32_t inputs, outputs; } layer_t;
static const layer_t layers[] = {%(table)s};

static void host(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}
static void print(uint32_t value) {
    char text[12], *at = text + 11;
    *at = 0;
    *--at = ' ';
    do {
        *--at = (char)('0' + value %% 10);
        value /= 10;
    } while (value != 0);
    host(4, at);
}
static uint32_t ticks(void (*layer)(void)) {
    const uint32_t before = TIMER[1];
    layer();
    return before - TIMER[1];
}
static void nothing(void) {}
static void reset(void) {
    *(volatile uint32_t *)0xE000ED88u |= 0xF00000u; /* FPU: the compiler may keep values in its registers */
    TIMER[2] = 0xFFFFFFFFu;
    TIMER[1] = 0xFFFFFFFFu;
    TIMER[0] = 1;
    for (uint32_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        uint32_t seed = 12345;
        for (uint32_t k = 0; k < layers[i].inputs; k++) {
            seed = seed * 1664525u + 1013904223u;
            input[k] = (int8_t)(seed >> 24);
        }
        memset(plain, 1, sizeof plain);
        memset(fast, 2, sizeof fast);
        layers[i].plain();
        print(ticks(nothing));
        print(ticks(layers[i].fast));
        print((uint32_t)memcmp(plain, fast, layers[i].outputs));
        host(4, "\n");
    }
    static const uint32_t done[] = {0x20026, 0};
    host(0x20, done);
    for (;;) {
    }
}
__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    (void *)(%(ram)#xu + 0x80000u - 8u), (void *)reset, (void *)reset, (void *)reset};
"""
LINK = """
SECTIONS {{
  . = {code:#x};
  .text : {{ KEEP(*(.vectors)) *(.text* .rodata*) *(.ARM.*) }}
  . = {ram:#x};
  .data : {{ *(.data*) }}
  .bss : {{ *(.bss* COMMON) }}
}}
"""


def number(data: bytes, ctype: str) -> str:
    code = {"int8_t": "b", "uint32_t": "I", "int32_t": "i"}[ctype]
    values = struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data)
    return ",".join(
        f"{v}u" if ctype == "uint32_t" else str(v).replace("-2147483648", "INT32_MIN") for v in values
    )


def layer_c(name: str, lowered: Lowered, output: str) -> str:
    """C of one lowered layer: its constants, and a function `name` that runs it."""
    (call,) = lowered.calls
    lines = [
        f"static _Alignas(4) const {c.ctype} {name}_{c.name}[] = {{{number(c.data, c.ctype)}}};"
        for c in lowered.constants
    ]

    def text(argument: Argument) -> str:
        match argument:
            case TensorArgument(ctype=ctype):
                return "input" if ctype.startswith("const") else output
            case ConstantArgument(name=constant):
                return f"{name}_{constant}"
            case ScratchArgument():
                return "scratch"
            case LiteralArgument(text=literal):
                return literal
            case StructArgument(ctype=ctype, fields=fields):
                values = ",".join(f".{field}={value}" for field, value in fields)
                lines.append(f"static const {ctype} {name}_shape = {{{values}}};")
                return f"&{name}_shape"

    arguments = ", ".join(text(argument) for argument in call.arguments)
    lines.append(f"static void {name}(void) {{ {call.function}({arguments}); }}")
    return "\n".join(lines)


def measure(model: Model, cpu: str, flags: str) -> list[tuple[str, str, int, int, bool]]:
    """Layer, kernel, MACs, instructions, whether the outputs agree."""
    machine, code, ram, timer, per_tick = MACHINES[cpu]
    tensors = model.graph.tensors
    costs = {cost.index: cost.macs for cost in layer_costs(model)}
    parts, table, sources, layers = [], [], set[str](), []
    input_bytes = output_bytes = scratch_bytes = 1
    for operator in model.graph.operators:
        if operator.name not in LOWERINGS:
            continue
        lower = LOWERINGS[operator.name]
        plain, fast = lower(model, operator, plain=True), lower(model, operator)
        name = f"layer_{operator.index}"
        parts += [layer_c(f"{name}_plain", plain, "plain"), layer_c(name, fast, "fast")]
        sources |= {*plain.sources, *fast.sources}
        source, target = tensors[operator.inputs[0]].size_bytes, tensors[operator.outputs[0]].size_bytes
        table.append(f"{{{name}_plain, {name}, {source}, {target}}}")
        input_bytes, output_bytes = max(input_bytes, source), max(output_bytes, target)
        scratch_bytes = max(scratch_bytes, fast.scratch_bytes)
        shape = "x".join(map(str, tensors[operator.inputs[1]].shape))
        layers.append((f"{operator.index} {shape}", fast.calls[0].function, costs[operator.index] or 0))
    text = MAIN % {
        "includes": "\n".join(f'#include "{source[:-2]}.h"' for source in sorted(sources)),
        "timer": timer,
        "input": input_bytes,
        "output": output_bytes,
        "scratch": scratch_bytes,
        "layers": "\n".join(parts),
        "table": ", ".join(table),
        "ram": ram,
    }
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "main.c").write_text(text)
        (work / "link.ld").write_text(LINK.format(code=code, ram=ram))
        kernels = shipped("firmware") / "kernels"
        target = [f"-mcpu={cpu}", "-mthumb", "-mfloat-abi=hard", *WARNINGS, *flags.split()]
        link = ["-nostartfiles", "-T", str(work / "link.ld"), "-Wl,--no-warn-rwx-segments", "-Wl,-e0"]
        names = [str(kernels / source) for source in sorted(sources)]
        program = str(work / "main.elf")
        command = [
            "arm-none-eabi-gcc",
            *target,
            f"-I{kernels}",
            str(work / "main.c"),
            *names,
            *link,
            "-o",
            program,
        ]
        subprocess.run(command, check=True)
        emulator = [
            "qemu-system-arm",
            "-M",
            machine,
            "-display",
            "none",
            "-monitor",
            "none",
            "-serial",
            "none",
        ]
        emulator += ["-kernel", program, "-semihosting-config", "enable=on,target=native"]
        emulator += ["-icount", "shift=6,align=off,sleep=off"]
        found = subprocess.run(emulator, capture_output=True, text=True, timeout=300, check=True)
    rows = []
    for (name, kernel, macs), line in zip(
        layers, re.findall(r"(\d+) (\d+) (\d+)", found.stderr + found.stdout), strict=True
    ):
        empty, taken, differs = map(int, line)
        rows.append((name, kernel, macs, round((taken - empty) * per_tick), differs == 0))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--cpu", choices=MACHINES, default="cortex-m7")
    parser.add_argument("--flags", default="-O2")
    arguments = parser.parse_args()
    wrong = 0
    for path in arguments.models:
        kinds: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        print(f"{path.stem}, {arguments.cpu}")
        print(f"{'layer':24}{'kernel':28}{'MACs':>10}{'instr.':>10}{'/MAC':>7}  equal")
        for name, kernel, macs, instructions, equal in measure(
            load_model(path), arguments.cpu, arguments.flags
        ):
            share = f"{macs:10}{instructions:10}{instructions / macs:7.2f}"
            print(f"{name:24}{kernel:28}{share}  {'yes' if equal else 'NO'}")
            for kind in (kernel, "sum"):
                kinds[kind][0] += macs
                kinds[kind][1] += instructions
            wrong += not equal
        for kind, (macs, instructions) in kinds.items():
            print(f"{'':24}{kind:28}{macs:10}{instructions:10}{instructions / macs:7.2f}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
