from collections.abc import Callable

import pytest
import tflite_builder as built
from tflite_builder import ModelBuilder

from benchrunner.errors import ModelError
from benchrunner.model import LayerCost, LayerKind, layer_costs, parse_model


def costs(data: bytes) -> tuple[LayerCost, ...]:
    return layer_costs(parse_model(data, "built.tflite"))


def totals(data: bytes) -> tuple[int, int, int]:
    layers = costs(data)
    macs = [layer.macs for layer in layers]
    assert None not in macs
    return (
        sum(m for m in macs if m is not None),
        sum(layer.parameters for layer in layers),
        sum(layer.weight_bytes for layer in layers),
    )


@pytest.mark.parametrize("as_converted", [False, True])
@pytest.mark.parametrize(
    ("size", "widths", "expected"),
    [
        (224, built.FD_MOBILENET_WIDTHS, (11_783_232, 125_477, 131_396)),
        (128, built.FD_MOBILENET_WIDTHS, (3_848_448, 125_477, 131_396)),
        (224, built.ST_FD_MOBILENET_WIDTHS, (24_427_584, 141_573, 148_404)),
        (128, built.ST_FD_MOBILENET_WIDTHS, (7_977_216, 141_573, 148_404)),
    ],
)
def test_fd_mobilenet_counts_as_published(
    size: int, widths: tuple[int, ...], expected: tuple[int, int, int], as_converted: bool
) -> None:
    assert totals(built.fd_mobilenet(size, widths, as_converted=as_converted)) == expected


@pytest.mark.parametrize(
    ("build", "macs"),
    [
        (built.visual_wake_words, 7_489_664),
        (built.keyword_spotting, 2_656_768),
        (built.image_classification, 12_501_632),
        (built.anomaly_detection, 264_192),
    ],
)
def test_mlperf_tiny_networks_count_as_published(build: Callable[[], bytes], macs: int) -> None:
    assert totals(build())[0] == macs


def test_a_layer_says_what_its_time_depends_on() -> None:
    first = costs(built.keyword_spotting())[0]
    assert (first.kernel_h, first.kernel_w, first.stride_h, first.stride_w) == (10, 4, 2, 2)
    assert (first.in_channels, first.out_channels, first.out_h, first.out_w) == (1, 64, 25, 5)
    assert (first.kind, first.operator, first.activation) == (LayerKind.CONVOLUTION, "CONV_2D", "RELU")
    assert (first.input_bytes, first.output_bytes) == (490, 8000)
    assert (first.parameters, first.weight_bytes) == (64 * 40 + 64, 64 * 40 + 4 * 64)
    assert first.macs == 320_000


def test_the_kinds_of_a_network_in_order() -> None:
    assert [layer.kind for layer in costs(built.small_cnn())] == [
        LayerKind.CONVOLUTION,
        LayerKind.DEPTHWISE,
        LayerKind.POINTWISE,
        LayerKind.CONVOLUTION,
        LayerKind.ELEMENTWISE,
        LayerKind.POOL,
        LayerKind.VIEW,
        LayerKind.DENSE,
        LayerKind.ACTIVATION,
    ]


def test_a_computed_reshape_has_no_parameters_and_no_macs() -> None:
    layers = costs(built.fd_mobilenet(as_converted=True))
    assert len(layers) == 36
    names = [layer.operator for layer in layers]
    assert names[0] == "QUANTIZE"
    assert names[25:29] == ["SHAPE", "STRIDED_SLICE", "PACK", "RESHAPE"]
    assert names[-1] == "DEQUANTIZE"
    plumbing = [layer for layer in layers if layer.kind not in (LayerKind.CONVOLUTION, LayerKind.POINTWISE)]
    assert {layer.parameters for layer in plumbing if layer.kind is not LayerKind.DEPTHWISE} == {0}
    assert {layer.macs for layer in plumbing if layer.kind is not LayerKind.DEPTHWISE} == {0}


def test_an_unknown_operator_is_named_and_has_no_number() -> None:
    net = ModelBuilder()
    x = net.input((1, 4))
    y = net.tensor((1, 4))
    net.operator("CUSTOM", (x,), (y,), custom="MyOp")
    (layer,) = costs(net.finish(y))
    assert (layer.operator, layer.kind, layer.macs) == ("CUSTOM:MyOp", LayerKind.UNKNOWN, None)


def test_grouped_and_transposed_convolutions_count_their_products() -> None:
    net = ModelBuilder()
    x = net.input((1, 8, 8, 8))
    grouped = net.tensor((1, 8, 8, 4))
    weights = net.constant([[[[1, 2]]]] * 4, "int8")
    net.operator("CONV_2D", (x, weights, -1), (grouped,), built.conv_options(1, "SAME", "NONE"))
    larger = net.tensor((1, 16, 16, 6))
    size, up = net.constant([1, 16, 16, 6]), net.constant([[[[1] * 4] * 3] * 3] * 6, "int8")
    options = {"Padding": 0, "StrideW": 2, "StrideH": 2}
    net.operator("TRANSPOSE_CONV", (size, up, grouped), (larger,), ("TransposeConvOptions", options))
    first, second = costs(net.finish(larger))
    assert (first.macs, first.parameters) == (8 * 8 * 4 * 2, 8)
    assert (second.macs, second.parameters) == (8 * 8 * 4 * 9 * 6, 6 * 9 * 4)


@pytest.mark.parametrize(
    ("weights", "options", "problem"),
    [
        ((4, 3, 3, 3), {"StrideW": 0}, "stride 0"),
        ((4, 3, 3, 3), {"StrideW": 2}, r"lead from \(1, 8, 8, 3\) to 4 along axis 2"),
        ((5, 3, 3, 3), {}, "do not lead from"),
        ((4, 3, 3, 2), {}, "do not lead from"),
        ((4, 3, 3), {}, "expected input 1 of 4 dimensions"),
    ],
)
def test_contradicting_shapes_are_refused_with_the_layer(
    weights: tuple[int, ...], options: dict[str, int], problem: str
) -> None:
    net = ModelBuilder()
    x = net.input((1, 8, 8, 3))
    kernel = net.tensor(weights, data=bytes(built.np.prod(weights)))
    y = net.tensor((1, 8, 8, 4))
    name, fields = built.conv_options(1, "SAME", "NONE")
    net.operator("CONV_2D", (x, kernel, -1), (y,), (name, fields | options))
    with pytest.raises(ModelError, match=f"built.tflite: layer 0 CONV_2D: .*{problem}"):
        costs(net.finish(y))
