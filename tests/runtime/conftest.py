"""A model of one operator: the adapter is tested without any model file."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tflite_builder import ModelBuilder


def one_operator_model(
    operator: str = "RELU", *, version: int = 1, custom: str = "", dtype: str = "float32"
) -> bytes:
    """`out = operator(in)`, both [1, 4], not quantised."""
    builder = ModelBuilder()
    source = builder.tensor((1, 4), dtype, name="in")
    target = builder.tensor((1, 4), dtype, name="out")
    builder.inputs.append(source)
    builder.operator(operator, [source], [target], version=version, custom=custom)
    return builder.finish(target)


@pytest.fixture
def build_model() -> Callable[..., bytes]:
    return one_operator_model
