"""Layer lists of networks that are described and not read from a file, for what the timing models look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from benchrunner.model import LayerKind

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Layer:
    """What the timing model looks at: the same names as `benchrunner.model.LayerCost`."""

    index: int
    operator: str
    kind: LayerKind
    macs: int
    kernel_h: int
    kernel_w: int
    in_channels: int
    out_channels: int
    input_elements: int
    output_elements: int
    dtype: str = "int8"


class Network:
    """Layers under construction, and the shape (height, width, channels) that the next one receives."""

    def __init__(self, *shape: int) -> None:
        self.h, self.w, self.c = shape
        self.layers: list[Layer] = []

    @property
    def shape(self) -> Shape:
        return self.h, self.w, self.c

    @property
    def elements(self) -> int:
        return self.h * self.w * self.c

    def _add(
        self,
        operator: str,
        kind: LayerKind,
        out: Shape,
        *,
        kernel: tuple[int, int] = (1, 1),
        products: int = 0,
    ) -> Self:
        elements = out[0] * out[1] * out[2]
        self.layers.append(
            Layer(
                len(self.layers),
                operator,
                kind,
                elements * products,
                *kernel,
                in_channels=self.elements if kind is LayerKind.DENSE else self.c,
                out_channels=out[2],
                input_elements=self.elements,
                output_elements=elements,
            )
        )
        self.h, self.w, self.c = out
        return self

    def conv(
        self, kernel: int | tuple[int, int], channels: int, stride: int = 1, pad: int | None = None
    ) -> Self:
        """`pad` None is SAME, otherwise that many rows and columns on each side."""
        size = (kernel, kernel) if isinstance(kernel, int) else kernel
        out = (*self._window(size, stride, pad), channels)
        kind = LayerKind.POINTWISE if size == (1, 1) else LayerKind.CONVOLUTION
        return self._add("CONV_2D", kind, out, kernel=size, products=size[0] * size[1] * self.c)

    def depthwise(self, kernel: int, stride: int = 1) -> Self:
        out = (*self._window((kernel, kernel), stride, None), self.c)
        size = (kernel, kernel)
        return self._add("DEPTHWISE_CONV_2D", LayerKind.DEPTHWISE, out, kernel=size, products=kernel**2)

    def pool(self, kernel: int, stride: int = 1, pad: int | None = 0) -> Self:
        size = (kernel, kernel)
        return self._add(
            "MAX_POOL_2D", LayerKind.POOL, (*self._window(size, stride, pad), self.c), kernel=size
        )

    def mean(self) -> Self:
        return self._add("MEAN", LayerKind.POOL, (1, 1, self.c))

    def dense(self, units: int) -> Self:
        return self._add("FULLY_CONNECTED", LayerKind.DENSE, (1, 1, units), products=self.elements)

    def activation(self, operator: str = "SOFTMAX") -> Self:
        return self._add(operator, LayerKind.ACTIVATION, self.shape)

    def elementwise(self, operator: str = "ADD", times: int = 1) -> Self:
        for _ in range(times):
            self._add(operator, LayerKind.ELEMENTWISE, self.shape)
        return self

    def copy(self, operator: str, shape: Shape | None = None) -> Self:
        return self._add(operator, LayerKind.COPY, shape or self.shape)

    def quantise(self) -> Self:
        return self._add("QUANTIZE", LayerKind.QUANTISE, self.shape)

    def pad(self, rows: int) -> Self:
        """A PAD operator of its own; the next layer is then given its padding as 0."""
        return self.copy("PAD", (self.h + rows, self.w + rows, self.c))

    def at(self, shape: Shape) -> Self:
        """Go on from a tensor of this shape: a branch."""
        self.h, self.w, self.c = shape
        return self

    def _window(self, kernel: tuple[int, int], stride: int, pad: int | None) -> tuple[int, int]:
        if pad is None:
            return -(-self.h // stride), -(-self.w // stride)
        return (self.h + 2 * pad - kernel[0]) // stride + 1, (self.w + 2 * pad - kernel[1]) // stride + 1
