"""The frozen description of a model: file, graph, tensors, operators. No file format, no arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchrunner.errors import ModelError

OptionValue = int | float | str | tuple[int, ...]

# Bits of one element. Strings have no fixed size; resources and variants are handles of the runtime.
DTYPE_BITS: Mapping[str, int] = {
    "float64": 64, "float32": 32, "float16": 16, "bfloat16": 16, "complex64": 64, "complex128": 128,
    "int64": 64, "int32": 32, "int16": 16, "int8": 8, "int4": 4,
    "uint64": 64, "uint32": 32, "uint16": 16, "uint8": 8, "bool": 8,
    "string": 0, "resource": 0, "variant": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quantisation:
    """real = scale * (stored - zero point).

    One scale for the tensor, or one per index along `axis`; as many zero points as scales.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int

    @property
    def per_axis(self) -> bool:
        return len(self.scales) > 1


@dataclass(frozen=True, slots=True)
class Tensor:
    """`data` holds the stored bytes of a constant (little-endian, row-major) and is None for activations.

    A dimension that the file leaves open counts as 1, is one of `open_axes` and makes the tensor `dynamic`.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    quantisation: Quantisation | None
    data: memoryview | None = field(repr=False)
    dynamic: bool = False
    variable: bool = False
    sparse: bool = False
    open_axes: tuple[int, ...] = ()

    @property
    def constant(self) -> bool:
        return self.data is not None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes in memory; of a constant, as stored. Strings and handles have no fixed size and count 0."""
        return len(self.data) if self.data is not None else -(-self.elements * DTYPE_BITS[self.dtype] // 8)


@dataclass(frozen=True, slots=True)
class Operator:
    """`name` is the builtin name (`CONV_2D`), or `CUSTOM:<code>`.

    An input of -1 is an optional input that is not given. `options` has the schema's fields in snake case
    (`stride_h`, `padding` as SAME or VALID, `activation` as NONE, RELU ...).
    """

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, OptionValue]
    opaque_options: bytes = field(default=b"", repr=False)  # of operators whose fields are not known here

    def integer(self, option: str) -> int:
        """An integer option. Raises `KeyError` for one that the operator does not have."""
        value = self.options[option]
        if not isinstance(value, int):
            raise KeyError(option)
        return value

    def text(self, option: str, default: str) -> str:
        return str(self.options.get(option, default))


@dataclass(frozen=True, slots=True)
class Graph:
    """One subgraph; operators are in the order in which they run."""

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def present(self, indices: tuple[int, ...]) -> tuple[Tensor, ...]:
        """The tensors of `indices`, without optional inputs that are not given."""
        return tuple(self.tensors[i] for i in indices if i >= 0)

    def activations(self, indices: tuple[int, ...]) -> tuple[Tensor, ...]:
        """The tensors of `indices` that are computed, each once."""
        return tuple(t for t in self.present(tuple(dict.fromkeys(indices))) if not t.constant)

    def weights(self, operator: Operator) -> tuple[Tensor, ...]:
        """The constants with learned values: weights and biases, not shapes, axes and paddings."""
        found = []
        for position, index in enumerate(operator.inputs):
            if index >= 0 and self.tensors[index].constant:
                tensor = self.tensors[index]
                learned = operator.name in WEIGHTED and position in WEIGHTED[operator.name]
                if learned or tensor.quantisation or tensor.dtype not in ("int32", "int64"):
                    found.append(tensor)
        return tuple(found)


# Inputs that hold weights or a bias whatever their data type says.
WEIGHTED: Mapping[str, tuple[int, ...]] = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
    "CONV_3D": (1, 2),
}


@dataclass(frozen=True, slots=True)
class Model:
    """A model file and its main graph.

    `name` is without folder and suffix, `source` as it was given. `graph_sha256` is equal for files that
    differ only in the values of weights and of quantisation (`benchrunner.model.fingerprint`).
    """

    name: str
    source: str
    sha256: str
    size_bytes: int
    description: str
    graph: Graph
    graph_sha256: str
    other_subgraphs: tuple[str, ...] = ()

    def error(self, operator: Operator, problem: str) -> ModelError:
        """The error for `problem` in the layer `operator`."""
        return ModelError(f"{self.source}: layer {operator.index} {operator.name}: {problem}")
