"""Writes graphs of tensors and operators as a `.tflite` file, for tests.

The bytes come from the generated code of the schema package, which the project's own reader does not use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray

Options = tuple[str, dict[str, Any]]  # name of the options table, its fields as the schema spells them

# Versions from which the operators take int8; the runtime takes any version up to its own.
_VERSIONS = {
    "ADD": 2, "AVERAGE_POOL_2D": 2, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "DEQUANTIZE": 2,
    "FULLY_CONNECTED": 4, "MAX_POOL_2D": 2, "MEAN": 2, "MUL": 2, "PAD": 2, "SOFTMAX": 2, "STRIDED_SLICE": 2,
}  # fmt: skip


@dataclass
class TensorSpec:
    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    data: bytes | None = None
    rms: float = 1.0  # nominal spread of the real values; not written to the file
    signature: tuple[int, ...] = ()
    external: bool = False  # the data lie behind the tables, as in files over 2 GiB


@dataclass
class OperatorSpec:
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options | None = None
    custom: str = ""
    version: int = 0


class Graph(Protocol):
    """What becomes a subgraph: operators and inputs name tensors by their number."""

    tensors: list[TensorSpec]
    operators: list[OperatorSpec]
    inputs: list[int]
    name: str
    description: str


class Writer:
    """Lays a model out as a flatbuffer."""

    def __init__(self) -> None:
        self.out = flatbuffers.Builder(1 << 16)
        self.buffers: list[int] = []
        self.codes: dict[tuple[str, str, int], int] = {}
        self.texts: dict[str, int] = {}
        self.behind: list[tuple[int, bytes]] = []  # position marks and data of external buffers

    def model(self, graphs: list[tuple[Graph, list[int]]]) -> bytes:
        self.buffers.append(self._buffer(None))
        subgraphs = [self._subgraph(graph, outputs) for graph, outputs in graphs]
        codes = [self._code(*code) for code in self.codes]
        self.buffers.append(self._buffer(b"1.14.0".ljust(16, b"\0")))
        metadata = self._table(
            "Metadata", Name=self._text("min_runtime_version"), Buffer=len(self.buffers) - 1
        )
        description = self._text(graphs[0][0].description)
        fields = {
            "OperatorCodes": self._tables(codes),
            "Subgraphs": self._tables(subgraphs),
            "Buffers": self._tables(self.buffers),
            "Metadata": self._tables([metadata]),
            "SignatureDefs": self._tables([self._signature(*graphs[0])]),
        }
        self.out.Finish(
            self._table("Model", Version=3, Description=description, **fields), file_identifier=b"TFL3"
        )
        data = bytearray(self.out.Output())
        for mark, content in self.behind:  # the offset could not be known before the tables were laid out
            data += bytes(-len(data) % 16)
            data = bytearray(bytes(data).replace(mark.to_bytes(8, "little"), len(data).to_bytes(8, "little")))
            data += content
        return bytes(data)

    def _table(self, table: str, **fields: Any) -> int:
        getattr(tflite, f"{table}Start")(self.out)
        for name, value in fields.items():
            getattr(tflite, f"{table}Add{name}")(self.out, value)
        return int(getattr(tflite, f"{table}End")(self.out))

    def _text(self, text: str) -> int:
        """A string; equal ones are stored once."""
        if text not in self.texts:
            self.texts[text] = self.out.CreateString(text)
        return self.texts[text]

    def _tables(self, offsets: Sequence[int]) -> int:
        self.out.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.out.PrependUOffsetTRelative(offset)
        return int(self.out.EndVector())

    def _numbers(self, values: Sequence[float], dtype: str = "<i4") -> int:
        array: NDArray[Any] = np.asarray(values, dtype=dtype)
        return self._raw(array.tobytes(), len(array), array.itemsize)

    def _raw(self, data: bytes, count: int, align: int) -> int:
        self.out.StartVector(len(data) // count if count else 1, count, align)
        self.out.head -= len(data)
        self.out.Bytes[self.out.head : self.out.head + len(data)] = data
        return int(self.out.EndVector())

    def _buffer(self, data: bytes | None, external: bool = False) -> int:
        if data is None:
            return self._table("Buffer")
        if external:
            mark = 0xFEED_F00D_0000_0000 + len(self.behind)
            self.behind.append((mark, data))
            return self._table("Buffer", Offset=mark, Size=len(data))
        return self._table("Buffer", Data=self._raw(data, len(data), 16))

    def _code(self, name: str, custom: str, version: int) -> int:
        code = getattr(tflite.BuiltinOperator, name)
        fields: dict[str, Any] = {
            "DeprecatedBuiltinCode": min(code, 127),
            "BuiltinCode": code,
            "Version": version,
        }
        if custom:
            fields["CustomCode"] = self._text(custom)
        return self._table("OperatorCode", **fields)

    def _subgraph(self, graph: Graph, outputs: list[int]) -> int:
        tensors = [self._tensor(tensor) for tensor in graph.tensors]
        operators = [self._operator(operator) for operator in graph.operators]
        return self._table(
            "SubGraph",
            Tensors=self._tables(tensors),
            Operators=self._tables(operators),
            Inputs=self._numbers(graph.inputs),
            Outputs=self._numbers(outputs),
            Name=self._text(graph.name),
        )

    def _signature(self, graph: Graph, outputs: list[int]) -> int:
        def names(tensors: list[int]) -> int:
            return self._tables(
                [self._table("TensorMap", Name=self._text(f"arg{t}"), TensorIndex=t) for t in tensors]
            )

        fields = {"Inputs": names(graph.inputs), "Outputs": names(outputs)}
        return self._table("SignatureDef", SignatureKey=self._text("serving_default"), **fields)

    def _tensor(self, tensor: TensorSpec) -> int:
        fields: dict[str, Any] = {"Name": self._text(tensor.name)}
        fields["Shape"] = self._numbers(tensor.shape)
        if tensor.signature:
            fields["ShapeSignature"] = self._numbers(tensor.signature)
        if tensor.scales:
            fields["Quantization"] = self._table(
                "QuantizationParameters",
                Scale=self._numbers(tensor.scales, "<f4"),
                ZeroPoint=self._numbers(tensor.zero_points, "<i8"),
                QuantizedDimension=tensor.axis,
            )
        fields["Type"] = getattr(tflite.TensorType, tensor.dtype.upper())
        fields["Buffer"] = 0
        if tensor.data is not None:
            fields["Buffer"] = len(self.buffers)
            self.buffers.append(self._buffer(tensor.data, tensor.external))
        return self._table("Tensor", **fields)

    def _operator(self, operator: OperatorSpec) -> int:
        code = (operator.name, operator.custom, operator.version or _VERSIONS.get(operator.name, 1))
        fields: dict[str, Any] = {
            "OpcodeIndex": self.codes.setdefault(code, len(self.codes)),
            "Inputs": self._numbers(operator.inputs),
            "Outputs": self._numbers(operator.outputs),
        }
        if operator.options:
            name, values = operator.options
            values = {k: self._numbers(v) if isinstance(v, list) else v for k, v in values.items()}
            fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, name)
            fields["BuiltinOptions"] = self._table(name, **values)
        return self._table("Operator", **fields)


# Known networks
