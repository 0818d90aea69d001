"""Layer lists of the networks in `data/calibration_latency.csv`, each checked against the MACs given there.

Sources: FdMobileNet (arXiv 1802.03750), MobileNetV1 (1704.04861), MobileNetV2 (1801.04381), SqueezeNet
(1602.07360), the Keras applications, the network definitions of STMicroelectronics/stm32ai-modelzoo 1.0.0 to
2.1.0, and the MLPerf Tiny reference models. Written anew from those descriptions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from layer_list import Network, Shape


def _rounded(channels: float) -> int:
    """To the nearest multiple of 8, never more than a tenth down (MobileNetV2, EfficientNet)."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _fdmobilenet(size: int, widths: Sequence[int]) -> Network:
    net = Network(size, size, 3).quantise().conv(3, widths[0], 2)
    for channels, stride in zip(widths[1:], (2, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1), strict=True):
        net.depthwise(3, stride).conv(1, channels)
    return net.mean().conv(1, 5).activation().quantise()


def _v1_body(net: Network, alpha: float, *, pads: bool) -> dict[int, Shape]:
    """MobileNetV1 up to its last pointwise layer; Keras pads inputs of stride 2 by operators of their own."""
    net.conv(3, int(32 * alpha), 2)
    outputs = {}
    steps = (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *((512, 1),) * 5,
        (1024, 2),
        (1024, 1),
    )
    for number, (channels, stride) in enumerate(steps, 1):
        if stride == 2 and pads:
            before = net.shape
            net.pad(1).at(before)
        outputs[number] = net.depthwise(3, stride).conv(1, int(channels * alpha)).shape
    return outputs


def _mobilenet_v1(size: int, alpha: float, channels: int) -> Network:
    net = Network(size, size, channels).quantise()
    _v1_body(net, alpha, pads=True)
    return net.mean().dense(5).activation().quantise()


def _visual_wake_words() -> Network:
    net = Network(96, 96, 3)
    _v1_body(net, 0.25, pads=False)
    return net.mean().dense(2).activation()


def _v2_body(net: Network, alpha: float) -> dict[int, Shape]:
    net.conv(3, _rounded(32 * alpha), 2)
    outputs: dict[int, Shape] = {}
    stages = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    for expansion, base, repeats, first_stride in stages:
        for repeat in range(repeats):
            stride, channels = (first_stride if repeat == 0 else 1), net.c
            if expansion > 1:
                net.conv(1, channels * expansion)
            if stride == 2:
                before = net.shape
                net.pad(1).at(before)
            net.depthwise(3, stride).conv(1, _rounded(int(base * alpha)))
            if stride == 1 and channels == net.c:
                net.elementwise()
            outputs[len(outputs)] = net.shape
    net.conv(1, 1280)
    return outputs


def _mobilenet_v2(size: int) -> Network:
    net = Network(size, size, 3).quantise()
    _v2_body(net, 0.35)
    return net.mean().dense(5).activation().quantise()


def _resnet(blocks: int, classes: int, *, zoo: bool) -> Network:
    net = Network(32, 32, 3)
    if zoo:
        net.quantise()
    net.conv(3, 16)
    for stack, channels in enumerate((16, 32, 64)):
        for block in range(blocks):
            stride = 2 if stack and not block else 1
            before = net.shape
            if stride == 2:
                net.conv(1, channels, 2).at(before)
            net.conv(3, channels, stride).conv(3, channels).elementwise()
    net.pool(8, 8).dense(classes).activation()
    return net.quantise() if zoo else net


def _fire(net: Network, squeeze: int, expand: int, *, normalised: bool = False) -> None:
    inner = net.conv(1, squeeze).shape
    if normalised:  # behind an activation, so it is not folded
        net.elementwise("MUL").elementwise("ADD")
    net.conv(1, expand).at(inner).conv(3, expand).copy("CONCATENATION", (*inner[:2], 2 * expand))


def _squeezenet_1_0(size: int) -> Network:
    net = Network(size, size, 3).quantise().conv(7, 96, 2, pad=0).pool(3, 2)
    for group in (((16, 64), (16, 64), (32, 128)), ((32, 128), (48, 192), (48, 192))):
        for squeeze, expand in group:
            _fire(net, squeeze, expand, normalised=True)
        net.pool(3, 2)
    _fire(net, 64, 256, normalised=True)
    return net.conv(1, 5).elementwise("MUL").elementwise("ADD").mean().activation().quantise()


def _squeezenet_1_1(size: int) -> Network:
    net = Network(size, size, 3).quantise().conv(3, 64, 2, pad=0).pool(3, 2)
    for squeeze, expand in ((16, 64), (16, 64)):
        _fire(net, squeeze, expand)
    net.pool(3, 2)
    for squeeze, expand in ((32, 128), (32, 128)):
        _fire(net, squeeze, expand)
    net.pool(3, 2)
    for squeeze, expand in ((48, 192), (48, 192), (64, 256), (64, 256)):
        _fire(net, squeeze, expand)
    return net.conv(1, 5).mean().activation().quantise()


def _st_mnist() -> Network:
    net = Network(28, 28, 1).quantise().conv(3, 16, 2).depthwise(3).conv(3, 32).depthwise(3, 2)
    return net.conv(1, 64).mean().dense(36).activation().quantise()


def _st_efficientnet(size: int) -> Network:
    net = Network(size, size, 3).quantise().conv(3, _rounded(32 * 0.45), 2)
    stages = (
        (1, 16, 1, 3, 1), (2, 24, 2, 3, 3), (2, 40, 2, 5, 3), (3, 80, 2, 3, 3),
        (3, 112, 1, 5, 3), (4, 192, 2, 5, 3), (1, 320, 1, 3, 3),
    )  # fmt: skip
    for repeats, base, first_stride, kernel, expansion in stages:
        for repeat in range(repeats):
            stride, channels = (first_stride if repeat == 0 else 1), net.c
            wide = channels * expansion
            if expansion > 1:
                net.conv(1, wide)
            map_shape = net.depthwise(kernel, stride).shape
            net.mean().conv(1, max(1, channels // 4)).conv(1, wide).elementwise("MINIMUM", times=2)
            net.activation("LOGISTIC").at(map_shape).elementwise("MUL").conv(1, _rounded(base * 0.45))
            if stride == 1 and channels == net.c:
                net.elementwise()
    return net.conv(1, _rounded(1280 * 0.45)).mean().dense(5).activation().quantise()


def _st_yolo_lc(size: int) -> Network:
    net = Network(size, size, 3).quantise()
    for channels in (16, 32, 64, 128):
        net.conv(3, channels, 2)
    net.depthwise(3).conv(1, 256).depthwise(3).conv(1, 256).pool(2, pad=None)
    return net.depthwise(3).conv(1, 128).depthwise(3).conv(1, 256).conv(1, 30).quantise()


def _miniresnet(stacks: int, strides: tuple[tuple[int, bool], ...]) -> Network:
    """`strides`: for each block of a stack its stride, and whether its shortcut is a convolution."""
    net = Network(64, 50, 1).quantise().conv(7, 64, 2, pad=3).pool(3, 2, pad=1)
    for stack in range(stacks):
        channels = 64 << stack
        for stride, projected in strides:
            before = net.shape
            if projected:
                net.conv(1, channels, stride).at(before)
            net.conv(1, channels, stride).conv(3, channels).elementwise()
    return net.dense(10).activation().quantise()


def _miniresnet_v2(stacks: int) -> Network:
    net = Network(64, 50, 1).quantise().conv(7, 64, 2, pad=3).pool(3, 2, pad=1)
    for stack in range(stacks):
        channels = 64 << stack
        before = net.elementwise("MUL").elementwise("ADD").shape
        net.conv(1, channels).at(before).conv(1, channels).conv(3, channels).elementwise()
        before = net.shape
        net.pool(1, 2).at(before).elementwise("MUL").elementwise("ADD")
        net.conv(1, channels).conv(3, channels, 2).elementwise()
    return net.elementwise("MUL").elementwise("ADD").dense(10).activation().quantise()


def _yamnet() -> Network:
    net = Network(96, 64, 1).quantise().copy("TRANSPOSE").conv(3, 32, 2)
    for channels, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        net.depthwise(3, stride).conv(1, channels)
    return net.mean().dense(10).activation().quantise()


def _keyword_spotting() -> Network:
    net = Network(49, 10, 1).conv((10, 4), 64, 2)
    for _ in range(4):
        net.depthwise(3).conv(1, 64)
    return net.mean().dense(12).activation()


def _autoencoder() -> Network:
    net = Network(1, 1, 640)
    for units in (*(128,) * 4, 8, *(128,) * 4, 640):
        net.dense(units)
    return net


def _ssd_mobilenet_v1(size: int) -> Network:
    net = Network(size, size, 3).quantise()
    taps = _v1_body(net, 0.25, pads=True)
    last, maps = net.shape, []
    for number, rows in ((5, 4), (11, 2), (13, 1)):
        net.at(taps[number])
        if size == 224:  # brought to the sizes of 256
            net.pad(rows)
        last = net.shape
        maps.append(net.conv(1, 32).shape)
    net.at(last)
    for _ in range(1 if size == 192 else 2):
        last = net.depthwise(3, 2).conv(1, 256).depthwise(3).conv(1, 256).shape
        maps.append(net.conv(1, 32).shape)
        net.at(last)
    maps.append(net.mean().conv(1, 32).shape)
    for shape in maps:
        net.at(shape)
        top = shape[:2] == (1, 1)
        if not top:
            net.copy("RESIZE_BILINEAR").elementwise()
        kernel = 1 if top and size != 192 else 3
        net.conv(kernel, 10).at(shape).conv(kernel, 20)
    return net


def _ssd_mobilenet_v2(size: int) -> Network:
    net = Network(size, size, 3).quantise()
    taps = _v2_body(net, 0.35)
    last = net.shape
    fine, middle, coarse = (net.at(shape).conv(1, 128).shape for shape in (taps[5], taps[12], last))
    net.at(middle).copy("RESIZE_BILINEAR").elementwise().depthwise(3).conv(1, 128)
    net.at(fine).copy("RESIZE_BILINEAR").elementwise().depthwise(3).conv(1, 128)
    small = net.at(coarse).depthwise(3, 2).conv(1, 128).shape
    smallest = net.depthwise(3, 2).conv(1, 128).shape
    for shape in (fine, middle, coarse, small, smallest):
        net.at(shape)
        for _ in range(4):
            net.depthwise(3).conv(1, 128)
        net.depthwise(3).conv(1, 10).at(shape).depthwise(3).conv(1, 20)
    return net


def _gmp(rows: int) -> Network:
    net = Network(rows, 3, 1).quantise().elementwise("MUL").elementwise("ADD")
    net.conv((5, 1), 16, pad=0).conv((5, 1), 16, pad=0)
    return net.mean().dense(4).activation().quantise()


@dataclass(frozen=True, slots=True)
class Known:
    """`group` is what is held out together; `family` the wider circle of the second, stricter study."""

    group: str
    family: str
    build: Callable[[Shape], Network]
    convolutional: bool = True


_FD = (8, 16, 32, 32, 64, 64, *(128,) * 5, 256)
_ST_FD = (16, 48, 80, 64, 96, 64, *(128,) * 5, 256)
_OLD_BLOCKS, _NEW_BLOCKS = ((1, True), (2, True)), ((2, True), (1, False))

NETWORKS: dict[str, Known] = {
    "FdMobileNet 0.25": Known("FdMobileNet 0.25", "fdmobilenet", lambda s: _fdmobilenet(s[0], _FD)),
    "ST FdMobileNet v1": Known("ST FdMobileNet v1", "fdmobilenet", lambda s: _fdmobilenet(s[0], _ST_FD)),
    "MobileNetV1 0.25": Known("MobileNetV1 0.25", "mobilenetv1", lambda s: _mobilenet_v1(s[0], 0.25, s[2])),
    "MobileNetV1 0.5": Known("MobileNetV1 0.5", "mobilenetv1", lambda s: _mobilenet_v1(s[0], 0.5, s[2])),
    "MLPerf Tiny vww01 MobileNetV1 0.25": Known(
        "MobileNetV1 0.25", "mobilenetv1", lambda _: _visual_wake_words()
    ),
    "ST SSD MobileNetV1 0.25": Known(
        "ST SSD MobileNetV1 0.25", "mobilenetv1", lambda s: _ssd_mobilenet_v1(s[0])
    ),
    "Yamnet 256": Known("Yamnet 256", "mobilenetv1", lambda _: _yamnet()),
    "MobileNetV2 0.35": Known("MobileNetV2 0.35", "mobilenetv2", lambda s: _mobilenet_v2(s[0])),
    "SSD MobileNetV2 0.35 FPN-lite": Known(
        "SSD MobileNetV2 0.35 FPN-lite", "mobilenetv2", lambda s: _ssd_mobilenet_v2(s[0])
    ),
    "ResNet v1 8": Known("ResNet-8", "resnet", lambda _: _resnet(1, 10, zoo=True)),
    "MLPerf Tiny ic01 ResNet-8": Known("ResNet-8", "resnet", lambda _: _resnet(1, 10, zoo=False)),
    "ResNet v1 32": Known("ResNet v1 32", "resnet", lambda _: _resnet(5, 100, zoo=True)),
    "SqueezeNet v1.0": Known("SqueezeNet v1.0", "squeezenet", lambda s: _squeezenet_1_0(s[0])),
    "SqueezeNet v1.1": Known("SqueezeNet v1.1", "squeezenet", lambda s: _squeezenet_1_1(s[0])),
    "ST MNIST byclass v1": Known("ST MNIST byclass v1", "st mnist", lambda _: _st_mnist()),
    "ST EfficientNet LC v1": Known("ST EfficientNet LC v1", "efficientnet", lambda s: _st_efficientnet(s[0])),
    "ST Yolo LC v1": Known("ST Yolo LC v1", "st yolo lc", lambda s: _st_yolo_lc(s[0])),
    "MiniResNet 1-stack": Known("MiniResNet 1-stack", "miniresnet", lambda _: _miniresnet(1, _NEW_BLOCKS)),
    "MiniResNet 2-stack": Known("MiniResNet 2-stack", "miniresnet", lambda _: _miniresnet(2, _NEW_BLOCKS)),
    "MiniResNet 1-stack (zoo 1.0.0)": Known(
        "MiniResNet 1-stack", "miniresnet", lambda _: _miniresnet(1, _OLD_BLOCKS)
    ),
    "MiniResNet 2-stack (zoo 1.0.0)": Known(
        "MiniResNet 2-stack", "miniresnet", lambda _: _miniresnet(2, _OLD_BLOCKS)
    ),
    "MiniResNet v2 1-stack": Known("MiniResNet v2 1-stack", "miniresnet", lambda _: _miniresnet_v2(1)),
    "MiniResNet v2 2-stack": Known("MiniResNet v2 2-stack", "miniresnet", lambda _: _miniresnet_v2(2)),
    "MLPerf Tiny kws01 DS-CNN": Known("MLPerf Tiny kws01 DS-CNN", "ds-cnn", lambda _: _keyword_spotting()),
    "MLPerf Tiny ad01 autoencoder": Known(
        "MLPerf Tiny ad01 autoencoder", "autoencoder", lambda _: _autoencoder(), convolutional=False
    ),
    "GMP wl 24": Known("GMP", "gmp", lambda s: _gmp(s[0])),
    "GMP wl 48": Known("GMP", "gmp", lambda s: _gmp(s[0])),
}
