from collections.abc import Sequence
from typing import Any

import pytest
import tflite_builder as built
from tflite_builder import ModelBuilder

from benchrunner.model import parse_model


def fingerprint(data: bytes) -> str:
    return parse_model(data, "built.tflite").graph_sha256


def test_other_weights_and_scales_are_the_same_network() -> None:
    first, second = built.small_cnn(seed=1), built.small_cnn(seed=2)
    assert first != second
    assert fingerprint(first) == fingerprint(second)


def network(
    *,
    first_unused: bool = False,
    names: str = "t",
    stride: int = 1,
    activation: str = "RELU",
    perm: Sequence[int] = (0, 2, 1, 3),
    channels: int = 4,
    dtype: str = "int8",
    per_axis: bool = True,
) -> bytes:
    net = ModelBuilder()
    if first_unused:
        net.constant([1, 2, 3])
    y = net.conv(net.input((1, 4, 4, 2), dtype), channels, stride=stride, activation=activation)
    if not per_axis:
        for tensor in net.tensors:
            tensor.scales, tensor.zero_points = tensor.scales[:1], tensor.zero_points[:1]
    z = net.tensor(net.tensors[y].shape)
    net.operator("TRANSPOSE", (y, net.constant(list(perm))), (z,))
    for index, tensor in enumerate(net.tensors):
        tensor.name = f"{names}{index}"
    return net.finish(z)


@pytest.mark.parametrize("change", [{"first_unused": True}, {"names": "other"}])
def test_names_and_numbering_do_not_make_another_network(change: dict[str, Any]) -> None:
    assert network(**change) != network()
    assert fingerprint(network(**change)) == fingerprint(network())


@pytest.mark.parametrize(
    "change",
    [
        {"stride": 2},
        {"activation": "RELU6"},
        {"perm": (0, 1, 2, 3)},
        {"channels": 5},
        {"dtype": "uint8"},
        {"per_axis": False},
    ],
)
def test_another_operator_shape_type_or_granularity_is_another_network(change: dict[str, Any]) -> None:
    assert fingerprint(network(**change)) != fingerprint(network())


def test_the_resolution_makes_another_network() -> None:
    assert fingerprint(built.fd_mobilenet(128)) != fingerprint(built.fd_mobilenet(224))
