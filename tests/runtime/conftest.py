"""A model of one operator, written by hand, so that the adapter is tested without any model file."""

from __future__ import annotations

from collections.abc import Callable

import flatbuffers
import pytest
import tflite

RELU = 19  # BuiltinOperator.RELU
CUSTOM = 32  # BuiltinOperator.CUSTOM


def _offsets(builder: flatbuffers.Builder, start: Callable[..., object], items: list[int]) -> int:
    start(builder, len(items))
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return builder.EndVector()


def _int32(builder: flatbuffers.Builder, start: Callable[..., object], items: list[int]) -> int:
    start(builder, len(items))
    for item in reversed(items):
        builder.PrependInt32(item)
    return builder.EndVector()


def one_operator_model(
    *, builtin: int = RELU, version: int = 1, custom: str = "", element_type: int = tflite.TensorType.FLOAT32
) -> bytes:
    """`out = operator(in)`, both [1, 4]; unquantised."""
    builder = flatbuffers.Builder(1024)
    custom_name = builder.CreateString(custom) if custom else None
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, builtin)
    tflite.OperatorCodeAddBuiltinCode(builder, builtin)
    tflite.OperatorCodeAddVersion(builder, version)
    if custom_name is not None:
        tflite.OperatorCodeAddCustomCode(builder, custom_name)
    code = tflite.OperatorCodeEnd(builder)

    tensors = []
    for name in ("in", "out"):
        label = builder.CreateString(name)
        shape = _int32(builder, tflite.TensorStartShapeVector, [1, 4])
        tflite.TensorStart(builder)
        tflite.TensorAddShape(builder, shape)
        tflite.TensorAddType(builder, element_type)
        tflite.TensorAddBuffer(builder, 0)
        tflite.TensorAddName(builder, label)
        tensors.append(tflite.TensorEnd(builder))

    inputs = _int32(builder, tflite.OperatorStartInputsVector, [0])
    outputs = _int32(builder, tflite.OperatorStartOutputsVector, [1])
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, 0)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    operators = _offsets(builder, tflite.SubGraphStartOperatorsVector, [tflite.OperatorEnd(builder)])

    tensor_vector = _offsets(builder, tflite.SubGraphStartTensorsVector, tensors)
    graph_inputs = _int32(builder, tflite.SubGraphStartInputsVector, [0])
    graph_outputs = _int32(builder, tflite.SubGraphStartOutputsVector, [1])
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, tensor_vector)
    tflite.SubGraphAddInputs(builder, graph_inputs)
    tflite.SubGraphAddOutputs(builder, graph_outputs)
    tflite.SubGraphAddOperators(builder, operators)
    graphs = _offsets(builder, tflite.ModelStartSubgraphsVector, [tflite.SubGraphEnd(builder)])

    tflite.BufferStart(builder)
    buffers = _offsets(builder, tflite.ModelStartBuffersVector, [tflite.BufferEnd(builder)])
    codes = _offsets(builder, tflite.ModelStartOperatorCodesVector, [code])
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddOperatorCodes(builder, codes)
    tflite.ModelAddSubgraphs(builder, graphs)
    tflite.ModelAddBuffers(builder, buffers)
    builder.Finish(tflite.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


@pytest.fixture
def build_model() -> Callable[..., bytes]:
    return one_operator_model
