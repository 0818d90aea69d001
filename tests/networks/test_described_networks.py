"""Networks described without a file have the counts that papers, published files and arithmetic give."""

from __future__ import annotations

import pytest

from benchrunner.errors import UsageError
from benchrunner.firmware.compiled import compile_model
from benchrunner.model import LayerKind
from benchrunner.model.cost import model_cost
from benchrunner.networks import FAMILIES, describe
from benchrunner.networks.mobilenets import rounded
from benchrunner.networks.sweep import CUT, LAST, map_shape, same_networks, sweep

# family, alpha, resolution, channels, classes -> parameters, weight bytes, MACs, naive peak in KiB
CHECK_VALUES = {
    ("fdmobilenet", 0.25, 224, 3, 5): (125_477, 131_396, 11_783_232, 245.0),
    ("fdmobilenet", 0.25, 128, 3, 39): (134_215, 140_236, 3_857_152, 80.0),
    ("fdmobilenet", 0.25, 96, 3, 101): (150_149, 156_356, 2_189_888, 45.0),
    ("fdmobilenet", 0.5, 224, 3, 5): (479_557, 491_380, 39_622_784, 343.0),
    ("fdmobilenet", 0.75, 224, 3, 5): (1_062_245, 1_079_972, 83_518_656, 441.0),
    ("fdmobilenet", 1.0, 96, 3, 5): (1_873_541, 1_897_172, 26_355_968, 99.0),
    ("mobilenet_v1", 0.25, 224, 3, 5): (211_621, 219_844, 40_775_552, 294.0),
    ("mobilenet_v1", 0.5, 128, 3, 5): (815_685, 832_116, 48_650_752, 192.0),
    ("mobilenet_v1", 0.75, 96, 3, 5): (1_812_197, 1_836_836, 59_630_208, 162.0),
    ("mobilenet_v1", 1.0, 224, 3, 5): (3_201_157, 3_234_004, 567_721_472, 1176.0),
    ("mobilenet_v1", 0.25, 96, 3, 2): (210_850, 219_064, 7_489_664, 54.0),
    ("mobilenet_v1", 0.25, 96, 1, 5): (211_477, 219_700, 7_158_656, 54.0),
    ("mobilenet_v1", 1.0, 224, 3, 1000): (4_221_032, 4_256_864, 568_740_352, 1176.0),
    ("mobilenet_v2", 0.35, 224, 3, 5): (395_493, 416_628, 58_012_208, 735.0),
    ("mobilenet_v2", 0.35, 128, 3, 5): (395_493, 416_628, 18_947_072, 240.0),
    ("mobilenet_v2", 0.5, 96, 3, 5): (684_813, 712_644, 17_611_840, 135.0),
    ("mobilenet_v2", 1.0, 224, 3, 5): (2_213_221, 2_264_404, 299_500_672, 1470.0),
    ("mobilenet_v2", 1.0, 224, 3, 1000): (3_487_816, 3_541_984, 300_774_272, 1470.0),
    ("fomo", 0.35, 320, 3, 2): (18_138, 20_856, 65_203_200, 1500.0),
    ("fomo", 0.35, 160, 3, 2): (18_138, 20_856, 16_300_800, 375.0),
    ("fomo", 0.35, 96, 1, 2): (17_850, 20_568, 5_204_736, 135.0),
    ("fomo", 0.1, 320, 3, 2): (8_962, 10_840, 42_521_600, 1500.0),
    ("fomo", 0.05, 160, 3, 2): (8_962, 10_840, 10_630_400, 375.0),
    ("fomo", 0.1, 96, 1, 2): (8_818, 10_696, 3_495_168, 135.0),
}

# channels, squeezed, height = width -> parameters, MACs (pool adds and scale products are h * w * c each)
SQUEEZE_EXCITE = {(16, 8, 56): (280, 256), (96, 24, 14): (4_728, 4_608), (576, 144, 7): (166_608, 165_888)}


@pytest.mark.parametrize("network", CHECK_VALUES, ids=lambda network: "-".join(map(str, network)))
def test_counts_are_those_of_the_reference(network: tuple[str, float, int, int, int]) -> None:
    family, alpha, resolution, channels, classes = network
    cost = model_cost(describe(family, alpha, resolution, channels=channels, classes=classes))
    found = (cost.parameters, cost.weight_bytes, cost.macs, cost.naive_peak_bytes / 1024)
    assert found == CHECK_VALUES[network]


@pytest.mark.parametrize("family", FAMILIES)
def test_resolution_changes_macs_and_not_parameters(family: str) -> None:
    small, large = (model_cost(describe(family, 0.5, resolution)) for resolution in (64, 128))
    assert small.parameters == large.parameters
    spatial = [
        sum(layer.macs or 0 for layer in cost.layers if layer.out_h > 1 and layer.kind is not LayerKind.DENSE)
        for cost in (small, large)
    ]
    assert 3.5 < spatial[1] / spatial[0] <= 4.6  # 4, but for the border between the maps of 1x1 and 2x2


@pytest.mark.parametrize(("sizes", "counts"), SQUEEZE_EXCITE.items())
def test_a_squeeze_and_excitation_block_has_the_counts_of_its_formula(
    sizes: tuple[int, int, int], counts: tuple[int, int]
) -> None:
    from benchrunner.networks.mobilenets import squeeze_excite
    from benchrunner.networks.sketch import Sketch

    channels, squeezed, side = sizes
    net = Sketch("block", side, side, channels)
    squeeze_excite(net, "se")
    layers = model_cost(net.model()).layers
    learned = [layer for layer in layers if layer.operator == "CONV_2D"]
    assert (sum(la.parameters for la in learned), sum(la.macs or 0 for la in learned)) == counts
    assert [layer.output_shapes[0][1:] for layer in layers] == [
        (1, 1, channels),
        (1, 1, squeezed),
        (1, 1, channels),
        (1, 1, channels),
        (side, side, channels),
    ]
    scale = layers[-1]
    assert scale.output_elements == side * side * channels


def test_maps_at_the_cut_and_at_the_end_are_those_that_were_published() -> None:
    points = sweep("fomo", alphas=(0.35, 0.1, 0.05), resolutions=(320,))
    assert [(point.alpha, point.input_shape, point.at_cut, point.at_last) for point in points] == [
        (0.35, (320, 320, 3), (40, 40, 96), (10, 10, 112)),
        (0.1, (320, 320, 3), (40, 40, 48), (10, 10, 32)),
        (0.05, (320, 320, 3), (40, 40, 48), (10, 10, 16)),
    ]


def test_the_cut_network_ends_where_the_whole_one_has_the_layer_of_that_name() -> None:
    whole, cut = describe("mobilenet_v2", 0.35, 96), describe("fomo", 0.35, 96)
    assert map_shape(cut, CUT) == map_shape(whole, CUT) == (12, 12, 96)
    assert map_shape(cut, LAST) is None
    assert map_shape(whole, LAST) == (3, 3, 112)


def test_fomo_at_alpha_0_05_and_0_1_is_one_network() -> None:
    points = sweep("fomo", resolutions=(96, 320), channels=1)
    found = same_networks(points)
    assert [(one.alphas, one.resolution) for one in found] == [((0.05, 0.1), 96), ((0.05, 0.1), 320)]
    assert "multiple of 8, 8 at the least" in found[0].reason
    assert "block_6_expand_relu" in found[0].reason
    by_alpha = {point.alpha: point for point in points if point.resolution == 96}
    assert by_alpha[0.05].graph_sha256 == by_alpha[0.1].graph_sha256 != by_alpha[0.35].graph_sha256


def test_the_whole_mobilenet_v2_at_alpha_0_05_and_0_1_is_two_networks() -> None:
    assert same_networks(sweep("mobilenet_v2", alphas=(0.05, 0.1), resolutions=(96,))) == ()


def test_widths_cut_to_whole_numbers_say_so() -> None:
    (one,) = same_networks(sweep("fdmobilenet", alphas=(0.25, 0.2501), resolutions=(96,)))
    assert one.alphas == (0.25, 0.2501)
    assert "down to a whole number" in one.reason


@pytest.mark.parametrize(
    ("channels", "expected"), [(1.6, 8), (12, 16), (20, 24), (33.6, 32), (11.9, 16), (112, 112)]
)
def test_channels_are_rounded_to_eights(channels: float, expected: int) -> None:
    assert rounded(channels) == expected
    assert expected >= 0.9 * channels


def test_published_accuracy_is_shown_only_for_the_network_that_has_it() -> None:
    (colour,) = sweep("mobilenet_v1", alphas=(1.0,), resolutions=(224,))
    (grey,) = sweep("mobilenet_v1", alphas=(1.0,), resolutions=(224,), channels=1)
    (unpublished,) = sweep("mobilenet_v1", alphas=(0.25,), resolutions=(96,))
    assert (colour.top1_percent, grey.top1_percent, unpublished.top1_percent) == (70.6, None, None)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_engine_plans_a_described_network(family: str) -> None:
    model = describe(family, FAMILIES[family].alphas[0], 32)
    cost, plan = model_cost(model), compile_model(model).plan
    scratch = max((buffer.size_bytes for buffer in plan.buffers if buffer.scratch), default=0)
    assert cost.live.least_bytes <= plan.arena_bytes <= cost.live.peak_bytes + scratch + 64


def test_what_makes_no_network_is_refused_with_the_range() -> None:
    with pytest.raises(UsageError, match="resnet: no family") as caught:
        describe("resnet", 1, 96)
    assert "mobilenet_v2" in caught.value.hint
    with pytest.raises(UsageError, match="width multiplier 0") as caught:
        describe("fdmobilenet", 0.0, 96)
    assert caught.value.hint == "0.03125 to 4"
    with pytest.raises(UsageError, match="resolution 0"):
        describe("fomo", 0.1, 0)
    with pytest.raises(UsageError, match="networks to describe"):
        sweep("fomo", alphas=(0.1,), resolutions=range(1, 300))
