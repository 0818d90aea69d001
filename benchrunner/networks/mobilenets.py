"""FdMobileNet, MobileNetV1, V2, V3 Small and FOMO by width multiplier, resolution, channels and classes.

Sources: FD-MobileNet, arXiv 1802.03750; MobileNets, 1704.04861; MobileNetV2, 1801.04381; MobileNetV3,
1905.02244, table 2; layer names as in the Keras applications. FOMO cuts MobileNetV2 at `block_6_expand_relu`.
Stride 2 pads 'same': what Keras does with an operator of its own, without it.
"""

from __future__ import annotations

from benchrunner.networks.sketch import Sketch

_FD_POINTWISE = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 1024)
_FD_STRIDES = (2, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1)
_V1_POINTWISE = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_V1_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
# Stages of MobileNetV2: expansion, channels, blocks, stride of the first block.
_V2_STAGES = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)
# Blocks of MobileNetV3 Small: kernel, expanded, out, squeeze-and-excitation, hard swish (or ReLU), stride.
_V3_BLOCKS = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)
_CUT_BLOCK = 6


def rounded(channels: float) -> int:
    """Channels as MobileNetV2 and V3 round them: to a multiple of 8, at least 8, never over a tenth down."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def fdmobilenet(net: Sketch, alpha: float, classes: int) -> None:
    """Draw FD-MobileNet of width `alpha`, with probabilities of `classes` at its end."""
    net.conv("conv1", int(32 * alpha), 3, 2, activation="RELU")
    for block, (width, stride) in enumerate(zip(_FD_POINTWISE, _FD_STRIDES, strict=True), start=1):
        net.depthwise(f"dw{block}", stride=stride).conv(f"pw{block}", int(width * alpha), activation="RELU")
    net.mean("pool").reshape("to_map", (1, 1, 1, net.channels)).conv("classifier", classes)
    net.softmax("probabilities").reshape("to_classes", (1, classes))


def mobilenet_v1(net: Sketch, alpha: float, classes: int) -> None:
    """Draw MobileNetV1 of width `alpha`, with probabilities of `classes` at its end."""
    net.conv("conv1", int(32 * alpha), 3, 2, activation="RELU6")
    for block, (width, stride) in enumerate(zip(_V1_POINTWISE, _V1_STRIDES, strict=True), start=1):
        net.depthwise(f"conv_dw_{block}", stride=stride, activation="RELU6")
        net.conv(f"conv_pw_{block}", int(width * alpha), activation="RELU6")
    net.mean("pool").dense("classifier", classes).softmax("probabilities")


def mobilenet_v2(net: Sketch, alpha: float, classes: int) -> None:
    """Draw MobileNetV2 of width `alpha`, with probabilities of `classes` at its end."""
    _v2_body(net, alpha, cut=False)
    net.conv("Conv_1", rounded(1280 * max(1.0, alpha)), activation="RELU6")
    net.mean("pool").dense("classifier", classes).softmax("probabilities")


def fomo(net: Sketch, alpha: float, classes: int) -> None:
    """Draw FOMO: MobileNetV2 down to an eighth of the resolution, a map of `classes` with the background."""
    _v2_body(net, alpha, cut=True)
    net.conv("head", 32, padding="VALID", activation="RELU").conv("classifier", classes, padding="VALID")
    net.softmax("probabilities")


def _v2_body(net: Sketch, alpha: float, *, cut: bool) -> None:
    net.conv("Conv1", rounded(32 * alpha), 3, 2, activation="RELU6")
    block = 0
    for expansion, base, blocks, first_stride in _V2_STAGES:
        for repeat in range(blocks):
            before, narrow = net.at, net.channels
            stride, filters = (1 if repeat else first_stride), rounded(int(base * alpha))
            if expansion > 1:
                net.conv(f"block_{block}_expand", expansion * narrow, activation="RELU6")
            if cut and block == _CUT_BLOCK:
                return
            net.depthwise(f"block_{block}_depthwise", stride=stride, activation="RELU6")
            net.conv(f"block_{block}_project", filters)
            if stride == 1 and narrow == filters:
                net.add(f"block_{block}_add", before)
            block += 1


def mobilenet_v3_small(net: Sketch, alpha: float, classes: int) -> None:
    """Draw MobileNetV3 small of width `alpha`, with probabilities of `classes` at its end."""
    net.conv("conv", rounded(16 * alpha), 3, 2).hard_swish("conv_hswish")
    for block, (kernel, wide, width, squeezed, swish, stride) in enumerate(_V3_BLOCKS):
        name, before, narrow, filters = f"block_{block}", net.at, net.channels, rounded(width * alpha)
        activation = "NONE" if swish else "RELU"
        if block:  # the first block's expansion is as wide as its input: left out
            net.conv(f"{name}_expand", rounded(wide * alpha), activation=activation)
            if swish:
                net.hard_swish(f"{name}_expand_hswish")
        net.depthwise(f"{name}_depthwise", kernel, stride, activation=activation)
        if swish:
            net.hard_swish(f"{name}_depthwise_hswish")
        if squeezed:
            squeeze_excite(net, f"{name}_se")
        net.conv(f"{name}_project", filters)
        if stride == 1 and narrow == filters:
            net.add(f"{name}_add", before)
    net.conv("conv_last", rounded(576 * alpha)).hard_swish("conv_last_hswish")
    net.mean("pool").dense("features", rounded(1024 * alpha)).hard_swish("features_hswish")
    net.dense("classifier", classes).softmax("probabilities")


def squeeze_excite(net: Sketch, name: str) -> None:
    """One factor for each channel, from the means of all; the hard sigmoid is relu6(x + 3) / 6.

    Converters add the 3 to the bias and the relu6 to the convolution; the division stays, as a product.
    """
    source, channels = net.at, net.channels
    net.mean(f"{name}_squeeze", keep_dims=True)
    net.conv(f"{name}_reduce", rounded(channels // 4), padding="VALID", activation="RELU")
    net.conv(f"{name}_expand", channels, padding="VALID", activation="RELU6")
    net.times_constant(f"{name}_gate").scaled(f"{name}_scale", source)
