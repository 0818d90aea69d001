"""What is known before the network runs is computed on the host: shapes that converters leave open."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_builder import ModelBuilder, fd_mobilenet

from benchrunner.firmware.fold import fold
from benchrunner.firmware.lowering import lower, unsupported
from benchrunner.model import Model, Tensor, load_model, parse_model
from benchrunner.zoo import ZooModel, list_models

ZOO = [model for model in list_models() if model.input_type != "float32"]  # those for microcontrollers


def values(tensor: Tensor) -> list[int]:
    assert tensor.data is not None
    return [int(value) for value in np.frombuffer(tensor.data, np.dtype(tensor.dtype).newbyteorder("<"))]


def folded_layers(model: Model) -> list[str]:
    """Operators that have nothing left to do, neither a call nor another name for a tensor."""
    found = []
    for operator in model.graph.operators:
        lowered = lower(model, operator)
        if not lowered.calls and not lowered.aliases:
            found.append(operator.name)
    return found


def test_a_computed_target_of_a_reshape_becomes_a_constant() -> None:
    builder = ModelBuilder()
    x = builder.input((1, 2, 3, 4))
    y = builder.reshape_chain(x, (1, 24))
    model = fold(parse_model(builder.finish(y), "chain"))
    assert [operator.name for operator in model.graph.operators] == [
        "SHAPE",
        "STRIDED_SLICE",
        "PACK",
        "RESHAPE",
    ]
    assert folded_layers(model) == ["SHAPE", "STRIDED_SLICE", "PACK"]
    target = model.graph.tensors[model.graph.operators[3].inputs[1]]
    assert values(target) == [1, 24]
    assert lower(model, model.graph.operators[3]).aliases == ((y, x),)


def test_a_chain_that_is_not_folded_is_not_run() -> None:
    builder = ModelBuilder()
    model = parse_model(builder.finish(builder.reshape_chain(builder.input((1, 4)), (1, 4))), "chain")
    assert [layer.operator for layer in unsupported(model)] == ["SHAPE", "PACK"]
    assert unsupported(fold(model)) == []


def test_an_open_batch_counts_as_one() -> None:
    builder = ModelBuilder()
    x = builder.input((1, 2, 3))
    builder.tensors[x].signature = (-1, 2, 3)
    y = builder.reshape_chain(x, (1, 6))
    builder.tensors[y].signature = (-1, 6)
    model = parse_model(builder.finish(y), "open batch")
    assert model.graph.tensors[y].dynamic
    found = fold(model).graph.tensors[y]
    assert (found.shape, found.dynamic) == ((1, 6), False)


def test_the_one_open_size_of_a_reshape_is_what_is_left() -> None:
    builder = ModelBuilder()
    x = builder.input((2, 3, 4))
    y = builder.tensor((1, 1), scales=(1 / 128,), zero_points=(0,))  # as a converter may leave it
    builder.operator(
        "RESHAPE", (x, builder.constant([2, -1])), (y,), ("ReshapeOptions", {"NewShape": [2, -1]})
    )
    assert fold(parse_model(builder.finish(y), "reshape")).graph.tensors[y].shape == (2, 12)


@pytest.mark.parametrize(
    ("operator", "options", "expected"),
    [
        ("ADD", ("AddOptions", {}), [6, 8, 10]),
        ("SUB", ("SubOptions", {}), [-4, -4, -4]),
        ("MUL", ("MulOptions", {}), [5, 12, 21]),
        ("CONCATENATION", ("ConcatenationOptions", {"Axis": 0}), [1, 2, 3, 5, 6, 7]),
        ("PACK", ("PackOptions", {"Axis": 1, "ValuesCount": 2}), [1, 5, 2, 6, 3, 7]),
    ],
)
def test_arithmetic_on_shapes(
    operator: str, options: tuple[str, dict[str, int]], expected: list[int]
) -> None:
    builder = ModelBuilder()
    builder.input((1,))
    y = builder.tensor((len(expected),), "int32")
    builder.operator(operator, (builder.constant([1, 2, 3]), builder.constant([5, 6, 7])), (y,), options)
    assert values(fold(parse_model(builder.finish(y), operator)).graph.tensors[y]) == expected


def test_parts_gathers_and_products_of_shapes() -> None:
    builder = ModelBuilder()
    x = builder.input((2, 3, 4, 5))
    shape, tail, picked, product = (builder.tensor((n,), "int32") for n in (4, 2, 2, 1))
    builder.operator("SHAPE", (x,), (shape,), ("ShapeOptions", {"OutType": 2}))
    ends = [builder.constant(v) for v in ([-1], [-4], [-2])]
    builder.operator("STRIDED_SLICE", (shape, *ends), (tail,), ("StridedSliceOptions", {}))
    builder.operator("GATHER", (shape, builder.constant([3, 1])), (picked,), ("GatherOptions", {"Axis": 0}))
    options = ("ReducerOptions", {"KeepDims": True})
    builder.operator("REDUCE_PROD", (shape, builder.constant([0])), (product,), options)
    graph = fold(parse_model(builder.finish([tail, picked, product]), "parts")).graph
    assert [values(graph.tensors[index]) for index in (tail, picked, product)] == [[5, 3], [5, 3], [120]]


def test_values_of_the_network_are_not_computed() -> None:
    builder = ModelBuilder()
    y = builder.softmax(builder.input((1, 4)))
    model = parse_model(builder.finish(y), "softmax")
    assert fold(model) == model


def test_contradicting_shapes_are_left_to_the_layer_that_meets_them() -> None:
    builder = ModelBuilder()
    builder.input((1,))
    y = builder.tensor((3,), "int32")
    operands = (builder.constant([1, 2, 3]), builder.constant([5, 6]))
    builder.operator("ADD", operands, (y,), ("AddOptions", {}))
    assert not fold(parse_model(builder.finish(y), "add")).graph.tensors[y].constant


@pytest.mark.parametrize("entry", ZOO, ids=lambda entry: entry.name)
def test_every_layer_of_the_zoo_is_run(entry: ZooModel) -> None:
    model = fold(load_model(entry.path))
    assert unsupported(model) == []
    # Where the batch is open, each reshape computes its shape.
    reshapes = {"FdMobileNet": 2, "ST FdMobileNet v1": 2, "Digits CNN": 1}.get(entry.family, 0)
    assert folded_layers(model) == ["SHAPE", "STRIDED_SLICE", "PACK"] * reshapes


def test_a_network_with_unsigned_input_and_float_output_is_run() -> None:
    model = fold(parse_model(fd_mobilenet(32, as_converted=True), "as converted"))
    assert unsupported(model) == []
    functions = [call.function for operator in model.graph.operators for call in lower(model, operator).calls]
    assert (functions[0], functions[-1]) == ("flip_sign_s8", "dequantise_f32")
