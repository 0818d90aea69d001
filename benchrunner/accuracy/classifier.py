"""A model on the host with one picture in and one score for each class out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from benchrunner.accuracy.dataset import Dataset
from benchrunner.accuracy.document import ModelFacts
from benchrunner.errors import DatasetError, ModelError, UsageError
from benchrunner.model import load_model
from benchrunner.run.prepare import weight_format
from benchrunner.runtime import Interpreter, KernelSet, Tensor


@dataclass(frozen=True, slots=True)
class Classifier:
    """A model on the host with one picture in and one score for each class out."""

    facts: ModelFacts
    interpreter: Interpreter

    @property
    def tensor(self) -> Tensor:
        return self.interpreter.inputs[0]

    def run(self, tensor: bytes) -> bytes:
        return self.interpreter.run((tensor,))[0]

    def class_of(self, output: bytes) -> int:
        """The class with the highest score; of equal ones the first."""
        import numpy as np

        return int(np.argmax(np.frombuffer(output, self.interpreter.outputs[0].dtype)))


def load_classifier(path: Path, kernels: KernelSet, dataset: Dataset) -> Classifier:
    model = load_model(path)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise UsageError(f"{path}: the file changed while it was being read")
    interpreter = Interpreter(data, kernels)
    if len(interpreter.inputs) != 1 or len(interpreter.outputs) != 1:
        raise ModelError(
            f"{path}: {len(interpreter.inputs)} inputs and {len(interpreter.outputs)} outputs; a classifier "
            "has one of each"
        )
    (tensor,), (scores,) = interpreter.inputs, interpreter.outputs
    if tensor.shape[0] != 1 or tensor.dtype not in ("float32", "int8", "uint8"):
        raise ModelError(
            f"{path}: input {tensor.dtype} {list(tensor.shape)}: expected one picture of a type known"
        )
    count = scores.shape[-1] if scores.shape else 0
    if any(size != 1 for size in scores.shape[:-1]) or count != len(dataset.classes):
        raise DatasetError(
            f"{path}: output {list(scores.shape)}, the data set has {len(dataset.classes)} classes",
            hint="expected one score for each class; --classes FILE names them all in the model's order",
        )
    resolution = "x".join(str(size) for size in tensor.shape[1:])
    facts = ModelFacts(model.name, model.sha256, weight_format(model), resolution, interpreter.reference)
    return Classifier(facts, interpreter)
