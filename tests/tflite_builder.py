"""Builds int8 `.tflite` models for tests: tensor by tensor, layer by layer, or a whole known architecture.

Weights are drawn from a seed and scaled so that activations keep their spread: outputs depend on the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import tflite
from tflite_writer import OperatorSpec, Options, TensorSpec, Writer

_ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU6": 3}
_PADDINGS = {"SAME": 0, "VALID": 1}


@dataclass
class ModelBuilder:
    """Collects tensors and operators of one graph. Layers take and return the numbers of tensors."""

    seed: int = 1
    tensors: list[TensorSpec] = field(default_factory=list)
    operators: list[OperatorSpec] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    name: str = "main"
    description: str = "built by a test"

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    # Tensors

    def tensor(self, shape: Sequence[int], dtype: str = "int8", **fields: Any) -> int:
        fields.setdefault("name", f"t{len(self.tensors)}")
        self.tensors.append(TensorSpec(shape=tuple(shape), dtype=dtype, **fields))
        return len(self.tensors) - 1

    def constant(self, values: Any, dtype: str = "int32", **fields: Any) -> int:
        array = np.asarray(values, dtype=np.dtype(dtype).newbyteorder("<"))
        return self.tensor(array.shape, dtype, data=array.tobytes(), **fields)

    def input(self, shape: Sequence[int], dtype: str = "int8") -> int:
        """Real values in [-1, 1)."""
        zero = 128 if dtype == "uint8" else 0
        scales = () if dtype == "float32" else (1 / 128,)
        index = self.tensor(
            shape, dtype, name="input", scales=scales, zero_points=(zero,) * len(scales), rms=0.58
        )
        self.inputs.append(index)
        return index

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Options | None = None,
        **fields: Any,
    ) -> None:
        self.operators.append(OperatorSpec(name, tuple(inputs), tuple(outputs), options, **fields))

    def _activation(self, shape: Sequence[int], activation: str, rms: float = 1.0) -> int:
        """An int8 tensor that holds four times the nominal spread."""
        if activation == "NONE":
            return self.tensor(shape, scales=(8 / 255,), zero_points=(0,), rms=rms)
        return self.tensor(shape, scales=(4 / 255,), zero_points=(-128,), rms=0.7 * rms)

    def _weights(
        self, x: int, shape: tuple[int, ...], fan_in: int, axis: int, channels: int
    ) -> tuple[int, int]:
        """Weights and bias. `axis` < 0 is one scale for all. Real outputs get a spread of about 1."""
        spread = 1 / (73 * np.sqrt(fan_in) * self.tensors[x].rms)
        scales = spread * self.random.uniform(0.8, 1.2, channels if axis >= 0 else 1).astype(np.float32)
        values = self.random.integers(-127, 128, shape)
        weights = self.constant(
            values,
            "int8",
            scales=tuple(map(float, scales)),
            zero_points=(0,) * len(scales),
            axis=max(axis, 0),
        )
        bias_scales = tuple(float(s) * self.tensors[x].scales[0] for s in scales)
        real = self.random.normal(0, 0.2, channels)
        bias = self.constant(
            np.round(real / np.asarray(bias_scales)), scales=bias_scales, zero_points=(0,) * len(scales)
        )
        return weights, bias

    # Layers

    def conv(
        self,
        x: int,
        filters: int,
        kernel: int | tuple[int, int] = 3,
        stride: int = 1,
        padding: str = "SAME",
        activation: str = "RELU",
    ) -> int:
        batch, height, width, channels = self.tensors[x].shape
        kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
        weights, bias = self._weights(x, (filters, kh, kw, channels), kh * kw * channels, 0, filters)
        out_h, out_w = _out(height, kh, stride, padding), _out(width, kw, stride, padding)
        y = self._activation((batch, out_h, out_w, filters), activation)
        self.operator("CONV_2D", (x, weights, bias), (y,), conv_options(stride, padding, activation))
        return y

    def depthwise(
        self,
        x: int,
        kernel: int = 3,
        stride: int = 1,
        padding: str = "SAME",
        activation: str = "RELU",
        multiplier: int = 1,
    ) -> int:
        batch, height, width, channels = self.tensors[x].shape
        filters = channels * multiplier
        weights, bias = self._weights(x, (1, kernel, kernel, filters), kernel * kernel, 3, filters)
        out_h, out_w = _out(height, kernel, stride, padding), _out(width, kernel, stride, padding)
        y = self._activation((batch, out_h, out_w, filters), activation)
        options = conv_options(stride, padding, activation, multiplier)
        self.operator("DEPTHWISE_CONV_2D", (x, weights, bias), (y,), options)
        return y

    def dense(self, x: int, units: int, activation: str = "NONE") -> int:
        batch, channels = self.tensors[x].shape
        weights, bias = self._weights(x, (units, channels), channels, -1, units)
        y = self._activation((batch, units), activation)
        options = ("FullyConnectedOptions", {"FusedActivationFunction": _ACTIVATIONS[activation]})
        self.operator("FULLY_CONNECTED", (x, weights, bias), (y,), options)
        return y

    def add(self, a: int, b: int, activation: str = "RELU") -> int:
        y = self._activation(self.tensors[a].shape, activation, rms=1.4)
        options = ("AddOptions", {"FusedActivationFunction": _ACTIVATIONS[activation]})
        self.operator("ADD", (a, b), (y,), options)
        return y

    def pool(self, x: int, size: tuple[int, int], stride: int | None = None, kind: str = "AVERAGE") -> int:
        """Pooling without padding; the stride is the window where none is given."""
        batch, height, width, channels = self.tensors[x].shape
        stride_h, stride_w = (stride, stride) if stride else size
        shape = (
            batch,
            _out(height, size[0], stride_h, "VALID"),
            _out(width, size[1], stride_w, "VALID"),
            channels,
        )
        y = self._same(x, shape)
        options = {"Padding": 1, "StrideW": stride_w, "StrideH": stride_h}
        options |= {"FilterWidth": size[1], "FilterHeight": size[0]}
        self.operator(f"{kind}_POOL_2D", (x,), (y,), ("Pool2DOptions", options))
        return y

    def _same(self, x: int, shape: Sequence[int]) -> int:
        """A tensor with the quantisation of `x`."""
        source = self.tensors[x]
        return self.tensor(
            shape, source.dtype, scales=source.scales, zero_points=source.zero_points, rms=source.rms
        )

    def global_mean(self, x: int) -> int:
        batch, _, _, channels = self.tensors[x].shape
        y = self._same(x, (batch, 1, 1, channels))
        self.operator("MEAN", (x, self.constant([1, 2])), (y,), ("ReducerOptions", {"KeepDims": True}))
        return y

    def reshape(self, x: int, shape: Sequence[int]) -> int:
        y = self._same(x, shape)
        self.operator(
            "RESHAPE",
            (x, self.constant(list(shape))),
            (y,),
            ("ReshapeOptions", {"NewShape": list(shape)}),
        )
        return y

    def reshape_chain(self, x: int, shape: Sequence[int]) -> int:
        """A reshape as the converter emits it for an open batch size: the target shape is computed."""
        rank = len(self.tensors[x].shape)
        whole = self.tensor((rank,), "int32")
        self.operator("SHAPE", (x,), (whole,), ("ShapeOptions", {"OutType": tflite.TensorType.INT32}))
        batch = self.tensor((), "int32")
        ends = [self.constant(values) for values in ([0], [1], [1])]
        self.operator(
            "STRIDED_SLICE", (whole, *ends), (batch,), ("StridedSliceOptions", {"ShrinkAxisMask": 1})
        )
        target = self.tensor((len(shape),), "int32")
        sizes = [self.constant(size) for size in shape[1:]]
        options = {"ValuesCount": len(shape), "Axis": 0}
        self.operator("PACK", (batch, *sizes), (target,), ("PackOptions", options))
        y = self._same(x, shape)
        self.operator("RESHAPE", (x, target), (y,))
        return y

    def softmax(self, x: int) -> int:
        y = self.tensor(self.tensors[x].shape, scales=(1 / 256,), zero_points=(-128,))
        self.operator("SOFTMAX", (x,), (y,), ("SoftmaxOptions", {"Beta": 1.0}))
        return y

    def quantize(self, x: int) -> int:
        """From uint8 or float32 to the int8 that stands for the same values."""
        source = self.tensors[x]
        scale = source.scales[0] if source.scales else 1 / 128
        y = self.tensor(source.shape, scales=(scale,), zero_points=(0,), rms=source.rms)
        self.operator("QUANTIZE", (x,), (y,))
        return y

    def dequantize(self, x: int) -> int:
        y = self.tensor(self.tensors[x].shape, "float32")
        self.operator("DEQUANTIZE", (x,), (y,))
        return y

    def finish(self, outputs: int | Sequence[int], others: Sequence[ModelBuilder] = ()) -> bytes:
        """The file. `others` become further subgraphs; theirs have no outputs."""
        main = [outputs] if isinstance(outputs, int) else list(outputs)
        return Writer().model([(self, main), *((other, []) for other in others)])


def _out(size: int, kernel: int, stride: int, padding: str) -> int:
    return -(-(size if padding == "SAME" else size - kernel + 1) // stride)


def conv_options(stride: int, padding: str, activation: str, multiplier: int | None = None) -> Options:
    """Options of a convolution, of a depthwise one where `multiplier` is given."""
    fields: dict[str, Any] = {"Padding": _PADDINGS[padding], "StrideW": stride, "StrideH": stride}
    fields["FusedActivationFunction"] = _ACTIVATIONS[activation]
    fields |= {"DilationWFactor": 1, "DilationHFactor": 1}
    if multiplier is None:
        return "Conv2DOptions", fields
    return "DepthwiseConv2DOptions", fields | {"DepthMultiplier": multiplier}


@cache
def small_cnn(seed: int = 1, classes: int = 10) -> bytes:
    """8x8x3 int8 in, `classes` int8 probabilities out, nine layers of seven kinds, 7 KB."""
    net = ModelBuilder(seed)
    x = net.conv(net.input((1, 8, 8, 3)), 8)
    x = net.conv(net.depthwise(x, stride=2), 16, kernel=1)
    x = net.add(x, net.conv(x, 16, activation="NONE"))
    x = net.reshape(net.pool(x, (4, 4)), (1, 16))
    return net.finish(net.softmax(net.dense(x, classes)))


FD_MOBILENET_WIDTHS = (8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 256)
ST_FD_MOBILENET_WIDTHS = (16, 48, 80, 64, 96, 64, 128, 128, 128, 128, 128, 256)
_FD_MOBILENET_STRIDES = (2, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1)


@cache
def fd_mobilenet(
    size: int = 128,
    widths: tuple[int, ...] = FD_MOBILENET_WIDTHS,
    classes: int = 5,
    seed: int = 1,
    *,
    as_converted: bool = False,
) -> bytes:
    """FdMobileNet 0.25, or ST FdMobileNet v1 with its widths (arXiv 1802.03750).

    `as_converted`: uint8 in, float32 out and reshapes to a computed shape, like the published files.
    """
    net = ModelBuilder(seed)
    x = net.input((1, size, size, 3), "uint8" if as_converted else "int8")
    x = net.conv(net.quantize(x) if as_converted else x, widths[0], stride=2)
    for filters, stride in zip(widths[1:], _FD_MOBILENET_STRIDES, strict=True):
        x = net.conv(net.depthwise(x, stride=stride, activation="NONE"), filters, kernel=1)
    x = net.global_mean(x)
    reshape = net.reshape_chain if as_converted else net.reshape
    if as_converted:
        x = reshape(x, (1, 1, 1, widths[-1]))
    x = net.conv(x, classes, kernel=1, activation="NONE")
    if as_converted:
        return net.finish(net.dequantize(reshape(net.softmax(x), (1, classes))))
    return net.finish(net.softmax(reshape(x, (1, classes))))


@cache
def visual_wake_words(seed: int = 1, *, features: bool = False) -> bytes:
    """MobileNetV1 0.25, 96x96x3, 2 classes (MLPerf Tiny vww01).

    `features` ends before the classifier, whose two values say little about what is computed before them.
    """
    net = ModelBuilder(seed)
    x = net.conv(net.input((1, 96, 96, 3)), 8, stride=2)
    widths = (16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    for filters, stride in zip(widths, strides, strict=True):
        x = net.conv(net.depthwise(x, stride=stride), filters, kernel=1)
    x = net.reshape(net.pool(x, (3, 3)), (1, 256))
    return net.finish(x if features else net.softmax(net.dense(x, 2)))


@cache
def keyword_spotting(seed: int = 1) -> bytes:
    """DS-CNN, 49x10x1, 12 words (MLPerf Tiny kws01)."""
    net = ModelBuilder(seed)
    x = net.conv(net.input((1, 49, 10, 1)), 64, kernel=(10, 4), stride=2)
    for _ in range(4):
        x = net.conv(net.depthwise(x), 64, kernel=1)
    return net.finish(net.softmax(net.dense(net.reshape(net.pool(x, (25, 5)), (1, 64)), 12)))


@cache
def image_classification(seed: int = 1) -> bytes:
    """ResNet-8, 32x32x3, 10 classes (MLPerf Tiny ic01)."""
    net = ModelBuilder(seed)
    x = net.conv(net.input((1, 32, 32, 3)), 16)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = net.conv(net.conv(x, filters, stride=stride), filters, activation="NONE")
        shortcut = x if stride == 1 else net.conv(x, filters, kernel=1, stride=stride, activation="NONE")
        x = net.add(shortcut, y)
    return net.finish(net.softmax(net.dense(net.reshape(net.pool(x, (8, 8)), (1, 64)), 10)))


@cache
def anomaly_detection(seed: int = 1) -> bytes:
    """Dense autoencoder over 640 values (MLPerf Tiny ad01)."""
    net = ModelBuilder(seed)
    x = net.input((1, 640))
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = net.dense(x, units, "RELU")
    return net.finish(net.dense(x, 640))
