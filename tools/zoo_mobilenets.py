"""MobileNetV1, V2, V3 and FOMO as Keras graphs, and the counts that their shipped files must have.

Sources: MobileNets, arXiv 1704.04861; MobileNetV2, arXiv 1801.04381; MobileNetV3, arXiv 1905.02244; the layer
names are those of the Keras applications, since FOMO is defined by one of them (`block_6_expand_relu`).

Layers of stride 2 pad 'same'. Keras pads them by an operator of its own and then convolves 'valid': one more
row and column at the far end for even sizes, one on every side for odd ones, which is what 'same' is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
from keras import layers
from zoo_networks import CLASSIFIER, Network

Build = Callable[[int, int], keras.Model]

_V1_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
# Expansion, channels, stride.
_V2_BLOCKS = (
    *((1, 16, 1), (6, 24, 2), (6, 24, 1), (6, 32, 2), (6, 32, 1), (6, 32, 1)),
    *((6, 64, 2), (6, 64, 1), (6, 64, 1), (6, 64, 1), (6, 96, 1), (6, 96, 1), (6, 96, 1)),
    *((6, 160, 2), (6, 160, 1), (6, 160, 1), (6, 320, 1)),
)
# Kernel, expanded channels, channels, squeeze-and-excitation, activation, stride (paper, table 2: Small).
_V3_SMALL_BLOCKS = (
    (3, 16, 16, True, "relu", 2),
    (3, 72, 24, False, "relu", 2),
    (3, 88, 24, False, "relu", 1),
    (5, 96, 40, True, "hard_swish", 2),
    (5, 240, 40, True, "hard_swish", 1),
    (5, 240, 40, True, "hard_swish", 1),
    (5, 120, 48, True, "hard_swish", 1),
    (5, 144, 48, True, "hard_swish", 1),
    (5, 288, 96, True, "hard_swish", 2),
    (5, 576, 96, True, "hard_swish", 1),
    (5, 576, 96, True, "hard_swish", 1),
)


def rounded(channels: float) -> int:
    """To a multiple of 8, at least 8, never more than a tenth down."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _image(resolution: int, channels: int) -> keras.KerasTensor:
    return keras.Input((resolution, resolution, channels), name="image")


def _normalised(x: keras.KerasTensor, name: str, activation: str | None) -> keras.KerasTensor:
    x = layers.BatchNormalization(name=f"{name}_BN")(x)
    match activation:
        case None:
            return x
        case "hard_swish":
            return layers.Activation("hard_swish", name=f"{name}_hswish")(x)
        case _:
            ceiling = 6.0 if activation == "relu6" else None
            return layers.ReLU(ceiling, name=f"{name}_relu")(x)


def _conv(
    x: keras.KerasTensor, filters: int, name: str, activation: str | None, kernel: int = 1, stride: int = 1
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False, name=name)(x)
    return _normalised(x, name, activation)


def _depthwise(
    x: keras.KerasTensor, name: str, activation: str, stride: int = 1, kernel: int = 3
) -> keras.KerasTensor:
    x = layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False, name=name)(x)
    return _normalised(x, name, activation)


def _dense_head(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(classes, name=CLASSIFIER)(x)
    return layers.Softmax(name="probabilities")(x)


def _mobilenet_v1(alpha: float, channels: int = 3) -> Build:
    def build(resolution: int, classes: int) -> keras.Model:
        image = _image(resolution, channels)
        x = _conv(image, int(32 * alpha), "conv1", "relu6", 3, 2)
        for block, (width, stride) in enumerate(_V1_BLOCKS, start=1):
            x = _depthwise(x, f"conv_dw_{block}", "relu6", stride)
            x = _conv(x, int(width * alpha), f"conv_pw_{block}", "relu6")
        return keras.Model(image, _dense_head(x, classes), name="mobilenet_v1")

    return build


def _v2_body(x: keras.KerasTensor, alpha: float, *, cut: bool) -> keras.KerasTensor:
    """Up to the last projection, or up to block_6_expand_relu."""
    x = _conv(x, rounded(32 * alpha), "Conv1", "relu6", 3, 2)
    for block, (expansion, width, stride) in enumerate(_V2_BLOCKS):
        before, filters = x, rounded(int(width * alpha))
        if expansion > 1:
            x = _conv(x, expansion * x.shape[-1], f"block_{block}_expand", "relu6")
        if cut and block == 6:
            return x
        x = _depthwise(x, f"block_{block}_depthwise", "relu6", stride)
        x = _conv(x, filters, f"block_{block}_project", None)
        if stride == 1 and before.shape[-1] == filters:
            x = layers.Add(name=f"block_{block}_add")([before, x])
    return x


def _mobilenet_v2(alpha: float, channels: int = 3) -> Build:
    def build(resolution: int, classes: int) -> keras.Model:
        image = _image(resolution, channels)
        x = _v2_body(image, alpha, cut=False)
        x = _conv(x, rounded(1280 * max(1.0, alpha)), "Conv_1", "relu6")
        return keras.Model(image, _dense_head(x, classes), name="mobilenet_v2")

    return build


def _fomo(alpha: float, channels: int) -> Build:
    """`classes` has the background in it."""

    def build(resolution: int, classes: int) -> keras.Model:
        image = _image(resolution, channels)
        x = _v2_body(image, alpha, cut=True)
        x = layers.Conv2D(32, 1, activation="relu", name="head")(x)
        x = layers.Conv2D(classes, 1, name=CLASSIFIER)(x)
        return keras.Model(image, layers.Softmax(name="probabilities")(x), name="fomo")

    return build


def _squeeze_excite(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    channels = x.shape[-1]
    s = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    s = layers.Conv2D(rounded(channels // 4), 1, activation="relu", name=f"{name}_reduce")(s)
    s = layers.Conv2D(channels, 1, name=f"{name}_expand")(s)
    s = layers.ReLU(6.0, name=f"{name}_gate")(s + 3.0) * (1.0 / 6.0)  # the hard sigmoid
    return layers.Multiply(name=f"{name}_scale")([x, s])


def _mobilenet_v3_small(alpha: float, channels: int = 3) -> Build:
    def build(resolution: int, classes: int) -> keras.Model:
        image = _image(resolution, channels)
        x = _conv(image, rounded(16 * alpha), "conv", "hard_swish", 3, 2)
        for block, (kernel, wide, width, squeezed, activation, stride) in enumerate(_V3_SMALL_BLOCKS):
            before, filters = x, rounded(width * alpha)
            if block:  # the first block's expansion is as wide as its input: left out
                x = _conv(x, rounded(wide * alpha), f"block_{block}_expand", activation)
            x = _depthwise(x, f"block_{block}_depthwise", activation, stride, kernel)
            if squeezed:
                x = _squeeze_excite(x, f"block_{block}_se")
            x = _conv(x, filters, f"block_{block}_project", None)
            if stride == 1 and before.shape[-1] == filters:
                x = layers.Add(name=f"block_{block}_add")([before, x])
        x = _conv(x, rounded(576 * alpha), "conv_last", "hard_swish")
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.Dense(rounded(1024 * alpha), name="features")(x)
        x = layers.Activation("hard_swish", name="features_hswish")(x)
        x = layers.Dense(classes, name=CLASSIFIER)(x)
        return keras.Model(image, layers.Softmax(name="probabilities")(x), name="mobilenet_v3_small")

    return build


# Family as `benchrunner.networks` names it -> its graph by width multiplier and channels.
BUILDERS: Mapping[str, Callable[[float, int], Build]] = {
    "mobilenet_v1": _mobilenet_v1,
    "mobilenet_v2": _mobilenet_v2,
    "fomo": _fomo,
    "mobilenet_v3_small": _mobilenet_v3_small,
}


def _network(
    name: str,
    family: str,
    alpha: float,
    description: str,
    build: Build,
    seed: int,
    counts: tuple[int, int, dict[int, int]],  # parameters, weight bytes, MACs by resolution
    *,
    channels: int = 3,
    classes: int = 5,
) -> Network:
    parameters, weight_bytes, macs = counts
    return Network(
        name=name,
        family=family,
        alpha=f"{alpha:g}",
        description=description,
        build=build,
        seed=seed,
        parameters=parameters,
        weight_bytes=weight_bytes,
        macs=macs,
        channels=channels,
        classes=classes,
        fixed_batch=True,
        variants=("int8",),
    )


def _v2(alpha: float, seed: int, counts: tuple[int, int, dict[int, int]]) -> Network:
    text = f"MobileNetV2 (arXiv 1801.04381), width multiplier {alpha:g}"
    return _network(f"mobilenet_v2_{alpha:g}", "MobileNetV2", alpha, text, _mobilenet_v2(alpha), seed, counts)


def _object_detector(
    alpha: float, channels: int, seed: int, counts: tuple[int, int, dict[int, int]]
) -> Network:
    text = f"MobileNetV2 {alpha:g} up to block_6_expand_relu and a head per cell: 1 object class, background"
    name = f"fomo_{alpha:g}" + ("_grey" if channels == 1 else "")
    build = _fomo(alpha, channels)
    return _network(name, "FOMO", alpha, text, build, seed, counts, channels=channels, classes=2)


MOBILENETS = (
    _network(
        "mobilenet_v1_0.25",
        "MobileNetV1",
        0.25,
        "MobileNetV1 (arXiv 1704.04861), width multiplier 0.25",
        _mobilenet_v1(0.25),
        3,
        (211_621, 219_844, {96: 7_490_432, 224: 40_775_552}),
    ),
    _v2(0.05, 4, (49_797, 58_740, {96: 4_132_864})),
    _v2(0.1, 5, (88_869, 99_732, {96: 4_667_968})),
    _v2(0.35, 6, (395_493, 416_628, {96: 10_660_528, 128: 18_947_072, 224: 58_012_208})),
    _object_detector(0.05, 1, 7, (8_818, 10_696, {96: 3_495_168})),
    _object_detector(0.1, 1, 8, (8_818, 10_696, {96: 3_495_168})),
    _object_detector(0.35, 3, 9, (18_138, 20_856, {96: 5_868_288})),
    _network(
        "mobilenet_v3_small_0.35",
        "MobileNetV3 Small",
        0.35,
        "MobileNetV3 Small (arXiv 1905.02244), squeeze-and-excitation, width multiplier 0.35",
        _mobilenet_v3_small(0.35),
        10,
        (200_582, 211_133, {96: 2_106_720}),  # with the factors 1/6 of nine gates, a byte each
    ),
)
