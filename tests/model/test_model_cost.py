from collections.abc import Callable

import pytest
import tflite_builder as built
from tflite_builder import ModelBuilder

from benchrunner.model import parse_model
from benchrunner.model.cost import ModelCost, model_cost


def cost(data: bytes) -> ModelCost:
    return model_cost(parse_model(data, "built.tflite"))


@pytest.mark.parametrize("as_converted", [False, True])
@pytest.mark.parametrize(
    ("size", "widths", "naive_kib"),
    [
        (224, built.FD_MOBILENET_WIDTHS, 245),
        (128, built.FD_MOBILENET_WIDTHS, 80),
        (96, built.FD_MOBILENET_WIDTHS, 45),
        (224, built.ST_FD_MOBILENET_WIDTHS, 343),
        (128, built.ST_FD_MOBILENET_WIDTHS, 112),
        (96, built.ST_FD_MOBILENET_WIDTHS, 63),
    ],
)
def test_naive_peaks_are_the_published_ones(
    size: int, widths: tuple[int, ...], naive_kib: int, as_converted: bool
) -> None:
    assert (
        cost(built.fd_mobilenet(size, widths, as_converted=as_converted)).naive_peak_bytes == naive_kib << 10
    )


@pytest.mark.parametrize(
    ("build", "peak_bytes"),
    [
        (built.visual_wake_words, 55_296),
        (built.keyword_spotting, 16_000),
        (built.image_classification, 49_152),
        (built.anomaly_detection, 768),
    ],
)
def test_live_peaks_of_mlperf_tiny_are_the_published_ones(
    build: Callable[[], bytes], peak_bytes: int
) -> None:
    found = cost(build())
    assert found.live.peak_bytes == found.naive_peak_bytes == peak_bytes


def test_a_shortcut_is_alive_until_it_is_added() -> None:
    net = ModelBuilder()
    x = net.input((1, 4, 4, 2))  # 32 bytes
    y = net.conv(net.conv(x, 4), 2)  # 64, then 32 bytes
    z = net.add(x, y)
    live = cost(net.finish(z)).live
    assert live.during_bytes == (32 + 64, 32 + 64 + 32, 32 + 32 + 32)
    assert live.between_bytes == (32, 32 + 64, 32 + 32, 32)
    assert (live.peak_bytes, live.peak_layer, live.least_bytes) == (128, 1, 96)


def test_an_output_stays_and_an_unused_result_does_not() -> None:
    net = ModelBuilder()
    x = net.input((1, 8))
    kept = net.softmax(x)
    unused = net.tensor((1, 100))
    net.operator("CUSTOM", (x,), (unused,), custom="Aside")
    last = net.softmax(kept)
    live = cost(net.finish([kept, last])).live
    assert live.during_bytes == (8 + 8, 8 + 8 + 100, 8 + 8)
    assert live.between_bytes == (8, 16, 8, 16)


def test_a_graph_without_layers_has_its_inputs() -> None:
    net = ModelBuilder()
    x = net.input((1, 8))
    found = cost(net.finish(x))
    assert (found.macs, found.live.peak_bytes, found.live.peak_layer) == (0, 8, None)


def test_every_separable_pair_saves_what_the_formula_says() -> None:
    pairs = cost(built.fd_mobilenet(224)).pairs
    assert len(pairs) == 11
    first = pairs[0]
    assert (first.depthwise, first.pointwise) == (1, 2)
    assert first.macs == 225_792 + 401_408
    assert first.standard_macs == 56 * 56 * 8 * 16 * 9
    for pair in pairs:
        assert pair.reduction == pytest.approx(1 / pair.out_channels + 1 / 9, rel=1e-12)
        assert pair.formula == pytest.approx(pair.reduction, rel=1e-12)


def test_a_convolution_behind_something_else_is_no_pair() -> None:
    assert cost(built.image_classification()).pairs == ()


def test_an_unknown_operator_leaves_no_total() -> None:
    net = ModelBuilder()
    x = net.dense(net.input((1, 4)), 4)
    y = net.tensor((1, 4))
    net.operator("CUSTOM", (x,), (y,), custom="MyOp")
    found = cost(net.finish(y))
    assert found.macs is None
    assert found.counted_macs == 16
    assert found.unknown == ("layer 1 CUSTOM:MyOp",)


def test_shapes_and_axes_are_constants_but_not_weights() -> None:
    found = cost(built.fd_mobilenet(128))
    assert found.weight_bytes == 131_396
    assert found.constant_bytes == 131_396 + 2 * 4 + 2 * 4  # axes of the mean, shape of the reshape
