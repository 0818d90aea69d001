"""Writes `benchrunner/session/linux/empty.tflite`: a RELU of one float, the least that can be asked for.

The runner on a Linux board measures with it what a call costs. From the top of a checkout:

    python tools/build_empty_model.py            # replace the shipped file
    python tools/build_empty_model.py --compare  # fail if it differs
"""

from __future__ import annotations

import sys
from pathlib import Path

import flatbuffers
import tflite

FILE = Path(__file__).resolve().parents[1] / "benchrunner" / "session" / "linux" / "empty.tflite"


def empty_model() -> bytes:
    """Schema version 3, one subgraph, RELU version 1: every runtime since 2017 takes it."""
    builder = flatbuffers.Builder(512)

    def offsets(values: list[int]) -> int:
        builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            builder.PrependUOffsetTRelative(value)
        return int(builder.EndVector())

    def integers(values: list[int]) -> int:
        builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            builder.PrependInt32(value)
        return int(builder.EndVector())

    tensors = []
    for text in ("input", "output"):
        name, shape = builder.CreateString(text), integers([1, 1])
        tflite.TensorStart(builder)
        tflite.TensorAddShape(builder, shape)
        tflite.TensorAddType(builder, tflite.TensorType.FLOAT32)
        tflite.TensorAddBuffer(builder, 0)
        tflite.TensorAddName(builder, name)
        tensors.append(tflite.TensorEnd(builder))
    inputs, outputs = integers([0]), integers([1])
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, 0)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    operators = offsets([tflite.OperatorEnd(builder)])
    all_tensors, name = offsets(tensors), builder.CreateString("empty")
    inputs, outputs = integers([0]), integers([1])
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, all_tensors)
    tflite.SubGraphAddInputs(builder, inputs)
    tflite.SubGraphAddOutputs(builder, outputs)
    tflite.SubGraphAddOperators(builder, operators)
    tflite.SubGraphAddName(builder, name)
    graphs = offsets([tflite.SubGraphEnd(builder)])
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, tflite.BuiltinOperator.RELU)
    tflite.OperatorCodeAddBuiltinCode(builder, tflite.BuiltinOperator.RELU)
    tflite.OperatorCodeAddVersion(builder, 1)
    codes = offsets([tflite.OperatorCodeEnd(builder)])
    tflite.BufferStart(builder)
    buffers = offsets([tflite.BufferEnd(builder)])
    description = builder.CreateString("next to nothing, to time a call")
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddOperatorCodes(builder, codes)
    tflite.ModelAddSubgraphs(builder, graphs)
    tflite.ModelAddDescription(builder, description)
    tflite.ModelAddBuffers(builder, buffers)
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def main() -> int:
    made = empty_model()
    if "--compare" in sys.argv[1:]:
        same = FILE.read_bytes() == made
        print(f"{FILE.name}: {'the same' if same else 'differs'}")
        return 0 if same else 1
    FILE.write_bytes(made)
    print(f"{FILE.name}: {len(made)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
