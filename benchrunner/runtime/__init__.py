"""The one adapter over a TFLite runtime on the host, and the inputs it is given."""

from benchrunner.runtime.inputs import load_input, natural_input, seeded_input
from benchrunner.runtime.installed import Runtime, RuntimeName, available_runtimes, select_runtime
from benchrunner.runtime.interpreter import ORACLE, Interpreter, KernelSet, Tensor, reference_name

__all__ = [
    "ORACLE",
    "Interpreter",
    "KernelSet",
    "Runtime",
    "RuntimeName",
    "Tensor",
    "available_runtimes",
    "load_input",
    "natural_input",
    "reference_name",
    "seeded_input",
    "select_runtime",
]
