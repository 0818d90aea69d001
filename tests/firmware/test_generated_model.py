import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tflite_builder as built
from model_host import build_model
from plan_check import check_plan

from benchrunner.errors import ModelError, UnsupportedOperatorError
from benchrunner.firmware.compiled import compile_model
from benchrunner.firmware.generate import comment, generate
from benchrunner.model import Model, load_model, parse_model
from benchrunner.runtime import ORACLE, Interpreter
from benchrunner.zoo import list_models

BUILT: dict[str, Callable[[], bytes]] = {
    "small": built.small_cnn,
    "converted": lambda: built.fd_mobilenet(64, as_converted=True),
    "vww": built.visual_wake_words,
    "kws": built.keyword_spotting,
    "resnet": built.image_classification,
    "ad": built.anomaly_detection,
}
# Of the arena, inputs and outputs included. FdMobileNet: published for STM32Cube.AI (157.03, 56.16, 211.64
# and 74.23 KiB); the others: arenas of TensorFlow Lite Micro on the networks of MLPerf Tiny.
ACTIVATION_LIMITS = {
    "fdmobilenet_0.25_224_int8": 160_798,
    "fdmobilenet_0.25_224_uint8": 160_798,
    "fdmobilenet_0.25_128_int8": 57_507,
    "fdmobilenet_0.25_128_uint8": 57_507,
    "st_fdmobilenet_v1_224_int8": 216_719,
    "st_fdmobilenet_v1_224_uint8": 216_719,
    "st_fdmobilenet_v1_128_int8": 76_011,
    "st_fdmobilenet_v1_128_uint8": 76_011,
    "vww": 100_707,
    "kws": 22_819,
    "resnet": 54_995,
    "ad": 2_579,
}

# Microcontrollers run int8: the float twin of the trained network is for the host.
ZOO = [m.name for m in list_models() if "st_" not in m.name and m.input_type != "float32"]


def model_file(name: str) -> bytes:
    if name in BUILT:
        return BUILT[name]()
    return next(model.path for model in list_models() if model.name == name).read_bytes()


def inputs_for(data: bytes, count: int) -> list[bytes]:
    sizes = [tensor.size_bytes for tensor in Interpreter(data, ORACLE).inputs]
    return [np.random.default_rng(seed).bytes(sum(sizes)) for seed in range(count)]


@pytest.mark.parametrize("name", [*BUILT, *ZOO])
def test_the_generated_code_answers_as_the_oracle_does(name: str, tmp_path: Path) -> None:
    data = model_file(name)
    compiled = compile_model(parse_model(data, name))
    host = build_model(compiled, tmp_path)
    inputs = inputs_for(data, 1 if "224" in name else 3)
    oracle = Interpreter(data, ORACLE)
    expected = [b"".join(oracle.run([one])) for one in inputs]
    assert host.run(inputs, "run") == expected
    assert host.run(inputs, "layers") == expected  # dead memory is overwritten between the layers


def test_a_plan_that_lets_a_tensor_die_too_early_shows_in_the_outputs(tmp_path: Path) -> None:
    data = built.image_classification()
    compiled = compile_model(parse_model(data, "resnet"))
    victim = max((b for b in compiled.plan.buffers if b.last - b.first > 1), key=lambda b: b.last - b.first)
    shorter = tuple(
        dataclasses.replace(b, last=b.last - 1) if b is victim else b for b in compiled.plan.buffers
    )
    host = build_model(compiled, tmp_path, plan=dataclasses.replace(compiled.plan, buffers=shorter))
    (one,) = inputs_for(data, 1)
    expected = b"".join(Interpreter(data, ORACLE).run([one]))
    assert host.run([one], "run") == [expected]
    assert host.run([one], "layers") != [expected]


@pytest.mark.parametrize(("name", "limit"), ACTIVATION_LIMITS.items())
def test_activations_take_no_more_than_the_engines_to_beat(name: str, limit: int) -> None:
    compiled = compile_model(parse_model(model_file(name), name))
    check_plan(compiled.model.graph, compiled.layers, compiled.plan)
    assert compiled.plan.arena_bytes <= limit
    assert compiled.plan.optimal


def code_of(model: Model) -> dict[str, str]:
    compiled = compile_model(model)
    return generate(compiled.model, compiled.layers, compiled.plan, headers=["conv.h"]).files


def test_the_same_model_gives_the_same_bytes() -> None:
    data = built.small_cnn()
    assert code_of(parse_model(data, "m")) == code_of(parse_model(bytes(data), "m"))


def test_a_layer_is_a_function_that_says_what_it_is() -> None:
    code = code_of(parse_model(built.small_cnn(), "m"))["model.c"]
    assert "/* Layer 0, CONV_2D\n" in code
    assert re.search(r"static void layer_000_conv_2d\(void\)\n\{\n    layer_now = 1;\n    conv\w*\(", code)
    assert "    layer_000_conv_2d();\n    layer_001_depthwise_conv_2d();\n" in code
    assert "    NULL,\n" in code  # the reshape does nothing


def test_names_from_the_file_stay_harmless(tmp_path: Path) -> None:
    net = built.ModelBuilder(1)
    y = net.conv(net.input((1, 8, 8, 3)), 8)
    for tensor, name in zip(
        net.tensors,
        ("*/ #error x", "a\n#include <x>", "??/\n", "\\\n", "\x1b[31m", '"; system("x'),
        strict=False,
    ):
        tensor.name = name
    model = parse_model(net.finish(y), '*/ int main(void) {"\\')
    compiled = compile_model(model)
    code = "".join(code_of(model).values())
    for banned in ("#error", "??/", "\x1b", "system(", "include <x>", '{"'):
        assert banned not in code
    build_model(compiled, tmp_path)


def test_a_comment_cannot_be_left() -> None:
    assert comment("*/ a\nb \\") == "_/ a_b _"
    assert len(comment("x" * 1000)) == 60


def test_every_layer_that_the_engine_does_not_run_is_listed() -> None:
    net = built.ModelBuilder(1)
    x = net.conv(net.input((1, 8, 8, 3)), 8)
    for name in ("NON_MAX_SUPPRESSION_V4", "LSTM"):
        y = net.tensor((1, 8, 8, 8), scales=(0.1,), zero_points=(0,))
        net.operator(name, (x,), (y,))
        x = y
    with pytest.raises(UnsupportedOperatorError) as caught:
        compile_model(parse_model(net.finish(x), "m.tflite"))
    assert caught.value.message.startswith("m.tflite: the aot engine does not run 2 of 3 layers: ")
    assert "layer 1 NON_MAX_SUPPRESSION_V4: " in caught.value.message
    assert "layer 2 LSTM: " in caught.value.message
    assert "CONV_2D" in caught.value.hint


def test_a_model_in_floats_is_refused_as_such() -> None:
    net = built.ModelBuilder(1)
    x = net.input((1, 4), "float32")
    y = net.tensor((1, 4), "float32")
    net.operator("ADD", (x, x), (y,), ("AddOptions", {"FusedActivationFunction": 0}))
    with pytest.raises(UnsupportedOperatorError, match="all 1 layers compute in float32"):
        compile_model(parse_model(net.finish(y), "m"))


def test_an_open_height_is_refused_and_an_open_batch_is_not() -> None:
    def model(signature: tuple[int, ...]) -> Model:
        net = built.ModelBuilder(1)
        x = net.input((1, 8, 8, 3))
        net.tensors[x].signature = signature
        return parse_model(net.finish(net.conv(x, 8)), "m")

    assert compile_model(model((-1, 8, 8, 3))).plan.arena_bytes > 0
    with pytest.raises(ModelError, match="input 'input' leaves dimensions 0, 1 open"):
        compile_model(model((-1, -1, 8, 3)))


def test_per_channel_quantisation_of_an_activation_is_refused() -> None:
    net = built.ModelBuilder(1)
    x = net.input((1, 8, 8, 3))
    net.tensors[x].scales, net.tensors[x].zero_points = (0.1, 0.2, 0.3), (0, 0, 0)
    net.tensors[x].axis = 3
    with pytest.raises(UnsupportedOperatorError, match=r"layer 0 CONV_2D: .*one positive scale"):
        compile_model(parse_model(net.finish(net.conv(x, 8)), "m"))


def test_models_of_the_zoo_are_accepted_as_they_are() -> None:
    for entry in (model for model in list_models() if model.input_type != "float32"):
        assert compile_model(load_model(entry.path)).plan.inputs_overwritten
