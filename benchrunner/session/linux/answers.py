"""Whether a Linux board's answer is right: against the kernel sets of the runtime on this computer.

Runtimes choose their kernels by processor and version, and those round differently. So there are several
right answers, each with a name: the nearest one is the reference, and how far it may be off is stated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchrunner.errors import OutputMismatchError
from benchrunner.record import OutputCheck
from benchrunner.session.output import compare_outputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Of 8-bit outputs, between kernels of other runtimes and processors: 1 % of their range.
TOLERANCE_8_BIT_LSB: Final = 2
TOLERANCE_16_BIT_LSB: Final = 656  # 1 % of the range
# Of floats, in steps of the largest value's last place: sums of products in another order, about 1e-4 of it.
TOLERANCE_FLOAT_STEPS: Final = {"float16": 8, "float32": 1024, "float64": 1 << 20}
_MANTISSA_BITS: Final = {"float16": 10, "float32": 23, "float64": 52}


@dataclass(frozen=True, slots=True)
class Reference:
    """One right answer."""

    name: str  # "LiteRT 2.3.0 builtin-ref"
    runtime: str  # "litert", "tflite-runtime"
    version: str
    kernels: str
    outputs: tuple[bytes, ...]


def default_tolerance(dtypes: Sequence[str]) -> int:
    """What is allowed where neither runtime nor kernels are known to be the same."""
    allowed = [
        TOLERANCE_FLOAT_STEPS.get(
            dtype,
            {"int8": TOLERANCE_8_BIT_LSB, "uint8": TOLERANCE_8_BIT_LSB, "int16": TOLERANCE_16_BIT_LSB}.get(
                dtype, 0
            ),
        )
        for dtype in dtypes
    ]
    return max(allowed, default=0)


def check_answer(
    outputs: Sequence[bytes],
    references: Iterable[Reference],
    dtypes: Sequence[str],
    *,
    exact: Reference | None,
    tolerance: int | None,
) -> OutputCheck:
    """Compare with `exact` where the board runs that very kernel set: bit by bit. Else with the nearest.

    References are made one after the other, until the answer is bit-exact with one. `tolerance` replaces what
    is allowed. Raises `OutputMismatchError`.
    """
    if len(outputs) != len(dtypes):
        raise OutputMismatchError(f"the board gave {len(outputs)} outputs, the model has {len(dtypes)}")
    if exact is not None:
        return _compare(outputs, exact, dtypes, 0 if tolerance is None else tolerance)
    names: list[str] = []
    allowed = default_tolerance(dtypes) if tolerance is None else tolerance
    best: OutputCheck | None = None
    failure: OutputMismatchError | None = None
    for reference in references:
        names.append(reference.name)
        try:
            found = _compare(outputs, reference, dtypes, allowed)
        except OutputMismatchError as error:
            failure = failure or error
            continue
        if best is None or found.max_difference_lsb < best.max_difference_lsb:
            best = found
        if found.differing_values == 0:
            break
    if best is not None:
        return best
    assert failure is not None, "there is always a reference"
    others = ", ".join(names[1:])
    message = f"{failure.message}; neither is it near {others}" if others else failure.message
    raise OutputMismatchError(message, hint=failure.hint) from failure


def _compare(
    outputs: Sequence[bytes], reference: Reference, dtypes: Sequence[str], tolerance: int
) -> OutputCheck:
    if not any(dtype in _MANTISSA_BITS for dtype in dtypes):
        return compare_outputs(
            outputs, reference.outputs, dtypes, reference_name=reference.name, tolerance_lsb=tolerance
        )
    return _compare_floats(outputs, reference, dtypes, tolerance)


def _compare_floats(
    outputs: Sequence[bytes], reference: Reference, dtypes: Sequence[str], tolerance: int
) -> OutputCheck:
    """As `compare_outputs`, but a float's step is the last place of the largest value of its tensor.

    Near 0 the steps of a float are so small that every other order of summation is billions of them away.
    """
    import numpy as np

    largest, differing, values, first = 0, 0, 0, ""
    for index, (ours, theirs, dtype) in enumerate(zip(outputs, reference.outputs, dtypes, strict=True)):
        if len(ours) != len(theirs):
            raise OutputMismatchError(
                f"output {index}: {len(ours)} bytes from the board, {len(theirs)} from {reference.name}"
            )
        found, expected = (np.frombuffer(data, dtype=dtype).astype(np.float64) for data in (ours, theirs))
        steps = _steps(found, expected, dtype)
        wrong = np.flatnonzero(steps > tolerance)
        if wrong.size and not first:
            at = int(wrong[0])
            first = f"first at output {index}[{at}]: board {found[at]:g}, reference {expected[at]:g}"
        largest = max(largest, int(steps.max(initial=0)))
        differing += int(np.count_nonzero(found != expected))
        values += steps.size
    if first:
        raise OutputMismatchError(
            f"{differing} of {values} output values differ from {reference.name}, by up to {largest} steps "
            f"of the largest value's last place (tolerance {tolerance}); {first}",
            hint="a wrong answer has no latency; if the runtime is known to round differently, state it with "
            "--tolerance",
        )
    return OutputCheck(
        reference=f"{reference.name}, in steps of the largest value's last place",
        tolerance_lsb=tolerance,
        max_difference_lsb=largest,
        differing_values=differing,
        values=values,
        output_sha256=hashlib.sha256(b"".join(outputs)).hexdigest(),
        reference_sha256=hashlib.sha256(b"".join(reference.outputs)).hexdigest(),
    )


def _steps(found: NDArray[np.float64], expected: NDArray[np.float64], dtype: str) -> NDArray[np.int64]:
    import numpy as np

    huge = np.int64(1) << 60
    if dtype not in _MANTISSA_BITS:
        return np.minimum(np.abs(found - expected), float(huge)).astype(np.int64)
    finite = expected[np.isfinite(expected)]
    largest = float(np.abs(finite).max(initial=0.0))
    step = 2.0 ** (np.floor(np.log2(largest)) - _MANTISSA_BITS[dtype]) if largest > 0 else 2.0**-149
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.ceil(np.abs(found - expected) / step)
    distance[same] = 0.0
    distance[~np.isfinite(distance)] = float(huge)
    return np.minimum(distance, float(huge)).astype(np.int64)
