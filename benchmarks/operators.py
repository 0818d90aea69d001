"""Instructions of the operators other than convolutions, on emulated Cortex-M cores, beside those of TFLM.

Run: python benchmarks/operators.py [cortex-m7 | cortex-m4 | cortex-m33]

Needs arm-none-eabi-gcc and unicorn.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "firmware"))

from arm_host import EmulatedCore, build_for
from layer_host import Layers, apart
from single_layers import OneLayer, Spec

from benchrunner.firmware.lowering import lower

Options = tuple[str, dict[str, object]] | None

X = 0.05
MAP = (32, 32, 16)
KEEP: Options = ("ReducerOptions", {"KeepDims": True})


def image(*shape: int, scale: float = X, zero_point: int = 3, dtype: str = "int8") -> Spec:
    return Spec((1, *shape), dtype, scale, zero_point)


def indices(*values: object) -> Spec:
    return Spec((len(values), *([2] if isinstance(values[0], tuple) else [])), "int32", data=values)


def layer(operator: str, inputs: list[Spec], output: Spec, options: Options = None) -> OneLayer:
    return OneLayer(operator, tuple(inputs), (output,), options, version=2)


def pool(kind: str, shape: tuple[int, int, int], size: tuple[int, int], stride: int = 1) -> OneLayer:
    fields = {
        "Padding": 1,
        "FilterHeight": size[0],
        "FilterWidth": size[1],
        "StrideH": stride,
        "StrideW": stride,
    }
    height, width = ((shape[axis] - size[axis]) // stride + 1 for axis in (0, 1))
    return layer(
        f"{kind}_POOL_2D", [image(*shape)], image(height, width, shape[2]), ("Pool2DOptions", {**fields})
    )


def mean(height: int, width: int) -> OneLayer:
    x, axes = image(height, width, 256), indices(1, 2)
    return layer("MEAN", [x, axes], image(1, 1, 256, scale=0.02), KEEP)


def softmax(depth: int) -> OneLayer:
    y = image(depth, scale=1 / 256, zero_point=-128)
    return layer("SOFTMAX", [image(depth)], y, ("SoftmaxOptions", {"Beta": 1.0}))


def add(other: float) -> OneLayer:
    y = image(*MAP, zero_point=-128)
    return layer(
        "ADD", [image(*MAP), image(*MAP, scale=other)], y, ("AddOptions", {"FusedActivationFunction": 1})
    )


def mul(*shape: int) -> OneLayer:
    return layer("MUL", [image(*MAP), image(*shape)], image(*MAP), ("MulOptions", {}))


FLOATS = Spec((1, 640), "float32")
UNSIGNED = image(96, 96, 3, zero_point=131, dtype="uint8")
PADDING = indices((0, 0), (1, 1), (1, 1), (0, 0))

# Name, layer, how many of what is counted, TFLM's count (with CMSIS-NN, -O2, Cortex-M7) where it is known.
CASES: list[tuple[str, OneLayer, int, str]] = [
    ("ADD 32x32x16, scales differ", add(0.03), 16384, "81"),
    ("ADD 32x32x16, equal scales", add(X), 16384, "81"),
    ("MUL 32x32x16", mul(*MAP), 16384, ""),
    ("MUL 32x32x16 by channel", mul(1, 1, 16), 16384, ""),
    ("MEAN 7x7x256, per input", mean(7, 7), 12544, "128"),
    ("MEAN 4x4x256, per input", mean(4, 4), 4096, "128"),
    ("AVERAGE_POOL 25x5x64, per input", pool("AVERAGE", (25, 5, 64), (25, 5)), 8000, "6.4-7.7"),
    ("AVERAGE_POOL 8x8x64, per input", pool("AVERAGE", (8, 8, 64), (8, 8)), 4096, "6.4-7.7"),
    ("AVERAGE_POOL 3x3x256, per input", pool("AVERAGE", (3, 3, 256), (3, 3)), 2304, "6.4-7.7"),
    ("MAX_POOL 2x2 of 32x32x16, per input", pool("MAX", MAP, (2, 2), 2), 16384, ""),
    ("SOFTMAX of 2, whole", softmax(2), 1, "1365"),
    ("SOFTMAX of 5, whole", softmax(5), 1, "2960"),
    ("SOFTMAX of 10, whole", softmax(10), 1, "3594"),
    ("SOFTMAX of 12, whole", softmax(12), 1, "5170"),
    ("QUANTIZE u8 -> i8, same scale", layer("QUANTIZE", [UNSIGNED], image(96, 96, 3)), 27648, "5.0"),
    ("QUANTIZE i8 -> i8", layer("QUANTIZE", [image(*MAP)], image(*MAP, scale=0.03)), 16384, ""),
    ("QUANTIZE f32 -> i8", layer("QUANTIZE", [FLOATS], image(640)), 640, ""),
    ("DEQUANTIZE i8 -> f32", layer("DEQUANTIZE", [image(640)], FLOATS), 640, ""),
    ("RELU 32x32x16", layer("RELU", [image(*MAP)], image(*MAP)), 16384, ""),
    (
        "PAD 32x32x16 by 1, per output",
        layer("PAD", [image(*MAP), PADDING], image(34, 34, 16), ("PadOptions", {})),
        18496,
        "",
    ),
    (
        "TRANSPOSE 32x32x16 to 16x32x32",
        layer("TRANSPOSE", [image(*MAP), indices(0, 3, 1, 2)], image(16, 32, 32), ("TransposeOptions", {})),
        16384,
        "",
    ),
]


def main() -> None:
    core = sys.argv[1] if len(sys.argv) > 1 else "cortex-m7"
    with tempfile.TemporaryDirectory() as folder:
        machine = EmulatedCore(core, build_for(core, Path(folder)))
        layers = Layers(machine)
        print(f"{core}, instructions per element\n")
        print(f"{'operator':38}{'ours':>9}{'TFLM':>9}")
        for name, case, elements, baseline in CASES:
            graph, stimuli = case.model().graph, case.stimuli()
            lowered = lower(case.model(), graph.operators[0])
            inputs = dict(zip(graph.inputs, stimuli, strict=True))
            machine.instructions = 0
            layers.run(graph, lowered, inputs, apart(graph, [*graph.inputs, *graph.outputs]))
            print(f"{name:38}{machine.instructions / elements:9.2f}{baseline:>9}")


if __name__ == "__main__":
    main()
