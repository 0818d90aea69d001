"""A layer that the engine does not run is refused with its reason; damaged ones never do harm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from drawn_elements import (
    activations,
    concatenations,
    from_float,
    pads,
    requantisations,
    resizes,
    slices,
    splits,
    strided_slices,
    transposes,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layer_host import Layers, apart, host
from single_layers import OneLayer, Spec, means, pools, softmaxes, sums_and_products

from benchrunner.errors import UnsupportedOperatorError
from benchrunner.firmware.fold import fold
from benchrunner.firmware.lowering import lower, unsupported
from benchrunner.model import Graph, Model, Quantisation, Tensor, parse_model

MAP = Spec((1, 4, 4, 2), "int8", 0.5, 3)
OTHER = Spec((1, 4, 4, 2), "int8", 0.25, 3)
POOL = {"Padding": 1, "FilterHeight": 2, "FilterWidth": 2, "StrideH": 2, "StrideW": 2}
HALF = Spec((1, 2, 2, 2), "int8", 0.5, 3)


def numbers(*values: int) -> Spec:
    return Spec((len(values),), "int32", data=values)


REFUSED = [
    (OneLayer("MAX_POOL_2D", (MAP,), (replace(HALF, scale=0.4),), ("Pool2DOptions", POOL)), "in quant"),
    (OneLayer("MAX_POOL_2D", (MAP,), (MAP,), ("Pool2DOptions", POOL)), "does not pool to"),
    (OneLayer("MAX_POOL_2D", (MAP,), (HALF,)), "does not give its option filter_h"),
    (OneLayer("ADD", (MAP, Spec(MAP.shape, "float32")), (MAP,), ("AddOptions", {})), "is float32"),
    (OneLayer("ADD", (MAP, MAP), (replace(MAP, scale=2.0**-20),), ("AddOptions", {})), "2^18 times smaller"),
    (OneLayer("ADD", (MAP, Spec((3,), "int8", 0.5)), (MAP,), ("AddOptions", {})), "do not broadcast"),
    (OneLayer("MUL", (MAP, MAP), (replace(MAP, scale=2.0**-20),), ("MulOptions", {})), "2^13 times smaller"),
    (OneLayer("ADD", (MAP, MAP), (replace(MAP, scale=0),), ("AddOptions", {})), "has no quantisation"),
    (OneLayer("ADD", (MAP, MAP), (MAP,), ("AddOptions", {"FusedActivationFunction": 4})), "TANH"),
    (OneLayer("MEAN", (MAP, numbers(4)), (MAP,)), "axes [4] of 4"),
    (OneLayer("MEAN", (MAP, numbers(1)), (MAP,)), "is not [1, 4, 4, 2]"),
    (OneLayer("SOFTMAX", (MAP,), (MAP,), ("SoftmaxOptions", {"Beta": 1.0})), "not 1/256 and -128"),
    (OneLayer("LOGISTIC", (MAP,), (MAP,)), "expected 1/256"),
    (OneLayer("CONCATENATION", (MAP, OTHER), (Spec((1, 4, 8, 2), "int8", 0.5, 3),),
              ("ConcatenationOptions", {"Axis": 2})), "differ in quantisation"),
    (OneLayer("CONCATENATION", (MAP, MAP), (Spec((1, 4, 9, 2), "int8", 0.5, 3),),
              ("ConcatenationOptions", {"Axis": 2})), "fill 8 of 9"),
    (OneLayer("PAD", (MAP, numbers(0, 0, 1, 1, 1, 1, 0, 0)), (MAP,)), "pads to [1, 6, 6, 2]"),
    (OneLayer("PAD", (MAP, Spec((4, 2), "int32")), (MAP,)), "computed at run time"),
    (OneLayer("TRANSPOSE", (MAP, numbers(0, 1, 1, 2)), (MAP,)), "permutation [0, 1, 1, 2]"),
    (OneLayer("SLICE", (MAP, numbers(0, 0, 0, 0), numbers(1, 5, 4, 2)), (MAP,)), "size [1, 5, 4, 2]"),
    (OneLayer("RESHAPE", (MAP, numbers(1, 33)), (Spec((1, 33), "int8", 0.5, 3),)), "'t2' [1, 33]"),
    (OneLayer("RESIZE_BILINEAR", (MAP, numbers(2, 2)), (HALF,)), "no kernel"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "reason"), REFUSED, ids=[f"{case[0].operator}: {case[1]}" for case in REFUSED]
)
def test_the_reason_is_said(layer: OneLayer, reason: str) -> None:
    model = parse_model(layer.file(), "net.tflite")
    (found,) = unsupported(model)
    assert (found.layer, found.operator) == (0, layer.operator)
    assert reason in found.reason
    with pytest.raises(UnsupportedOperatorError) as error:
        lower(model, model.graph.operators[0])
    assert error.value.message == f"net.tflite: layer 0 {layer.operator}: {found.reason}"


def test_per_axis_quantisation_of_an_activation_is_refused() -> None:
    model = parse_model(OneLayer("ADD", (MAP, MAP), (MAP,), ("AddOptions", {})).file(), "net.tflite")
    tensors = list(model.graph.tensors)
    tensors[0] = replace(tensors[0], quantisation=Quantisation((0.5, 0.25), (0, 0), 3))
    (found,) = unsupported(replace(model, graph=replace(model.graph, tensors=tuple(tensors))))
    assert "quantised per axis" in found.reason


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layers]:
    for machine in host(tmp_path_factory.mktemp("layers")):
        yield Layers(machine)


ANY = st.one_of(
    *(sums_and_products(name) for name in ("ADD", "MUL")),
    *(pools(name) for name in ("AVERAGE_POOL_2D", "MAX_POOL_2D")),
    *(means(), softmaxes(), activations("LEAKY_RELU"), requantisations(), from_float(), concatenations()),
    *(splits("SPLIT"), splits("SPLIT_V"), slices(), strided_slices(), transposes(), pads("PADV2"), resizes()),
)


@st.composite
def damaged(draw: st.DrawFn) -> Model:
    """A layer with something about it changed, as the model reader would let it pass."""
    model: Model = draw(ANY).model()
    graph = model.graph
    operator = graph.operators[0]
    tensors = list(graph.tensors)
    for _ in range(draw(st.integers(1, 2))):
        match draw(st.sampled_from(["shape", "dtype", "scale", "inputs", "outputs", "options", "data"])):
            case "shape":
                index = draw(st.integers(0, len(tensors) - 1))
                shape = draw(st.lists(st.integers(0, 6), max_size=6).map(tuple))
                tensors[index] = _reshaped(tensors[index], shape)
            case "dtype":
                index = draw(st.integers(0, len(tensors) - 1))
                if not tensors[index].constant:
                    dtype = draw(
                        st.sampled_from(["int8", "uint8", "float32", "int32", "int64", "string", "int4"])
                    )
                    tensors[index] = replace(tensors[index], dtype=dtype)
            case "scale":
                index = draw(st.integers(0, len(tensors) - 1))
                scale = draw(st.sampled_from([0.0, 1e-45, 1e38, 0.01]))
                quantisation = Quantisation((scale,), (draw(st.integers(-300, 300)),), 0)
                tensors[index] = replace(
                    tensors[index], quantisation=draw(st.sampled_from([None, quantisation]))
                )
            case "inputs":
                indices = st.lists(st.integers(-1, len(tensors) - 1), max_size=5).map(tuple)
                operator = replace(operator, inputs=draw(indices))
            case "outputs":
                activations = [tensor.index for tensor in tensors if not tensor.constant]
                indices = st.lists(st.sampled_from(activations), max_size=3, unique=True).map(tuple)
                operator = replace(operator, outputs=draw(indices))
            case "options":
                names = sorted(operator.options)
                values = {name: draw(st.integers(-(1 << 31), (1 << 31) - 1)) for name in names}
                operator = replace(operator, options=draw(st.sampled_from([{}, values])))
            case "data":
                constants = [tensor for tensor in tensors if tensor.constant and tensor.dtype == "int32"]
                if constants:
                    tensor = draw(st.sampled_from(constants))
                    data = draw(st.binary(min_size=tensor.size_bytes, max_size=tensor.size_bytes))
                    tensors[tensor.index] = replace(tensor, data=memoryview(data))
    changed = replace(graph, tensors=tuple(tensors), operators=(operator,))
    return replace(model, graph=changed)


def _reshaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    found = replace(tensor, shape=shape)
    return found if not tensor.constant or found.elements == tensor.elements else tensor


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(model=damaged())
def test_a_damaged_layer_is_refused_or_stays_within_its_tensors(layers: Layers, model: Model) -> None:
    found = fold(model)
    graph: Graph = found.graph
    (operator,) = graph.operators
    if unsupported(found):
        return
    lowered = lower(found, operator)
    written = {index for index in operator.outputs if not graph.tensors[index].constant}
    read = {index for index in operator.inputs if index >= 0 and not graph.tensors[index].constant}
    if written & read or lowered.aliases:
        return
    inputs = {index: b"\x01" * graph.tensors[index].size_bytes for index in read}
    layers.run(graph, lowered, inputs, apart(graph, sorted(read | written)))
