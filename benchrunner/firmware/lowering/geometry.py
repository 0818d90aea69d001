"""Where a convolution reads and writes: its shape as the kernels take it, how far its output may reach."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from benchrunner.firmware.lowered import StructArgument
from benchrunner.firmware.lowering.registry import require
from benchrunner.model import Operator


@dataclass(frozen=True, slots=True)
class ConvShape:
    """The fields of conv_shape_t in firmware/kernels/conv_shape.h, in their order."""

    batches: int
    input_h: int
    input_w: int
    input_c: int
    output_h: int
    output_w: int
    output_c: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_top: int
    pad_left: int
    input_zero: int
    output_zero: int
    output_min: int
    output_max: int

    @property
    def window_stays_inside(self) -> bool:
        """Whether no window reaches beyond the image."""
        bottom = (self.output_h - 1) * self.stride_h - self.pad_top + (self.kernel_h - 1) * self.dilation_h
        right = (self.output_w - 1) * self.stride_w - self.pad_left + (self.kernel_w - 1) * self.dilation_w
        return self.pad_top == self.pad_left == 0 and bottom < self.input_h and right < self.input_w

    def argument(self) -> StructArgument:
        names = [field.name for field in fields(self)]
        values = astuple(self)
        for name, value in zip(names, values, strict=True):
            require(value <= 32767, f"{name}: expected at most 32767, found {value}")
        return StructArgument("conv_shape_t", tuple(zip(names, map(str, values), strict=True)))


def padding_before(operator: Operator, axis: str, size: int, kernel: int, found: int) -> int:
    """Padding before the first row or column; `found` is the size of the output tensor.

    Source: ComputePaddingHeightWidth in tensorflow/lite/kernels/padding.h: SAME pads to ceil(size / stride)
    outputs, the smaller half in front.
    """
    stride, dilation = operator.integer(f"stride_{axis}"), operator.options.get(f"dilation_{axis}", 1)
    assert isinstance(dilation, int)
    require(stride > 0 and dilation > 0, f"stride_{axis}, dilation_{axis}: expected at least 1")
    reach = (kernel - 1) * dilation + 1
    same = operator.text("padding", "SAME") == "SAME"
    expected = -(-(size if same else size - reach + 1) // stride)
    require(
        found == expected > 0,
        f"output size along {axis}: expected {expected} from input and padding, found {found}",
    )
    return max(0, (expected - 1) * stride + reach - size) // 2 if same else 0


def first_read(shape: ConvShape) -> NDArray[np.int64]:
    """For every output pixel, in their order: the lowest input offset that its window reads, in bytes.

    A window that lies in the padding altogether reads nothing; it gets the offset of the pixel beside it.
    """
    top = np.arange(shape.output_h) * shape.stride_h - shape.pad_top
    left = np.arange(shape.output_w) * shape.stride_w - shape.pad_left
    rows = _first_inside(top, shape.dilation_h, shape.input_h)
    columns = _first_inside(left, shape.dilation_w, shape.input_w)
    image = (rows[:, None] * shape.input_w + columns[None, :]) * shape.input_c
    batch = np.arange(shape.batches) * (shape.input_h * shape.input_w * shape.input_c)
    found: NDArray[np.int64] = (batch[:, None] + image.reshape(1, -1)).reshape(-1)
    return found


def _first_inside(start: NDArray[np.int64], dilation: int, size: int) -> NDArray[np.int64]:
    """The first index >= 0 of start, start + dilation, ..., kept below `size`."""
    skipped = np.maximum(0, -(start // dilation))  # rounds towards the image
    found: NDArray[np.int64] = np.clip(start + skipped * dilation, 0, size - 1)
    return found


def lead_bytes(first_reads: NDArray[np.int64], written_ends: NDArray[np.int64]) -> int:
    """The smallest safe `Overlap.lead_bytes` of a kernel that works in steps, each reading before it writes.

    `first_reads[i]` is the lowest input offset that step i reads, `written_ends[i]` the first output offset
    that no step up to i has written. What a step writes must end where later steps begin to read.
    """
    if len(first_reads) < 2:
        return -int(written_ends[-1])  # all is read before anything is written
    later = np.minimum.accumulate(first_reads[::-1])[::-1][1:]
    return int(np.max(written_ends[:-1] - later))
