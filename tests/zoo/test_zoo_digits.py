"""The trained networks: the files are those of the index, and their answers mean something."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from benchrunner.model import layer_costs, load_model
from benchrunner.runtime import ORACLE, Interpreter
from benchrunner.zoo import ZooModel, list_models

TRAINED = [model for model in list_models() if model.family == "Digits CNN"]
HELD_OUT = Path(__file__).parents[1] / "data" / "digits" / "test.npz"


def test_the_digits_networks_are_a_float_one_and_its_int8_twin() -> None:
    found = [(model.name, model.input_type, model.parameters, model.macs) for model in TRAINED]
    assert found == [
        ("digits_cnn_float", "float32", 6586, 52_224),
        ("digits_cnn_int8", "int8", 6586, 52_224),
    ]


@pytest.mark.parametrize("entry", TRAINED, ids=lambda model: model.name)
def test_the_file_is_the_one_that_the_index_of_trained_networks_describes(entry: ZooModel) -> None:
    data = entry.path.read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (entry.size_bytes, entry.sha256)
    assert len(data) < 50_000
    costs = layer_costs(load_model(entry.path))
    assert sum(cost.parameters for cost in costs) == entry.parameters
    assert sum(cost.weight_bytes for cost in costs) == entry.weight_bytes
    assert sum(cost.macs or 0 for cost in costs) == entry.macs
    interpreter = Interpreter(data, ORACLE)
    assert interpreter.inputs[0].shape == (1, 8, 8, 1)
    assert interpreter.inputs[0].dtype == interpreter.outputs[0].dtype == entry.input_type


def test_the_held_out_images_are_digits_that_the_training_did_not_see() -> None:
    with np.load(HELD_OUT, allow_pickle=False) as archive:
        x, y = archive["x"], archive["y"]
    assert (x.shape, x.dtype, y.shape) == ((540, 8, 8, 1), np.uint8, (540,))
    assert (x.min(), x.max()) == (0, 16)
    assert np.bincount(y).tolist() == [53, 53, 53, 53, 57, 56, 54, 54, 52, 55]
