"""Which model of time a simulated Linux board used for a case, and how far it may be off."""

from __future__ import annotations

from collections.abc import Sequence

from benchrunner.errors import NoTimingModelError
from benchrunner.record import Case, NotMeasured, TimingModel
from benchrunner.timing import TimedLayer, predict_linux

_ANY_CLOCK_HZ = 10**9  # the error does not depend on it
_STANDS_IN = "; it stands in for ONNX Runtime, of which no time is known"


def simulated_timing(
    case: Case, layers: Sequence[TimedLayer], *, core: str, threads: int, x_linux_ai_version: str
) -> TimingModel | NotMeasured:
    """For the record of a simulated board. `core` is the board file's, `threads` those that worked on it."""
    accelerated = case.execution_engine.startswith("NPU")
    try:
        prediction = predict_linux(
            layers,
            "nbg" if accelerated else "tflite",
            core=core,
            clock_hz=_ANY_CLOCK_HZ,
            threads=threads,
            x_linux_ai_version=x_linux_ai_version,
        )
    except NoTimingModelError as error:
        return NotMeasured(error.message)
    foreign = case.engine == "onnxruntime" and not accelerated
    return TimingModel(
        version=prediction.version,
        error_percent=prediction.error_percent,
        basis=prediction.basis + (_STANDS_IN if foreign else ""),
    )
