"""Runs a model on the host: raw little-endian bytes in, raw little-endian bytes out."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from benchrunner.errors import ModelError, UnsupportedOperatorError, UsageError
from benchrunner.runtime.chatter import without_remarks
from benchrunner.runtime.installed import Runtime, RuntimeName, select_runtime


class KernelSet(StrEnum):
    """Which of the runtime's own kernel sets computes; they differ in the last bits."""

    REFERENCE = "builtin-ref"
    BUILTIN = "builtin-without-default-delegates"
    XNNPACK = "default"


# What a device's output is compared with: the set that does not depend on the host's vector unit and rounds
# convolutions as CMSIS-NN does (docs/decisions/output-oracle.md).
ORACLE = KernelSet.REFERENCE

# Names of the members of `OpResolverType`, which both runtimes have.
_RESOLVERS = {
    KernelSet.REFERENCE: "BUILTIN_REF",
    KernelSet.BUILTIN: "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    KernelSet.XNNPACK: "AUTO",
}

_UNKNOWN_CUSTOM = re.compile(r"unresolved custom op: ([^\s.]+)")
_UNKNOWN_BUILTIN = re.compile(r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'")


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a model. `scale` is 0.0 where the tensor is not quantised."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # numpy's name: "int8", "uint8", "float32" ...
    scale: float
    zero_point: int
    size_bytes: int


def reference_name(kernels: KernelSet, runtime: str | None = None) -> str:
    """What results call the oracle: "LiteRT 2.3.0 builtin-without-default-delegates"."""
    chosen = select_runtime(runtime)
    return f"{chosen.title} {chosen.version} {kernels}"


class Interpreter:
    """One model, loaded into one runtime with one kernel set, on one thread.

    LiteRT verifies the file. tflite-runtime 2.14 does not, and can crash the process on a damaged one, even
    on some that the model reader accepts: give it only files that you trust.

    Raises `UsageError` when the runtime is missing, `UnsupportedOperatorError` naming the operators that it
    does not have, `ModelError` for anything else that it refuses.
    """

    def __init__(self, model_bytes: bytes, kernels: KernelSet, runtime: str | None = None) -> None:
        chosen = select_runtime(runtime)
        self.kernels = kernels
        self.runtime = chosen
        self.reference = reference_name(kernels, chosen.name)
        module = _import(chosen)
        try:
            with without_remarks():
                self._interpreter: Any = module.Interpreter(
                    model_content=model_bytes,
                    num_threads=1,  # results must not depend on the machine's cores
                    experimental_op_resolver_type=getattr(module.OpResolverType, _RESOLVERS[kernels]),
                )
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise _refusal(str(error), chosen) from error
        input_details = self._interpreter.get_input_details()
        output_details = self._interpreter.get_output_details()
        self._input_indices = [int(entry["index"]) for entry in input_details]
        self._output_indices = [int(entry["index"]) for entry in output_details]
        self.inputs = tuple(_tensor(entry) for entry in input_details)
        self.outputs = tuple(_tensor(entry) for entry in output_details)

    def run(self, inputs: Sequence[bytes]) -> tuple[bytes, ...]:
        """Run one inference.

        Raises `UsageError` when the number of inputs or the length of one is wrong, `ModelError` when the
        runtime fails in the middle.
        """
        import numpy as np

        if len(inputs) != len(self.inputs):
            raise UsageError(f"inputs: expected {len(self.inputs)}, found {len(inputs)}")
        for index, (tensor, data) in enumerate(zip(self.inputs, inputs, strict=True)):
            if len(data) != tensor.size_bytes:
                raise UsageError(
                    f"input {index} ({tensor.name}): expected {tensor.size_bytes} bytes "
                    f"({tensor.dtype} {list(tensor.shape)}), found {len(data)}"
                )
            values = np.frombuffer(data, np.dtype(tensor.dtype).newbyteorder("<"))
            native = values.astype(tensor.dtype, copy=False).reshape(tensor.shape)
            self._interpreter.set_tensor(self._input_indices[index], native)
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise _refusal(str(error), self.runtime) from error
        found = [self._interpreter.get_tensor(index) for index in self._output_indices]
        return tuple(value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes() for value in found)


def _import(runtime: Runtime) -> Any:
    if runtime.name is RuntimeName.TFLITE_RUNTIME:
        from importlib.metadata import version

        numpy_version = version("numpy")
        if not numpy_version.startswith("1."):
            # Its extension is built against numpy 1; with 2 it fails later, inside C++.
            raise UsageError(
                f"{runtime.title} {runtime.version} needs numpy < 2, found numpy {numpy_version}",
                hint="install it in an environment of its own: pip install 'benchrunner[tflite-runtime]'",
            )
    try:
        with without_remarks():
            return importlib.import_module(runtime.module)
    except ImportError as error:
        raise UsageError(
            f"{runtime.title} {runtime.version} is installed and does not import: {error}",
            hint="install it again, for this Python",
        ) from error


def _refusal(text: str, runtime: Runtime) -> ModelError:
    custom = _UNKNOWN_CUSTOM.findall(text)
    builtin = [f"{name} (version {version})" for name, version in _UNKNOWN_BUILTIN.findall(text)]
    who = f"{runtime.title} {runtime.version}"
    if custom or builtin:
        names = ", ".join(sorted({*(f"custom operator {name}" for name in custom), *builtin}))
        return UnsupportedOperatorError(f"model: {who} does not have {names}")
    return ModelError(f"model: {who} refuses it: {' '.join(text.split())}")


def _tensor(entry: dict[str, Any]) -> Tensor:
    import numpy as np

    shape = tuple(int(size) for size in entry["shape"])
    dtype = np.dtype(entry["dtype"])
    if dtype.kind not in "iufbc":
        raise ModelError(f"tensor {entry['name']}: expected numbers, found {dtype.name}")
    scale, zero_point = entry["quantization"]
    return Tensor(
        name=str(entry["name"]),
        shape=shape,
        dtype=dtype.name,
        scale=float(scale),
        zero_point=int(zero_point),
        size_bytes=math.prod(shape) * dtype.itemsize,
    )
