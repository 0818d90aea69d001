"""Every shipped file: that it is the published network, and that its outputs can tell a wrong one."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import cache

import numpy as np
import pytest

from benchrunner.model import layer_costs, load_model
from benchrunner.runtime import ORACLE, Interpreter, KernelSet, natural_input, seeded_input
from benchrunner.zoo import FOLDER, ZooModel, default_model, list_models

# Trained ones have a test of their own (test_zoo_digits.py).
SEEDED = [model for model in list_models() if model.family != "Digits CNN"]
every_model = pytest.mark.parametrize("model", SEEDED, ids=lambda model: model.name)

# reference counts: parameters, weight bytes, MACs at 128 and at 224
PUBLISHED = {
    "FdMobileNet": (125_477, 131_396, {"128x128x3": 3_848_448, "224x224x3": 11_783_232}),
    "ST FdMobileNet v1": (141_573, 148_404, {"128x128x3": 7_977_216, "224x224x3": 24_427_584}),
}

# of the outputs of four natural images and four of noise
ORACLE_OUTPUTS = {
    "fdmobilenet_0.25_128_int8": "a7f36ae21bbb85a5",
    "fdmobilenet_0.25_128_uint8": "022b336ed56b078f",
    "fdmobilenet_0.25_224_int8": "13f164c1992ab0a3",
    "fdmobilenet_0.25_224_uint8": "85ae1ba67756e86a",
    "st_fdmobilenet_v1_128_int8": "2cb393266c0db98e",
    "st_fdmobilenet_v1_128_uint8": "f0a9065cec361c2a",
    "st_fdmobilenet_v1_224_int8": "d6807339a8beb01a",
    "st_fdmobilenet_v1_224_uint8": "b043fcb1501eceff",
}


@cache
def interpreter(model: ZooModel, kernels: KernelSet) -> Interpreter:
    return Interpreter(model.path.read_bytes(), kernels)


def test_the_zoo_has_both_networks_at_both_resolutions_in_both_variants() -> None:
    found = {(model.family, model.resolution, model.input_type) for model in SEEDED}
    expected = {(f, r, t) for f in PUBLISHED for r in ("128x128x3", "224x224x3") for t in ("int8", "uint8")}
    assert found == expected
    assert len(SEEDED) == 8


def test_one_model_is_the_default_and_it_is_the_smallest() -> None:
    (default,) = (model for model in list_models() if model.default)
    assert default_model() == default.name == "fdmobilenet_0.25_128_int8"
    assert default.macs == min(model.macs for model in SEEDED)


def test_every_file_of_the_folder_is_in_the_index() -> None:
    assert sorted(FOLDER.glob("*.tflite")) == sorted(model.path for model in list_models())


@every_model
def test_the_file_is_the_one_that_the_index_describes(model: ZooModel) -> None:
    data = model.path.read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (model.size_bytes, model.sha256)
    loaded = interpreter(model, ORACLE)
    (image,), (probabilities,) = loaded.inputs, loaded.outputs
    assert "x".join(str(size) for size in image.shape[1:]) == model.resolution
    assert image.dtype == model.input_type
    assert (probabilities.shape, probabilities.dtype) == ((1, model.classes), model.output_type)
    zero_point = -128 if model.input_type == "int8" else 0
    assert (image.scale, image.zero_point) == (pytest.approx(1 / 255), zero_point)


@every_model
def test_the_file_is_the_published_network(model: ZooModel) -> None:
    network = load_model(model.path)
    costs = layer_costs(network)
    counted = (
        sum(cost.parameters for cost in costs),
        sum(cost.weight_bytes for cost in costs),
        sum(cost.macs or 0 for cost in costs),
    )
    parameters, weight_bytes, macs = PUBLISHED[model.family]
    assert counted == (parameters, weight_bytes, macs[model.resolution])
    assert (model.parameters, model.weight_bytes, model.macs) == counted


@every_model
def test_the_operators_are_those_of_the_published_file(model: ZooModel) -> None:
    names = [operator.name for operator in load_model(model.path).graph.operators]
    reshape = ["SHAPE", "STRIDED_SLICE", "PACK", "RESHAPE"]
    body = [
        *(["CONV_2D"] + ["DEPTHWISE_CONV_2D", "CONV_2D"] * 11),
        *["MEAN", *reshape, "CONV_2D", "SOFTMAX", *reshape],
    ]
    if model.input_type == "uint8":
        assert names == ["QUANTIZE", *body, "DEQUANTIZE"]
        assert len(names) == 36
    else:
        assert names == body


@every_model
def test_weights_are_quantised_per_channel(model: ZooModel) -> None:
    graph = load_model(model.path).graph
    convolutions = [operator for operator in graph.operators if operator.name.endswith("CONV_2D")]
    scales = []
    for operator in convolutions:
        weights = graph.tensors[operator.inputs[1]]
        assert weights.dtype == "int8"
        assert weights.quantisation is not None
        assert set(weights.quantisation.zero_points) == {0}
        scales.append(len(weights.quantisation.scales))
    channels = [graph.tensors[operator.outputs[0]].shape[-1] for operator in convolutions]
    assert scales == channels


@every_model
def test_different_inputs_get_different_answers(model: ZooModel) -> None:
    # A network that says the same to everything would hide a wrong kernel.
    loaded = interpreter(model, ORACLE)
    image = loaded.inputs[0]
    inputs = [make(image, seed) for seed in range(25) for make in (natural_input, seeded_input)]
    outputs = [loaded.run([data])[0] for data in inputs]
    winners = Counter(int(np.argmax(np.frombuffer(out, loaded.outputs[0].dtype))) for out in outputs)
    assert len(set(outputs)) >= 40
    assert len(winners) >= 3


@every_model
def test_the_oracle_gives_the_same_bytes_with_every_runtime(model: ZooModel) -> None:
    # These tests run with LiteRT and with tflite-runtime; the hashes hold for both.
    loaded = interpreter(model, ORACLE)
    digest = hashlib.sha256()
    for seed in range(4):
        for make in (natural_input, seeded_input):
            digest.update(loaded.run([make(loaded.inputs[0], seed)])[0])
    assert digest.hexdigest()[:16] == ORACLE_OUTPUTS[model.name]


@every_model
@pytest.mark.parametrize("kernels", [KernelSet.BUILTIN, KernelSet.XNNPACK])
def test_the_other_kernel_sets_agree_but_for_the_last_bits(model: ZooModel, kernels: KernelSet) -> None:
    oracle, other = interpreter(model, ORACLE), interpreter(model, kernels)
    dtype = oracle.outputs[0].dtype
    for seed in range(3):
        data = natural_input(oracle.inputs[0], seed)
        expected = np.frombuffer(oracle.run([data])[0], dtype).astype(float)
        found = np.frombuffer(other.run([data])[0], dtype).astype(float)
        # In steps of the probability, 1/256. One rounding in the first layers grows on its way to the end.
        difference_lsb = np.abs(expected - found).max() * (1 if dtype == "int8" else 256)
        assert difference_lsb <= 20
