import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite
import tflite_builder as built
from tflite_builder import ModelBuilder

from benchrunner.errors import ExitStatus, ModelError
from benchrunner.model import Model, parse_model
from benchrunner.model.reader import load_model
from benchrunner.model.schema import OPTIONS, enum_names


def read(data: bytes) -> Model:
    return parse_model(data, "models/built.tflite")


def test_a_model_says_where_it_came_from_and_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "tiny.net.tflite"
    path.write_bytes(built.small_cnn())
    model = load_model(path)
    assert (model.name, model.source) == ("tiny.net", str(path))
    assert model.sha256 == hashlib.sha256(built.small_cnn()).hexdigest()
    assert model.size_bytes == len(built.small_cnn())
    assert model.description == "built by a test"
    assert [operator.name for operator in model.graph.operators] == [
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "CONV_2D",
        "CONV_2D",
        "ADD",
        "AVERAGE_POOL_2D",
        "RESHAPE",
        "FULLY_CONNECTED",
        "SOFTMAX",
    ]


def test_tensors_carry_shape_type_quantisation_and_data() -> None:
    net = ModelBuilder()
    x = net.input((1, 5, 5, 2), "uint8")
    data = np.arange(2 * 3 * 3 * 2, dtype=np.int8).reshape(2, 3, 3, 2)
    weights = net.constant(data, "int8", name="w", scales=(0.5, 0.25), zero_points=(0, 0), axis=0)
    y = net.tensor((1, 5, 5, 2), name="y", scales=(2.0,), zero_points=(-3,))
    net.operator("CONV_2D", (x, weights, -1), (y,), built.conv_options(1, "SAME", "RELU6"))
    graph = read(net.finish(y)).graph
    source, constant, result = graph.tensors
    assert (source.name, source.shape, source.dtype) == ("input", (1, 5, 5, 2), "uint8")
    assert source.data is None
    assert source.size_bytes == 50
    assert constant.data is not None
    assert bytes(constant.data) == data.tobytes()
    assert constant.quantisation is not None
    assert constant.quantisation.scales == (0.5, 0.25)
    assert constant.quantisation.per_axis
    assert result.quantisation is not None
    assert (result.quantisation.scales, result.quantisation.zero_points) == ((2.0,), (-3,))
    operator = graph.operators[0]
    assert operator.inputs == (x, weights, -1)
    assert dict(operator.options) == {
        "padding": "SAME",
        "stride_w": 1,
        "stride_h": 1,
        "activation": "RELU6",
        "dilation_w": 1,
        "dilation_h": 1,
    }
    assert (graph.inputs, graph.outputs) == ((x,), (y,))


def written_fields(table: str) -> dict[str, str]:
    """Fields that the generated code of the schema writes: name in lower case -> name there."""
    prefix = f"{table}Add"
    names = (name.removeprefix(prefix) for name in dir(tflite) if name.startswith(prefix))
    return {name.lower(): name for name in names}


_SPELLED = {
    "activation": "fused_activation_function",
    "filter_w": "filter_width",
    "filter_h": "filter_height",
    "dilation_w": "dilation_w_factor",
    "dilation_h": "dilation_h_factor",
    "dilation_d": "dilation_d_factor",
}
_WRITTEN: dict[str, tuple[Any, Any]] = {  # type of a field -> value to write, value to read
    "i": (5, 5),
    "b": (1, 1),
    "?": (True, 1),
    "f": (0.5, 0.5),
    "*i": ([4, 5], (4, 5)),
    "Padding": (1, "VALID"),
    "ActivationFunctionType": (3, "RELU6"),
    "TensorType": (9, "INT8"),
    "MirrorPadMode": (1, "SYMMETRIC"),
}


@pytest.mark.parametrize("table", OPTIONS)
def test_every_option_is_read_where_the_schema_has_it(table: str) -> None:
    fields = written_fields(table)
    spelled = {name: fields[_SPELLED.get(name, name).replace("_", "")] for name, *_ in OPTIONS[table]}
    net = ModelBuilder()
    x = net.input((1, 4))
    values = {spelled[name]: _WRITTEN[kind][0] for name, _, kind, *_ in OPTIONS[table]}
    net.operator("RELU", (x,), (net.tensor((1, 4)),), (table, values))
    net.operator("RELU", (x,), (net.tensor((1, 4)),), (table, {}))
    full, empty = read(net.finish(1)).graph.operators
    assert full.options == {name: _WRITTEN[kind][1] for name, _, kind, *_ in OPTIONS[table]}
    for name, _, kind, *default in OPTIONS[table]:
        expected: Any = default[0] if default else 0
        if kind == "*i":
            expected = ()
        elif len(kind) > 1:
            expected = enum_names(kind)[0]
        assert empty.options[name] == expected


def test_operator_names_are_those_of_the_schema() -> None:
    names = enum_names("BuiltinOperator")
    assert names[tflite.BuiltinOperator.CONV_2D] == "CONV_2D"
    assert names[tflite.BuiltinOperator.STABLEHLO_COMPOSITE] == "STABLEHLO_COMPOSITE"


def test_data_behind_the_tables_are_found() -> None:
    inside, behind = ModelBuilder(), ModelBuilder()
    files = []
    for net in (inside, behind):
        y = net.conv(net.input((1, 4, 4, 2)), 4)
        for tensor in net.tensors:
            tensor.external = net is behind
        files.append(read(net.finish(y)))
    first, second = (tuple(t.data for t in file.graph.tensors) for file in files)
    assert first == second
    assert files[0].graph_sha256 == files[1].graph_sha256


def test_the_main_graph_is_read_and_the_others_are_named() -> None:
    net, body = ModelBuilder(), ModelBuilder(name="while_body")
    body.softmax(body.input((1, 4)))
    model = read(net.finish(net.softmax(net.input((1, 3))), others=[body]))
    assert model.other_subgraphs == ("while_body (1 operators)",)
    assert model.graph.tensors[0].shape == (1, 3)


def test_another_subgraph_must_be_sound_too() -> None:
    net, body = ModelBuilder(), ModelBuilder(name="while_body")
    body.operator("SOFTMAX", (body.input((1, 4)),), (7,))
    with pytest.raises(ModelError, match="layer 0 SOFTMAX: uses tensor 7; the graph has 1 tensors"):
        read(net.finish(net.softmax(net.input((1, 3))), others=[body]))


def test_an_open_dimension_counts_as_one() -> None:
    net = ModelBuilder()
    x = net.tensor((-1, 4))
    y = net.tensor((1, 4), signature=(-1, 4))
    net.operator("SOFTMAX", (x,), (y,))
    net.inputs.append(x)
    tensors = read(net.finish(y)).graph.tensors
    assert [t.shape for t in tensors] == [(1, 4), (1, 4)]
    assert all(t.dynamic for t in tensors)


def test_names_cannot_drive_a_terminal() -> None:
    net = ModelBuilder()
    x = net.tensor((1,), name="a\x1b[31mb\nc")
    assert read(net.finish(x)).graph.tensors[0].name == "a\\x1b[31mb\\nc"


def wrong(**fields: Any) -> bytes:
    """A model whose tensor 0 is `fields`, read by a layer."""
    net = ModelBuilder()
    net.tensor(**({"shape": (2, 2), "name": "it"} | fields))
    net.inputs.append(0)
    net.operator("SOFTMAX", (0,), (net.tensor((2, 2)),))
    return net.finish(1)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (wrong(shape=(2, -2)), r"tensor 0 'it': shape \(2, -2\) has a negative dimension"),
        (wrong(shape=(1,) * 17), "tensor 0 'it': 17 dimensions, the limit is 16"),
        (wrong(shape=(1 << 20,) * 3), "tensor 0 'it': shape .* more elements than any board holds"),
        (wrong(data=b"abc"), "int8 of shape .2, 2. takes 4 bytes, its buffer has 3"),
        (
            wrong(scales=(1.0,) * 3, zero_points=(0,) * 3),
            r"3 quantisation scales along axis 0 of shape \(2, 2",
        ),
        (wrong(scales=(1.0,) * 2, zero_points=(0,) * 2, axis=2), "2 quantisation scales along axis 2"),
        (wrong(scales=(float("nan"),), zero_points=(0,)), "scale is negative or not a number"),
        (wrong(scales=(1e-45,), zero_points=(0,)), "scale 1.4.*e-45 of an activation is not a usable number"),
        (wrong(scales=(-1.0,), zero_points=(0,)), "scale is negative or not a number"),
        (wrong(scales=(1.0,), zero_points=(0,) * 2), "2 zero points for 1 scales"),
    ],
)
def test_an_impossible_tensor_is_named(data: bytes, problem: str) -> None:
    with pytest.raises(ModelError, match=problem) as caught:
        read(data)
    assert caught.value.message.startswith("models/built.tflite: tensor 0 'it': ")
    assert caught.value.exit_status is ExitStatus.USAGE


@pytest.mark.parametrize(
    ("inputs", "outputs", "problem"),
    [
        ((9,), (1,), "layer 0 SOFTMAX: uses tensor 9; the graph has 3 tensors"),
        ((-1,), (1,), "layer 0 SOFTMAX: input 0 is missing"),
        ((0,), (-1,), "layer 0 SOFTMAX: uses tensor -1; the graph has 3 tensors"),
        ((1,), (1,), "layer 0 SOFTMAX: reads tensor 1 't1', which nothing has written"),
        ((0,), (2,), "layer 0 SOFTMAX: writes tensor 2 't2', a constant"),
    ],
)
def test_an_impossible_layer_is_named(
    inputs: tuple[int, ...], outputs: tuple[int, ...], problem: str
) -> None:
    net = ModelBuilder()
    net.input((1,)), net.tensor((1,)), net.constant([1])
    net.operator("SOFTMAX", inputs, outputs)
    with pytest.raises(ModelError, match=problem):
        read(net.finish(0))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"TFL3", "a file of 4 bytes"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "a Keras or HDF5 file"),
        (b"PK\x03\x04" + bytes(64), "a zip archive: a .keras file"),
        (b"\x08\x08\x12\x07pytorch" + bytes(64), "an ONNX model"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html>", "an HTML or XML page"),
        (b"\x1c\0\0\0TFL2" + bytes(64), "bytes 4 to 8 are b'TFL2' where b'TFL3' belongs"),
    ],
)
def test_a_file_of_another_kind_is_recognised(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "other.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert caught.value.message.startswith(f"{path}: not a TensorFlow Lite model: {found}")
    assert caught.value.hint


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a TensorFlow Lite model: a folder"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match=r"missing.tflite: No such file or directory"):
        load_model(tmp_path / "missing.tflite")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match="pipe: not a regular file"):
        load_model(tmp_path / "pipe")


def test_a_huge_file_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.tflite"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ModelError, match="larger than 256 MiB"):
        load_model(path)


def test_another_schema_version_is_refused() -> None:
    data = bytearray(built.small_cnn())
    root = int.from_bytes(data[:4], "little")
    vtable = root - int.from_bytes(data[root : root + 4], "little", signed=True)
    field = root + int.from_bytes(data[vtable + 4 : vtable + 6], "little")
    data[field] = 4
    with pytest.raises(ModelError, match="header: schema version 4, expected 3"):
        read(bytes(data))
