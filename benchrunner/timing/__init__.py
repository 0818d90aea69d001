"""How long a simulated board takes: cycles per operator, from a model fitted on published measurements."""

from benchrunner.timing.coefficients import REFERENCE_ENGINE, Coefficients, CoreError, load_coefficients
from benchrunner.timing.formula import TERMS, TimedLayer, work
from benchrunner.timing.linux import LinuxPrediction, load_linux_coefficients, predict_linux
from benchrunner.timing.predict import Prediction, cold_extra_cycles, predict

__all__ = [
    "REFERENCE_ENGINE",
    "TERMS",
    "Coefficients",
    "CoreError",
    "LinuxPrediction",
    "Prediction",
    "TimedLayer",
    "cold_extra_cycles",
    "load_coefficients",
    "load_linux_coefficients",
    "predict",
    "predict_linux",
    "work",
]
