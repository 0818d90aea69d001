"""From the bytes of a `.tflite` file to a `Model`; whatever the bytes are, only `ModelError` comes out."""

from __future__ import annotations

import hashlib
import math
import stat
from itertools import zip_longest
from pathlib import Path, PurePath

from benchrunner.errors import ModelError
from benchrunner.model.fingerprint import graph_sha256
from benchrunner.model.flatbuffer import Source, Table, root
from benchrunner.model.foreign import not_a_model
from benchrunner.model.graph import (
    DTYPE_BITS,
    WEIGHTED,
    Graph,
    Model,
    Operator,
    OptionValue,
    Quantisation,
    Tensor,
)
from benchrunner.model.schema import IDENTIFIER, OPTIONS, enum_names

FILE_LIMIT_BYTES = 256 << 20  # ten times the largest network that any supported board was seen to run
_TENSOR_LIMIT_BYTES = 1 << 40
_RANK_LIMIT = 16  # the runtime's kernels stop at 8
_SCHEMA_VERSION = 3
_SCALE_RANGE = (1e-20, 1e20)  # of activations; runtimes abort where a ratio of scales overflows
_RECURRENT = ("LSTM", "RNN", "SVDF")  # operators with optional inputs in the middle
_PLACEHOLDER_OFFSET = 1  # "filled in later" in the buffer's offset field


def load_model(path: Path) -> Model:
    """Read the model file at `path`.

    Raises `ModelError`, which names the file and the layer or tensor, when it cannot be read, is larger than
    `FILE_LIMIT_BYTES`, is not a TensorFlow Lite file, or breaks the format anywhere.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise not_a_model(str(path), b"", folder=True)
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            raise ModelError(f"{path}: not a regular file", hint="give the path of a .tflite file")
        with path.open("rb") as file:
            data = file.read(min(status.st_size, FILE_LIMIT_BYTES) + 1)
    except OSError as error:
        raise ModelError(
            f"{path}: {error.strerror or error}", hint="give the path of a .tflite file"
        ) from error
    return parse_model(data, str(path))


def parse_model(data: bytes, name: str) -> Model:
    """Read a model from `data`; `name` stands for the file in errors. Raises as `load_model` does."""
    if len(data) > FILE_LIMIT_BYTES:
        raise ModelError(f"{name}: larger than {FILE_LIMIT_BYTES >> 20} MiB, the limit for a model file")
    if data[4:8] != IDENTIFIER:
        raise not_a_model(name, data[:1024])
    source = Source(data, name)
    model = root(source)
    version = model.integer(0, "I")
    if version != _SCHEMA_VERSION:
        raise source.error("header", f"schema version {version}, expected {_SCHEMA_VERSION}")
    codes = [_operator_code(table) for table in model.tables(1, "operator code")]
    buffers = [_buffer(table) for table in model.tables(4, "buffer")]
    subgraphs = model.tables(2, "subgraph")
    if not subgraphs:
        raise source.error("subgraphs", "the file holds no graph")
    # The others are not analysed. They are read all the same: a runtime that gets this file reads them too.
    graph, *others = [_graph(table, codes, buffers) for table in subgraphs]
    _check_index(model)
    return Model(
        name=PurePath(name).name.removesuffix(".tflite"),
        source=name,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        description=model.text(3),
        graph=graph,
        graph_sha256=graph_sha256(graph),
        other_subgraphs=tuple(
            f"{other.name or f'subgraph {index}'} ({len(other.operators)} operators)"
            for index, other in enumerate(others, start=1)
        ),
    )


def _check_index(model: Table) -> None:
    """Read what only runtimes use: metadata, and the signatures' names of inputs and outputs."""
    for metadata in model.tables(6, "metadata"):
        metadata.text(0)
        metadata.integer(1, "I")
    for signature in model.tables(7, "signature"):
        for entry in (*signature.tables(0, "signature input"), *signature.tables(1, "signature output")):
            entry.text(0)
            entry.integer(1, "I")
        signature.text(2)
        signature.integer(4, "I")


def _operator_code(table: Table) -> tuple[str, int]:
    """Name and version. The code moved from an 8-bit field to a wider one; the larger value holds."""
    value = max(table.integer(0, "b"), table.integer(3, "i"))
    name = enum_names("BuiltinOperator").get(value, f"BUILTIN_{value}")
    if name == "CUSTOM":
        name = f"CUSTOM:{table.text(1)}"
    return name, table.integer(2, "i", 1)


def _buffer(table: Table) -> memoryview:
    """The content of a buffer: inside its table, or behind the tables at an offset from the file's start."""
    offset, size = table.integer(1, "Q"), table.integer(2, "Q")
    if offset <= _PLACEHOLDER_OFFSET:
        return table.octets(0)
    data = table.source.data
    if offset + size > len(data):
        raise table.error(f"{size} bytes at {offset} leave the file's {len(data)} bytes")
    return memoryview(data)[offset : offset + size]


def _graph(table: Table, codes: list[tuple[str, int]], buffers: list[memoryview]) -> Graph:
    tensors = tuple(_tensor(index, entry, buffers) for index, entry in enumerate(table.tables(0, "tensor")))
    inputs, outputs = table.integers(1, "i"), table.integers(2, "i")
    for index in (*inputs, *outputs):
        if not 0 <= index < len(tensors):
            raise table.error(f"an input or output is tensor {index}; the graph has {len(tensors)} tensors")
    operators = []
    # What may be read: as the runtime's own verifier has it, nothing is read before it is written.
    ready = {t.index for t in tensors if t.constant or t.variable or DTYPE_BITS[t.dtype] == 0} | {*inputs}
    for index, entry in enumerate(table.tables(3, "layer")):
        operator = _operator(index, entry, codes, len(tensors))
        entry.where = f"layer {index} {operator.name}"
        for position, read in enumerate(operator.inputs):
            if read < 0 and not _optional(operator.name, position):
                raise entry.error(f"input {position} is missing")
            if read >= 0 and read not in ready:
                raise entry.error(f"reads tensor {read} {tensors[read].name!r}, which nothing has written")
        for written in operator.outputs:
            if tensors[written].constant:
                raise entry.error(f"writes tensor {written} {tensors[written].name!r}, a constant")
        ready.update(operator.outputs)
        operators.append(operator)
    return Graph(table.text(4), tensors, tuple(operators), inputs, outputs)


def _optional(operator: str, position: int) -> bool:
    """Whether this input may be left out: a bias, and what is not known here."""
    if operator in WEIGHTED:
        return position == WEIGHTED[operator][-1]
    return operator.startswith(("CUSTOM:", "BUILTIN_")) or any(part in operator for part in _RECURRENT)


def _tensor(index: int, table: Table, buffers: list[memoryview]) -> Tensor:
    name = table.text(3)
    table.where = f"tensor {index} {name!r}"
    code = table.integer(1, "b")
    dtype = enum_names("TensorType").get(code, "").lower()
    if dtype not in DTYPE_BITS:
        raise table.error(f"data type {code} is not one that this program knows")
    stored_shape = table.integers(0, "i")
    if len(stored_shape) > _RANK_LIMIT:
        raise table.error(f"{len(stored_shape)} dimensions, the limit is {_RANK_LIMIT}")
    if min(stored_shape, default=0) < -1:
        raise table.error(f"shape {stored_shape} has a negative dimension")
    shape = tuple(1 if size == -1 else size for size in stored_shape)
    if math.prod(shape) * 16 > _TENSOR_LIMIT_BYTES:
        raise table.error(f"shape {shape} has more elements than any board holds")
    buffer = table.integer(2, "I")
    if buffer and buffer >= len(buffers):
        raise table.error(f"uses buffer {buffer}; the file has {len(buffers)} buffers")
    content = buffers[buffer] if buffer else memoryview(b"")
    tensor = Tensor(
        index=index,
        name=name,
        shape=shape,
        dtype=dtype,
        quantisation=_quantisation(table, shape),
        data=content if len(content) or 0 in shape else None,
        dynamic=-1 in stored_shape or -1 in table.integers(7, "i"),
        variable=bool(table.integer(5, "?")),
        sparse=table.has(6),
        open_axes=tuple(
            axis
            for axis, sizes in enumerate(zip_longest(stored_shape, table.integers(7, "i")))
            if -1 in sizes
        ),
    )
    expected = -(-tensor.elements * DTYPE_BITS[dtype] // 8)
    low, high = _SCALE_RANGE
    if tensor.quantisation and not tensor.constant:
        for scale in tensor.quantisation.scales:
            if not low < scale < high:
                raise table.error(f"quantisation scale {scale} of an activation is not a usable number")
    if len(content) not in (0, expected) and not tensor.sparse and DTYPE_BITS[dtype]:
        raise table.error(f"{dtype} of shape {shape} takes {expected} bytes, its buffer has {len(content)}")
    return tensor


def _quantisation(table: Table, shape: tuple[int, ...]) -> Quantisation | None:
    parameters = table.table(4, table.where)
    if parameters is None:
        return None
    scales, zero_points = parameters.reals(2), parameters.integers(3, "q")
    if not scales:
        return None
    if not all(math.isfinite(scale) and scale >= 0 for scale in scales):
        raise table.error("a quantisation scale is negative or not a number")
    axis = parameters.integer(6, "i")
    if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
        raise table.error(f"{len(scales)} quantisation scales along axis {axis} of shape {shape}")
    if len(zero_points) not in (0, 1, len(scales)):
        raise table.error(f"{len(zero_points)} zero points for {len(scales)} scales")
    if len(zero_points) < len(scales):  # none given stands for 0, one for all
        zero_points = (zero_points or (0,)) * len(scales)
    return Quantisation(scales, zero_points, axis)


def _operator(index: int, table: Table, codes: list[tuple[str, int]], tensors: int) -> Operator:
    code = table.integer(0, "I")
    if code >= len(codes):
        raise table.error(f"uses operator code {code}; the file has {len(codes)}")
    name, version = codes[code]
    table.where = f"layer {index} {name}"
    inputs, outputs = table.integers(1, "i"), table.integers(2, "i")
    for tensor, lowest in (*((i, -1) for i in inputs), *((i, 0) for i in outputs)):
        if not lowest <= tensor < tensors:
            raise table.error(f"uses tensor {tensor}; the graph has {tensors} tensors")
    kind = table.integer(3, "B")
    options_type = enum_names("BuiltinOptions").get(kind, f"options {kind}")
    options = table.table(4, table.where) if kind else None
    opaque = bytes(table.octets(5))
    table.source.charge(len(opaque), table.where)
    if options is None:
        return Operator(index, name, version, inputs, outputs, {}, opaque)
    if options_type not in OPTIONS:
        opaque += options_type.encode() + options.inline_bytes()
        return Operator(index, name, version, inputs, outputs, {}, opaque)
    return Operator(index, name, version, inputs, outputs, _options(options_type, options), opaque)


def _options(options_type: str, table: Table) -> dict[str, OptionValue]:
    found: dict[str, OptionValue] = {}
    for field in OPTIONS[options_type]:
        name, slot, kind = field[:3]
        if kind == "f":
            found[name] = table.real(slot)
        elif kind == "*i":
            found[name] = table.integers(slot, "i")
        elif len(kind) == 1:
            found[name] = table.integer(slot, kind, *field[3:])
        else:
            value = table.integer(slot, "b")
            names = enum_names(kind)
            if value not in names:
                raise table.error(f"{name} {value} is not one that this program knows")
            found[name] = names[value]
    return found
