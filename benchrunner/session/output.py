"""Whether the device's answer is right: its output tensors against the named reference on the host."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchrunner.errors import OutputMismatchError
from benchrunner.record import OutputCheck

if TYPE_CHECKING:
    import numpy as np

# How a float's bits are read as an integer, so that neighbours differ by one.
_FLOAT_BITS = {"float16": "int16", "float32": "int32", "float64": "int64"}


def _as_steps(data: bytes, dtype: str) -> np.ndarray:
    """The values as integers whose unit is one representable step: LSB for integers, ULP for floats."""
    import numpy as np

    if dtype not in _FLOAT_BITS:
        return np.frombuffer(data, dtype=dtype).astype(np.int64)
    bits = np.frombuffer(data, dtype=_FLOAT_BITS[dtype]).astype(np.int64)
    lowest = np.iinfo(_FLOAT_BITS[dtype]).min
    # Negative floats count downwards from the sign bit; mirrored, the order is the order of the values.
    return np.where(bits < 0, lowest - bits, bits)


def compare_outputs(
    device: Sequence[bytes],
    reference: Sequence[bytes],
    dtypes: Sequence[str],
    *,
    reference_name: str,
    tolerance_lsb: int,
) -> OutputCheck:
    """Compare output tensors (raw little-endian bytes) value by value.

    The difference is counted in steps of the data type: LSB of a quantised value, ULP of a float.
    Raises `OutputMismatchError` when the largest one exceeds `tolerance_lsb`: there is no time for a
    wrong answer.
    """
    import numpy as np

    largest, differing, values, first = 0, 0, 0, ""
    for index, (ours, theirs, dtype) in enumerate(zip(device, reference, dtypes, strict=True)):
        if len(ours) != len(theirs):
            raise OutputMismatchError(
                f"output {index}: {len(ours)} bytes from the device, {len(theirs)} from {reference_name}"
            )
        ours_steps, theirs_steps = _as_steps(ours, dtype), _as_steps(theirs, dtype)
        difference = np.abs(ours_steps - theirs_steps)
        wrong = np.flatnonzero(difference > tolerance_lsb)
        if wrong.size and not first:
            at = int(wrong[0])
            values_at = [np.frombuffer(data, dtype=dtype)[at] for data in (ours, theirs)]
            first = f"first at output {index}[{at}]: device {values_at[0]}, reference {values_at[1]}"
        largest = max(largest, int(difference.max(initial=0)))
        differing += int(np.count_nonzero(difference))
        values += difference.size
    check = OutputCheck(
        reference=reference_name,
        tolerance_lsb=tolerance_lsb,
        max_difference_lsb=largest,
        differing_values=differing,
        values=values,
        output_sha256=hashlib.sha256(b"".join(device)).hexdigest(),
        reference_sha256=hashlib.sha256(b"".join(reference)).hexdigest(),
    )
    if largest > tolerance_lsb:
        raise OutputMismatchError(
            f"{differing} of {values} output values differ from {reference_name}, by up to {largest} LSB "
            f"(tolerance {tolerance_lsb}); {first}",
            hint="a wrong answer has no latency; if the engine is known to round differently, state it with "
            "--tolerance",
        )
    return check
