"""Instructions of weighted layers on an emulated Cortex-M, layer by layer, and whether their kernels agree.

`python benchmarks/kernels.py MODEL.tflite ... [--cpu cortex-m4] [--flags=-O3]` needs arm-none-eabi-gcc and
qemu-system-arm. Every layer runs on one pseudo-random input, through the plain loops and through the kernel
that the lowering chose; their outputs are compared on the target. An instruction count is no time.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections import defaultdict
from pathlib import Path

import cortex_m

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

LOWERINGS = {
    "CONV_2D": lower_conv_2d,
    "DEPTHWISE_CONV_2D": lower_depthwise_conv_2d,
    "FULLY_CONNECTED": lower_fully_connected,
}
MAIN = r"""
%(includes)s
static _Alignas(8) int8_t input[%(input)d], plain[%(output)d], fast[%(output)d], scratch[%(scratch)d];
%(layers)s
typedef struct { void (*plain)(void); void (*fast)(void); uint32_t inputs, outputs; } layer_t;
static const layer_t layers[] = {%(table)s};
static void nothing(void) {}
static void benchmark(void) {
    for (uint32_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        fill(input, layers[i].inputs);
        memset(plain, 1, sizeof plain);
        memset(fast, 2, sizeof fast);
        layers[i].plain();
        const uint32_t empty = ticks(nothing);
        print(ticks(layers[i].fast) - empty);
        print(memcmp(plain, fast, layers[i].outputs) != 0);
    }
}
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


def measured(model: Model, cpu: str, flags: str) -> list[tuple[str, str, int, int, bool]]:
    """Layer, kernel, MACs, instructions, whether the outputs agree."""
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
        "input": input_bytes,
        "output": output_bytes,
        "scratch": scratch_bytes,
        "layers": "\n".join(parts),
        "table": ", ".join(table),
    }
    found, _ = cortex_m.measure(text, {}, sorted(sources), cpu, flags)
    rows = []
    for (name, kernel, macs), ticks, differs in zip(layers, found[::2], found[1::2], strict=True):
        taken = round(ticks * cortex_m.MACHINES[cpu].per_tick)
        rows.append((name, kernel, macs, taken, not differs))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--cpu", choices=cortex_m.MACHINES, default="cortex-m7")
    parser.add_argument("--flags", default="-O2")
    arguments = parser.parse_args()
    wrong = 0
    for path in arguments.models:
        kinds: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        print(f"{path.stem}, {arguments.cpu}")
        print(f"{'layer':24}{'kernel':28}{'MACs':>10}{'instr.':>10}{'/MAC':>7}  equal")
        for name, kernel, macs, instructions, equal in measured(
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
