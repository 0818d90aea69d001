"""Where RAM goes: parts add up to what is linked, changes are planned, a measured figure gets its reasons."""

from __future__ import annotations

from pathlib import Path

import pytest
import tflite_builder as built

from benchrunner.board import load_board
from benchrunner.errors import UsageError
from benchrunner.firmware.aot import build_image
from benchrunner.firmware.compiled import compile_model
from benchrunner.firmware.toolchain import find_toolchain
from benchrunner.model import Model, load_model, parse_model
from benchrunner.networks.variants import padding_apart, resized
from benchrunner.ram import Change, Explanation, explain_ram, short_name
from benchrunner.ram.compare import account, below, ruled_out
from benchrunner.zoo import resolve_model

BOARD = "stm32f469i-disco"
FOMO = "fomo_0.1_grey_96_int8"


def shipped(name: str) -> Model:
    return load_model(resolve_model(name))


@pytest.fixture(scope="module")
def fomo() -> Explanation:
    return explain_ram(shipped(FOMO), load_board(BOARD), None, below_bytes=100_000)


def change(explanation: Explanation, name: str) -> Change:
    return next(one for one in explanation.changes if one.name == name)


def test_the_parts_are_the_ram_of_the_linked_image(tmp_path: Path) -> None:
    board, toolchain = load_board(BOARD), find_toolchain()
    found = explain_ram(shipped(FOMO), board, toolchain)
    image = build_image(board, shipped(FOMO), tmp_path / "firmware", toolchain)
    assert found.runtime.exact
    assert abs(found.total_bytes - image.footprint.ram_total_bytes) <= 64  # alignment between sections
    by_name = {part.name: part.size_bytes for part in found.parts}
    assert by_name["stack"] == image.footprint.ram_bytes["stack"]
    assert by_name["kept input"] == image.footprint.ram_bytes["kept inputs"]


@pytest.mark.parametrize(
    "name",
    [FOMO, "mobilenet_v2_0.35_96_int8", "mobilenet_v3_small_0.35_96_int8", "fdmobilenet_0.25_128_uint8"],
)
def test_the_parts_add_up_to_the_total(name: str) -> None:
    found = explain_ram(shipped(name), load_board(BOARD), None, resolutions=(64,))
    assert sum(part.size_bytes for part in found.parts) == found.total_bytes
    assert found.as_it_is.total_bytes == found.total_bytes
    assert found.least_bytes <= found.arena_bytes == compile_model(shipped(name)).plan.arena_bytes


def test_the_peak_pair_is_named_with_its_layer(fomo: Explanation) -> None:
    parts = {part.name: part for part in fomo.parts}
    assert parts["peak input"].size_bytes == 48 * 48 * 48
    assert parts["peak output"].size_bytes == 24 * 24 * 48
    assert parts["shared"].size_bytes == -24 * 24 * 48
    assert parts["peak input"].text == "48x48x48 int8 block_1_expand_relu_1"
    assert fomo.peak_layer == "layer 5 DEPTHWISE_CONV_2D block_1_depthwise_relu_1"
    assert parts["kept input"].size_bytes == 96 * 96


def test_every_change_is_what_the_planner_says_of_that_network(fomo: Explanation) -> None:
    model = shipped(FOMO)
    for name, size in (("160x160x1", (160, 160, 1)), ("96x96x3 (colour)", (96, 96, 3))):
        assert change(fomo, name).arena_bytes == compile_model(resized(model, *size)).plan.arena_bytes
    apart = compile_model(padding_apart(model)).plan
    assert change(fomo, "padding as layers of its own").arena_bytes == apart.arena_bytes == 225_840
    assert change(fomo, "no output over its input").arena_bytes == 138_240 + 432  # the pair and the scratch
    for one in fomo.changes:
        assert one.total_bytes is not None
        assert one.arena_bytes is not None
        assert one.total_bytes == one.arena_bytes + one.kept_bytes + fomo.runtime.total_bytes


def test_235_kb_are_96x96_with_whole_padded_maps_and_the_input_held(fomo: Explanation) -> None:
    found = account(fomo, 235_000, 100_000)
    assert [step.size_bytes for step in found.steps] == [11_024, 114_816, 9_216]
    assert "padding is a layer of its own" in found.steps[1].text
    assert found.start_bytes + sum(step.size_bytes for step in found.steps) == 235_056
    assert (found.unexplained_bytes, found.close) == (-56, True)
    names = [name for name, _ in ruled_out(fomo, 235_000)]
    assert names == ["160x160x1", "224x224x1", "320x320x1"]


def test_less_than_100_kb_takes_a_fused_expansion_or_a_smaller_input(fomo: Explanation) -> None:
    assert fomo.least_bytes > 100_000
    names = below(fomo, 100_000)
    assert "expansion and depthwise layer as one" in names
    assert "64x64x1" in names
    assert "as it is" not in names
    assert not change(fomo, "expansion and depthwise layer as one").by_engine


def test_the_largest_resolution_below_a_limit_is_the_largest(fomo: Explanation) -> None:
    sizes = [int(one.name.split("x")[0]) for one in fomo.changes if one.kind == "resolution"]
    best = max(size for size in sizes if (change(fomo, f"{size}x{size}x1").total_bytes or 0) < 100_000)
    larger = compile_model(resized(shipped(FOMO), best + 8, best + 8, 1)).plan.arena_bytes
    assert larger + (best + 8) ** 2 + fomo.runtime.total_bytes >= 100_000


def test_a_figure_without_a_reason_is_said_to_have_none(fomo: Explanation) -> None:
    found = account(fomo, 500_000)
    assert not found.close
    assert found.unexplained_bytes == 500_000 - sum(step.size_bytes for step in found.steps)
    assert found.others == 0


def test_this_engines_own_total_is_explained_by_itself(fomo: Explanation) -> None:
    found = account(fomo, fomo.total_bytes)
    assert (found.unexplained_bytes, found.close) == (0, True)
    assert [step.size_bytes for step in found.steps] == [111_024, 9_216, fomo.runtime.total_bytes]


def test_alpha_0_05_takes_what_alpha_0_1_takes(fomo: Explanation) -> None:
    other = explain_ram(shipped("fomo_0.05_grey_96_int8"), load_board(BOARD), None, below_bytes=100_000)
    assert other.changes == fomo.changes


def test_a_board_that_is_too_small_is_explained_all_the_same() -> None:
    found = explain_ram(shipped(FOMO), load_board("nucleo-f401re"), None, resolutions=(64,))
    assert "does not fit board nucleo-f401re" in found.fits
    assert sum(part.size_bytes for part in found.parts) == found.total_bytes > 98_304


def test_a_resolution_that_the_network_cannot_have_gives_the_layer() -> None:
    found = explain_ram(
        shipped("digits_cnn_int8"), load_board(BOARD), None, resolutions=(16,), below_bytes=10
    )
    (one,) = (one for one in found.changes if one.kind == "resolution")
    assert one.total_bytes is None
    assert one.problem == "layer 5 RESHAPE: is for an input of 1x4x4x24"


def test_a_model_without_an_image_has_only_placements() -> None:
    found = explain_ram(parse_model(built.anomaly_detection(), "ad"), load_board(BOARD), None)
    assert {one.kind for one in found.changes} == {"as it is", "placement"}


def test_a_shortcut_is_shown_as_waiting_for_its_layer() -> None:
    found = explain_ram(parse_model(built.image_classification(), "ic"), load_board(BOARD), None)
    (shortcut,) = (part for part in found.parts if part.name == "shortcut")
    assert "until layer" in shortcut.text


def test_linux_boards_are_refused() -> None:
    with pytest.raises(UsageError, match="runs Linux"):
        explain_ram(shipped(FOMO), load_board("stm32mp257f-dk"), None)


@pytest.mark.parametrize("size", [0, -96, 100_000])
def test_a_resolution_that_no_board_could_hold_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"resolution {size}"):
        explain_ram(shipped(FOMO), load_board(BOARD), None, resolutions=(size,))


@pytest.mark.parametrize(
    ("name", "short"),
    [("m_1/conv_1/Relu;m_1/conv_1/BiasAdd", "conv_1"), ("tfl.quantize", "tfl.quantize"), ("a/b", "b")],
)
def test_fused_names_are_shortened_to_the_layer(name: str, short: str) -> None:
    assert short_name(name) == short
