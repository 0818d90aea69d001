"""A graph drawn layer by layer without a file: shapes, options and quantisation as converters write them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import Self

from benchrunner.model import Graph, Model, Operator, Tensor
from benchrunner.model.fingerprint import graph_sha256
from benchrunner.model.graph import OptionValue, Quantisation

Shape = tuple[int, ...]
Options = Mapping[str, OptionValue]

_IMAGE = Quantisation((1 / 255,), (-128,), 0)
_PROBABILITY = Quantisation((1 / 256,), (-128,), 0)
_POSITIVE = Quantisation((6 / 255,), (-128,), 0)
_SIGNED = Quantisation((12 / 255,), (0,), 0)
_WEIGHT_SCALE = 1 / 127


class Sketch:
    """Layers under construction; `at` is the tensor that the next one reads.

    All weights are zero: they count and are planned as any others.
    """

    def __init__(self, name: str, height: int, width: int, channels: int) -> None:
        self.name = name
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self._integers: dict[tuple[int, ...], int] = {}
        self._factor: int | None = None
        self.at = self._tensor("image", (1, height, width, channels), _IMAGE)

    @property
    def shape(self) -> Shape:
        return self.tensors[self.at].shape

    @property
    def channels(self) -> int:
        return self.shape[-1]

    def conv(
        self,
        name: str,
        filters: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        padding: str = "SAME",
        activation: str = "NONE",
    ) -> Self:
        """`filters` square kernels over all channels; weights are (filters, kernel, kernel, channels)."""
        weights = self._weights(name, (filters, kernel, kernel, self.channels), filters, 0)
        options: Options = {
            "padding": padding,
            "stride_w": stride,
            "stride_h": stride,
            "activation": activation,
        }
        return self._window(name, "CONV_2D", filters, weights, stride, options, activation)

    def depthwise(self, name: str, kernel: int = 3, stride: int = 1, *, activation: str = "NONE") -> Self:
        """One square kernel for each channel, padded to the size of the input over the stride."""
        filters = self.channels
        weights = self._weights(name, (1, kernel, kernel, filters), filters, 3)
        options: Options = {"padding": "SAME", "stride_w": stride, "stride_h": stride, "depth_multiplier": 1}
        options = {**options, "activation": activation}
        return self._window(name, "DEPTHWISE_CONV_2D", filters, weights, stride, options, activation)

    def dense(self, name: str, units: int) -> Self:
        """From (1, channels) to (1, units)."""
        weights = self._weights(name, (units, self.channels), units, 0)
        options: Options = {"activation": "NONE", "weights_format": 0, "keep_num_dims": 0}
        return self._layer(name, "FULLY_CONNECTED", (self.at, *weights), (1, units), _SIGNED, options)

    def mean(self, name: str, *, keep_dims: bool = False) -> Self:
        """Over height and width."""
        shape = (1, 1, 1, self.channels) if keep_dims else (1, self.channels)
        inputs = (self.at, self._constant((1, 2)))
        kept = self.tensors[self.at].quantisation
        return self._layer(name, "MEAN", inputs, shape, kept, {"keep_dims": int(keep_dims)})

    def reshape(self, name: str, shape: Shape) -> Self:
        """The same values in `shape`; nothing is requantised."""
        inputs = (self.at, self._constant(shape))
        kept = self.tensors[self.at].quantisation
        return self._layer(name, "RESHAPE", inputs, shape, kept, {"new_shape": shape})

    def add(self, name: str, other: int) -> Self:
        """The tensor number `other`, of the same shape, plus what is at hand."""
        return self._layer(name, "ADD", (other, self.at), self.shape, _SIGNED, {"activation": "NONE"})

    def scaled(self, name: str, map_tensor: int) -> Self:
        """The map times what is at hand, one factor per channel."""
        shape = self.tensors[map_tensor].shape
        inputs = (map_tensor, self.at)
        return self._layer(name, "MUL", inputs, shape, _POSITIVE, {"activation": "NONE"})

    def times_constant(self, name: str) -> Self:
        """Times one int8 number, which a file holds once for all such layers."""
        if self._factor is None:
            self._factor = self._tensor("factor", (), _POSITIVE, data=b"\x7f")
        inputs = (self.at, self._factor)
        return self._layer(name, "MUL", inputs, self.shape, _POSITIVE, {"activation": "NONE"})

    def hard_swish(self, name: str) -> Self:
        return self._layer(name, "HARD_SWISH", (self.at,), self.shape, _SIGNED, {})

    def softmax(self, name: str) -> Self:
        return self._layer(name, "SOFTMAX", (self.at,), self.shape, _PROBABILITY, {"beta": 1.0})

    def model(self) -> Model:
        """The network as far as it is drawn; what is at hand is its output."""
        graph = Graph("main", tuple(self.tensors), tuple(self.operators), (0,), (self.at,))
        digest = graph_sha256(graph)
        # There is no file: the hash of the network stands for that of its bytes.
        file_sha256 = hashlib.sha256(f"sketch {digest}".encode()).hexdigest()
        return Model(self.name, self.name, file_sha256, 0, "drawn by benchrunner", graph, digest)

    def _window(
        self,
        name: str,
        operator: str,
        filters: int,
        weights: tuple[int, int],
        stride: int,
        options: Options,
        activation: str,
    ) -> Self:
        _, height, width, _ = self.shape
        shape = (1, -(-height // stride), -(-width // stride), filters)  # VALID only where the kernel is 1x1
        quantisation = _SIGNED if activation == "NONE" else _POSITIVE
        dilated = {**options, "dilation_w": 1, "dilation_h": 1}
        return self._layer(name, operator, (self.at, *weights), shape, quantisation, dilated)

    def _layer(
        self,
        name: str,
        operator: str,
        inputs: tuple[int, ...],
        shape: Shape,
        quantisation: Quantisation | None,
        options: Options,
    ) -> Self:
        output = self._tensor(name, shape, quantisation)
        self.operators.append(Operator(len(self.operators), operator, 1, inputs, (output,), options))
        self.at = output
        return self

    def _weights(self, name: str, shape: Shape, filters: int, axis: int) -> tuple[int, int]:
        elements = 1
        for size in shape:
            elements *= size
        zeros = (0,) * filters
        scales = Quantisation((_WEIGHT_SCALE,) * filters, zeros, axis)
        weights = self._tensor(f"{name}/weights", shape, scales, data=bytes(elements))
        source = self.tensors[self.at].quantisation
        factor = source.scales[0] if source is not None else 1.0
        biases = Quantisation((_WEIGHT_SCALE * factor,) * filters, zeros, 0)
        return weights, self._tensor(f"{name}/bias", (filters,), biases, "int32", bytes(4 * filters))

    def _constant(self, values: tuple[int, ...]) -> int:
        if values not in self._integers:
            data = struct.pack(f"<{len(values)}i", *values)
            self._integers[values] = self._tensor("constant", (len(values),), None, "int32", data)
        return self._integers[values]

    def _tensor(
        self,
        name: str,
        shape: Shape,
        quantisation: Quantisation | None,
        dtype: str = "int8",
        data: bytes | None = None,
    ) -> int:
        index = len(self.tensors)
        view = None if data is None else memoryview(data)
        self.tensors.append(Tensor(index, name, shape, dtype, quantisation, view))
        return index
