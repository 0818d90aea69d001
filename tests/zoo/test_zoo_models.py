"""Every shipped file: that it is the published network, and that its outputs can tell a wrong one."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import cache

import numpy as np
import pytest

from benchrunner.model import layer_costs, load_model
from benchrunner.model.cost import model_cost
from benchrunner.networks import describe
from benchrunner.runtime import ORACLE, Interpreter, KernelSet, natural_input, seeded_input
from benchrunner.zoo import FOLDER, ZooModel, default_model, list_models

# Trained ones have a test of their own (test_zoo_digits.py).
SEEDED = [model for model in list_models() if model.family != "Digits CNN"]
every_model = pytest.mark.parametrize("model", SEEDED, ids=lambda model: model.name)

# family, alpha -> parameters, weight bytes, MACs by resolution
PUBLISHED = {
    ("FdMobileNet", "0.25"): (125_477, 131_396, {"128x128x3": 3_848_448, "224x224x3": 11_783_232}),
    ("ST FdMobileNet v1", "0.5-0.25"): (
        *(141_573, 148_404),
        {"128x128x3": 7_977_216, "224x224x3": 24_427_584},
    ),
    ("MobileNetV1", "0.25"): (211_621, 219_844, {"96x96x3": 7_490_432, "224x224x3": 40_775_552}),
    ("MobileNetV2", "0.05"): (49_797, 58_740, {"96x96x3": 4_132_864}),
    ("MobileNetV2", "0.1"): (88_869, 99_732, {"96x96x3": 4_667_968}),
    ("MobileNetV2", "0.35"): (
        *(395_493, 416_628),
        {"96x96x3": 10_660_528, "128x128x3": 18_947_072, "224x224x3": 58_012_208},
    ),
    ("FOMO", "0.05"): (8_818, 10_696, {"96x96x1": 3_495_168}),
    ("FOMO", "0.1"): (8_818, 10_696, {"96x96x1": 3_495_168}),
    ("FOMO", "0.35"): (18_138, 20_856, {"96x96x3": 5_868_288}),
    ("MobileNetV3 Small", "0.35"): (200_582, 211_133, {"96x96x3": 2_106_720}),
}
FD = [model for model in SEEDED if "FdMobileNet" in model.family]

# Family of the index -> name under which the package describes it. FdMobileNet's batch is open in the files.
FAMILY_OF = {
    "MobileNetV1": "mobilenet_v1",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3 Small": "mobilenet_v3_small",
    "FOMO": "fomo",
}
DESCRIBED = [model for model in SEEDED if model.family in FAMILY_OF]

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
    "mobilenet_v1_0.25_96_int8": "e782166cb75b5b42",
    "mobilenet_v1_0.25_224_int8": "db3d4a69285c3b88",
    "mobilenet_v2_0.05_96_int8": "532839140aad5547",
    "mobilenet_v2_0.1_96_int8": "59439c44abc07558",
    "mobilenet_v2_0.35_96_int8": "78d9c44895f39aad",
    "mobilenet_v2_0.35_128_int8": "91365d5cac445432",
    "mobilenet_v2_0.35_224_int8": "d0fb2300fd29fa2d",
    "fomo_0.05_grey_96_int8": "14adcb9915b26326",
    "fomo_0.1_grey_96_int8": "d9efec83d63fdded",
    "fomo_0.35_96_int8": "f7647c7f90c309c9",
    "mobilenet_v3_small_0.35_96_int8": "5bf51662a0c1d476",
}


@cache
def interpreter(model: ZooModel, kernels: KernelSet) -> Interpreter:
    return Interpreter(model.path.read_bytes(), kernels)


def test_the_zoo_has_every_network_at_its_resolutions_and_fdmobilenet_in_both_variants() -> None:
    found = [(m.family, m.alpha, m.resolution, m.input_type) for m in SEEDED]
    expected = {
        (*network, resolution, variant)
        for network, (_, _, macs) in PUBLISHED.items()
        for resolution in macs
        for variant in (("int8", "uint8") if "FdMobileNet" in network[0] else ("int8",))
    }
    assert set(found) == expected
    assert len(found) == len(expected) == 19


def test_one_model_is_the_default_and_it_is_the_smallest_fdmobilenet() -> None:
    (default,) = (model for model in list_models() if model.default)
    assert default_model() == default.name == "fdmobilenet_0.25_128_int8"
    assert default.macs == min(model.macs for model in FD)


def test_the_shipped_files_stay_small() -> None:
    assert sum(model.size_bytes for model in list_models()) < 6_000_000


@pytest.mark.parametrize("model", DESCRIBED, ids=lambda model: model.name)
def test_the_file_is_the_network_that_the_package_describes(model: ZooModel) -> None:
    height, _, channels = (int(size) for size in model.resolution.split("x"))
    described = describe(FAMILY_OF[model.family], float(model.alpha), height, channels=channels)
    found = load_model(model.path)
    assert found.graph_sha256 == described.graph_sha256
    assert model_cost(found).live == model_cost(described).live


def test_fomo_at_alpha_0_05_and_0_1_is_one_network_with_other_weights() -> None:
    small, large = (load_model(FOLDER / f"fomo_{alpha}_grey_96_int8.tflite") for alpha in ("0.05", "0.1"))
    assert small.graph_sha256 == large.graph_sha256
    assert small.sha256 != large.sha256


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
    grid = (12, 12) if model.family == "FOMO" else ()
    assert (probabilities.shape, probabilities.dtype) == ((1, *grid, model.classes), model.output_type)
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
    parameters, weight_bytes, macs = PUBLISHED[model.family, model.alpha]
    assert counted == (parameters, weight_bytes, macs[model.resolution])
    assert (model.parameters, model.weight_bytes, model.macs) == counted


@pytest.mark.parametrize("model", FD, ids=lambda model: model.name)
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
    weighted = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    convolutions = [operator for operator in graph.operators if operator.name in weighted]
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
    cells = np.frombuffer(b"".join(outputs), loaded.outputs[0].dtype).reshape(-1, model.classes)
    winners = Counter(cells.argmax(axis=1).tolist())
    assert len(set(outputs)) >= 40
    assert len(winners) >= min(3, model.classes)


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
        # MobileNetV2's blocks add without an activation, so that it grows further.
        assert difference_lsb <= (80 if model.family in ("MobileNetV2", "FOMO") else 20)
