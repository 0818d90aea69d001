"""The formula: which amounts of work an operator has; each has a cost in cycles (`coefficients`)."""

from __future__ import annotations

from typing import Protocol, assert_never

from benchrunner.errors import NoTimingModelError
from benchrunner.model import LayerKind

FORMULA_VERSION = 1

# Names of the terms, in the order of `work`; their coefficients are cycles of a Cortex-M7 per unit.
TERMS = (
    "convolution_mac",  # standard and 1x1 convolutions: a matrix product
    "depthwise_mac",  # no reuse of a loaded input: several times dearer
    "dense_mac",  # every weight is used once: bound by reading them
    "thin_input_mac",  # on top, where the input has fewer channels than a register holds: they are gathered
    "convolution_output",  # requantising, and starting each sum: what makes few input channels inefficient
    "elementwise_output",
    "moved_element",  # pooled or copied
    "operator",  # calling it
)
_THIN_CHANNELS = 4  # int8 values in a 32-bit register
_FOLDED = ("PAD", "PADV2")  # engines give the padding to the convolution behind it


class TimedLayer(Protocol):
    """The part of `benchrunner.model.LayerCost` that time depends on."""

    @property
    def index(self) -> int: ...
    @property
    def operator(self) -> str: ...
    @property
    def kind(self) -> LayerKind: ...
    @property
    def macs(self) -> int | None: ...
    @property
    def kernel_h(self) -> int: ...
    @property
    def kernel_w(self) -> int: ...
    @property
    def in_channels(self) -> int: ...
    @property
    def out_channels(self) -> int: ...
    @property
    def input_elements(self) -> int: ...
    @property
    def output_elements(self) -> int: ...
    @property
    def dtype(self) -> str: ...


def work(layer: TimedLayer) -> tuple[int, ...]:
    """Amount of each of `TERMS` in one operator.

    Raises `NoTimingModelError` for an operator that is not known, and for arithmetic other than int8.
    """
    kind, macs, outputs = layer.kind, layer.macs, layer.output_elements
    if macs is None or kind is LayerKind.UNKNOWN:
        raise NoTimingModelError(
            f"layer {layer.index}: {layer.operator}: no timing model for an operator that is not known"
        )
    if macs and layer.dtype not in ("int8", "uint8"):
        raise NoTimingModelError(
            f"layer {layer.index}: {layer.operator}: the timing model is for int8, found {layer.dtype}",
            hint="quantise the model to int8",
        )
    if layer.operator in _FOLDED:
        return (0,) * len(TERMS)
    match kind:
        case LayerKind.CONVOLUTION:
            thin = macs if layer.in_channels < _THIN_CHANNELS else 0
            return (macs, 0, 0, thin, outputs, 0, 0, 1)
        case LayerKind.POINTWISE:
            return (macs, 0, 0, 0, outputs, 0, 0, 1)
        case LayerKind.DEPTHWISE:
            return (0, macs, 0, 0, 0, 0, 0, 1)
        case LayerKind.DENSE:
            return (0, 0, macs, 0, 0, 0, 0, 1)
        case LayerKind.ELEMENTWISE | LayerKind.ACTIVATION:
            return (0, 0, 0, 0, 0, outputs, 0, 1)
        case LayerKind.POOL:
            windows = outputs * layer.kernel_h * layer.kernel_w
            return (0, 0, 0, 0, 0, 0, max(windows, layer.input_elements), 1)
        case LayerKind.COPY:
            return (0, 0, 0, 0, 0, 0, outputs, 1)
        case LayerKind.QUANTISE:  # an offset, or one multiplication: little beside the first convolution
            return (0, 0, 0, 0, 0, 0, 0, 1)
        case LayerKind.VIEW:
            return (0,) * len(TERMS)
        case _ as never:
            assert_never(never)
