"""The same network with another input or its padding apart: computed, and equal to what is drawn anew."""

from __future__ import annotations

import numpy as np
import pytest
import tflite_builder as built

from benchrunner.errors import ModelError
from benchrunner.firmware.compiled import compile_model
from benchrunner.firmware.fold import fold
from benchrunner.model import Model, load_model, parse_model
from benchrunner.model.cost import model_cost
from benchrunner.model.memory import live_memory
from benchrunner.networks import FAMILIES, describe
from benchrunner.networks.variants import expansion_fused, padding_apart, resized
from benchrunner.zoo import resolve_model


def shipped(name: str) -> Model:
    return fold(load_model(resolve_model(name)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [(64, 64, 1), (160, 160, 3), (33, 33, 3)])
def test_a_resized_network_is_the_one_drawn_at_that_size(family: str, size: tuple[int, int, int]) -> None:
    found = resized(describe(family, 0.25, 96), *size)
    drawn = describe(family, 0.25, size[0], channels=size[2])
    assert found.graph_sha256 == drawn.graph_sha256
    assert model_cost(found).macs == model_cost(drawn).macs


def test_a_shipped_file_can_be_given_another_input() -> None:
    found = resized(shipped("fomo_0.1_grey_96_int8"), 160, 160, 3)
    assert found.graph_sha256 == describe("fomo", 0.1, 160).graph_sha256
    assert compile_model(found).plan.arena_bytes >= 80 * 80 * 48


def test_an_open_batch_does_not_hinder_another_input() -> None:
    small, large = shipped("fdmobilenet_0.25_128_uint8"), shipped("fdmobilenet_0.25_224_uint8")
    assert live_memory(resized(small, 224, 224, 3).graph) == live_memory(large.graph)


def test_sides_need_not_be_equal() -> None:
    graph = resized(describe("mobilenet_v1", 0.25, 96), 96, 64, 3).graph
    assert graph.tensors[graph.operators[0].outputs[0]].shape == (1, 48, 32, 8)


def test_a_dense_layer_behind_a_map_refuses_another_size_by_its_name() -> None:
    model = shipped("digits_cnn_int8")
    with pytest.raises(ModelError, match=r"layer 5 RESHAPE: is for an input of 1x4x4x24"):
        resized(model, 16, 16, 1)
    assert resized(model, 8, 8, 3).graph.operators == model.graph.operators


def test_a_depthwise_first_layer_refuses_other_channels() -> None:
    net = built.ModelBuilder(1)
    model = parse_model(net.finish(net.depthwise(net.input((1, 8, 8, 4)))), "m")
    with pytest.raises(ModelError, match="layer 0 DEPTHWISE_CONV_2D: its weights are for 4 channels"):
        resized(model, 8, 8, 2)


def test_a_window_larger_than_the_input_is_refused() -> None:
    net = built.ModelBuilder(1)
    model = parse_model(net.finish(net.conv(net.input((1, 8, 8, 3)), 4, 5, padding="VALID")), "m")
    with pytest.raises(ModelError, match="nothing is left of an input of 4x4x3"):
        resized(model, 4, 4, 3)


def test_other_inputs_than_one_image_are_refused() -> None:
    with pytest.raises(ModelError, match="one image"):
        resized(parse_model(built.anomaly_detection(), "ad"), 8, 8, 1)


@pytest.mark.parametrize("resolution", [96, 90, 33])
def test_padding_apart_pads_as_the_keras_applications_do(resolution: int) -> None:
    model = describe("mobilenet_v2", 0.1, resolution)
    apart = padding_apart(model)
    pads = [operator for operator in apart.graph.operators if operator.name == "PAD"]
    assert len(pads) == 4
    for pad in pads:
        source, paddings, padded = (apart.graph.tensors[i] for i in (*pad.inputs, *pad.outputs))
        before_after = np.frombuffer(paddings.data or b"", "<i4").reshape(4, 2).tolist()
        side = [0, 1] if source.shape[1] % 2 == 0 else [1, 1]
        assert before_after == [[0, 0], side, side, [0, 0]]
        assert padded.shape[1] == source.shape[1] + sum(side)
    one, other = model_cost(model), model_cost(apart)  # whose shapes are checked against each other
    assert (one.macs, one.parameters) == (other.macs, other.parameters)


def test_a_model_without_such_padding_stays_as_it_is() -> None:
    model = parse_model(built.small_cnn(), "m")
    unstrided = fold(parse_model(built.keyword_spotting(), "kws"))
    assert padding_apart(unstrided) is unstrided
    assert padding_apart(padding_apart(model)).graph_sha256 == padding_apart(model).graph_sha256


def test_fusing_an_expansion_leaves_three_rows_of_it() -> None:
    model = describe("fomo", 0.1, 96, channels=1)
    fused = expansion_fused(model)
    rows = {t.name: t.shape for t in fused.graph.tensors}
    assert rows["block_1_expand"] == (1, 3, 48, 48)
    assert rows["block_6_expand"] == (1, 12, 12, 48)  # the cut: nothing depthwise behind it
    # Three maps of 48x48x8 around block 0's sum are then the peak.
    assert live_memory(fused.graph).peak_bytes == 3 * 48 * 48 * 8
    assert live_memory(model.graph).peak_bytes == 48 * 48 * 48 + 24 * 24 * 48
