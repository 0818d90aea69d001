"""Instructions of whole inferences on an emulated Cortex-M, beside TensorFlow Lite Micro with CMSIS-NN.

`python benchmarks/instructions.py MODEL.tflite ... [--cpu cortex-m4] [--flags=-O3]` compiles what the engine
makes of each model, runs it twice on QEMU, counts the second run, and compares the outputs with the oracle's.
An instruction count is no time.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cortex_m

from benchrunner.firmware.compiled import compile_model
from benchrunner.firmware.generate import generate
from benchrunner.model import layer_costs, load_model
from benchrunner.runtime import ORACLE, Interpreter

# TFLM of August 2026 with CMSIS-NN of June 2026, the best of -O2, -O3 and -Ofast, Cortex-M7, after warm-up.
TFLM = {
    "vww_96_int8": 24_026_406,
    "kws_ref_model_int8": 7_646_059,
    "pretrainedResnet_quant_int8": 29_938_064,
    "ad01_int8": 582_796,
    "own_fdmobilenet_0.25_224_int8": 45_842_351,
    "own_fdmobilenet_0.25_128_int8": 15_176_492,
    "own_mobilenet_v1_0.25_96_int8": 24_316_340,
}
MAIN = """
#include "bench_model.h"
static void benchmark(void) {
    for (uint32_t i = 0; i < 2; i++) {
        for (uint32_t k = 0; k < bench_model.input_count; k++) {
            fill(bench_model.inputs[k].data, bench_model.inputs[k].bytes);
        }
        const uint32_t taken = ticks(bench_model.run);
        if (i == 1) {
            print(taken);
        }
    }
    for (uint32_t k = 0; k < bench_model.output_count; k++) {
        for (uint32_t i = 0; i < bench_model.outputs[k].bytes; i++) {
            print(((const uint8_t *)bench_model.outputs[k].data)[i]);
        }
    }
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--cpu", choices=cortex_m.MACHINES, default="cortex-m7")
    parser.add_argument("--flags", default="-O2")
    arguments = parser.parse_args()
    wrong = 0
    print(f"| {arguments.cpu} {arguments.flags} | MACs | ours | per MAC | TFLM | ratio | text | oracle |")
    print("|---|--:|--:|--:|--:|--:|--:|---|")
    for path in arguments.models:
        model = load_model(path)
        compiled = compile_model(model)
        sources = sorted({source for layer in compiled.layers for source in layer.sources})
        headers = [Path(source).with_suffix(".h").name for source in sources]
        files = generate(compiled.model, compiled.layers, compiled.plan, headers=headers).files
        found, text_bytes = cortex_m.measure(MAIN, files, sources, arguments.cpu, arguments.flags)
        oracle = Interpreter(path.read_bytes(), ORACLE)
        expected = b"".join(oracle.run([cortex_m.stimulus(tensor.size_bytes) for tensor in oracle.inputs]))
        equal = bytes(found[1:]) == expected
        wrong += not equal
        taken = round(found[0] * cortex_m.MACHINES[arguments.cpu].per_tick)
        macs = sum(cost.macs or 0 for cost in layer_costs(model))
        peer = TFLM.get(path.stem)
        beside = f"{peer:,} | {taken / peer:.2f}" if peer else "- | -"
        print(
            f"| {path.stem} | {macs:,} | {taken:,} | {taken / macs:.2f} | {beside} "
            f"| {text_bytes:,} | {'equal' if equal else 'DIFFERS'} |"
        )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
