"""MLPerf Tiny's networks on a host build with sanitizers: 0 LSB from the oracle on a hundred inputs each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tflite_builder as built
from model_host import build_model

from benchrunner.firmware.compiled import compile_model
from benchrunner.model import parse_model
from benchrunner.runtime import ORACLE, Interpreter, natural_input

INPUTS = 100
NETWORKS: dict[str, Callable[[], bytes]] = {
    "visual wake words": partial(built.visual_wake_words, features=True),
    "keyword spotting": built.keyword_spotting,
    "image classification": built.image_classification,
    "anomaly detection": built.anomaly_detection,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_hundred_inputs_give_the_answers_of_the_oracle(name: str, tmp_path: Path) -> None:
    data = NETWORKS[name]()
    oracle = Interpreter(data, ORACLE)
    (tensor,) = oracle.inputs
    noise = [np.random.default_rng(seed).bytes(tensor.size_bytes) for seed in range(INPUTS // 2)]
    inputs = [*(natural_input(tensor, seed) for seed in range(INPUTS // 2)), *noise]
    expected = [b"".join(oracle.run([one])) for one in inputs]
    # Else equality would say little. The autoencoder's narrow middle maps some inputs to the same.
    assert len(set(expected)) > 0.9 * INPUTS
    host = build_model(compile_model(parse_model(data, name)), tmp_path)
    assert host.run(inputs, "run") == expected
