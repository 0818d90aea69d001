import json
from pathlib import Path
from typing import Any

import pytest
import tflite_builder as built

from benchrunner.board import board_ids
from benchrunner.cli import main
from benchrunner.zoo import list_models


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "fd.tflite").write_bytes(built.fd_mobilenet(128))
    (tmp_path / "other_weights.tflite").write_bytes(built.fd_mobilenet(128, seed=2))
    (tmp_path / "kws.tflite").write_bytes(built.keyword_spotting())
    (tmp_path / "bad.tflite").write_bytes(built.small_cnn()[:100])
    return tmp_path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["analyze", *map(str, arguments)])
    status = caught.value.code
    assert isinstance(status, int)
    return status


def lines_of(text: str) -> list[list[str]]:
    """The words of every line."""
    return [line.split() for line in text.splitlines()]


def test_one_model_shows_layers_totals_pairs_and_boards(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(models / "fd.tflite") == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = lines_of(out)
    shapes = ["1x128x128x3", "->", "1x64x64x8"]
    assert ["0", "CONV_2D", *shapes, "3x3", "s2", "884,736", "224", "248", "81,920"] in lines
    assert ["MACs", "3,848,448"] in lines
    assert ["parameters", "125,477"] in lines
    assert ["weights", "131,396", "bytes", "=", "128.32", "KiB"] in lines
    assert ["live", "peak", "80.00", "KiB", "at", "layer", "0", "CONV_2D"] in lines
    pair = ["1", "+", "2", "8", "->", "16", "204,800", "1,179,648", "0.1736"]
    assert [*pair, "1/16", "+", "1/9", "=", "0.1736", "5.76x"] in lines
    assert [line[0] for line in lines if line and line[0] in board_ids()] == list(board_ids())
    assert "Assumed: MCU: flash = constants + 64 KiB for code; RAM = live peak + 16 KiB" in out


def test_only_the_boards_asked_for_are_judged(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(models / "fd.tflite", "--board", "nucleo-f401re", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)["models"]
    assert [answer["board"] for answer in entry["fits"]] == ["nucleo-f401re"]


def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "large.tflite"
    path.write_bytes(built.fd_mobilenet(224))
    assert run(path, "--board", "nucleo-f401re") == 0
    row = next(line for line in lines_of(capsys.readouterr().out) if line[:1] == ["nucleo-f401re"])
    assert row[1:4] == ["does", "not", "fit"]
    assert row[-5:] == ["is", "short", "by", "67.00", "KiB"]


def test_several_models_are_summed_up_and_grouped(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fd, other, kws = (models / f"{name}.tflite" for name in ("fd", "other_weights", "kws"))
    assert run(fd, kws, other) == 0
    out = capsys.readouterr().out
    summary = out[out.index("Summary") :]
    assert f"Same network up to weights: {fd}, {other}\n" in summary
    assert ["kws", "2,656,768", "22,604", "23.80", "KiB", "15.62", "KiB"] in [
        line[:7] for line in lines_of(summary)
    ]


def test_a_bad_file_is_reported_and_the_others_are_printed(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(models / "bad.tflite", models / "kws.tflite", models / "none.tflite") == 2
    out, err = capsys.readouterr()
    assert "2,656,768" in out
    assert f"error: {models / 'bad.tflite'}: " in err
    assert f"error: {models / 'none.tflite'}: " in err
    assert "hint: " in err


def test_json_has_every_number(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fd, other, bad = (models / f"{name}.tflite" for name in ("fd", "other_weights", "bad"))
    assert run(fd, other, bad, "--json") == 2
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    first, second = document["models"]
    assert document["same_network"] == [[str(fd), str(other)]]
    assert [error["message"].startswith(f"{bad}: ") for error in document["errors"]] == [True]
    assert first["graph_sha256"] == second["graph_sha256"]
    assert first["sha256"] != second["sha256"]
    assert (first["macs"], first["parameters"], first["weight_bytes"]) == (3_848_448, 125_477, 131_396)
    assert (first["live_peak_bytes"], first["naive_peak_bytes"], first["least_live_bytes"]) == (
        81_920,
        81_920,
        49_152,
    )
    assert first["inputs"] == [{"shape": [1, 128, 128, 3], "dtype": "int8"}]
    assert first["layers"][0]["macs"] == 884_736
    assert first["layers"][0]["live_bytes"] == 81_920
    assert first["layers"][0]["kind"] == "convolution"
    assert first["separable_pairs"][0]["reduction"] == pytest.approx(1 / 16 + 1 / 9)
    assert [answer["board"] for answer in first["fits"]] == list(board_ids())


def test_an_unknown_operator_is_named_in_the_total(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = built.ModelBuilder()
    x = net.input((1, 4))
    y = net.tensor((1, 4))
    net.operator("CUSTOM", (x,), (y,), custom="MyOp")
    path = tmp_path / "custom.tflite"
    path.write_bytes(net.finish(y))
    assert run(path) == 0
    lines = lines_of(capsys.readouterr().out)
    assert ["MACs", "0", "+", "unknown:", "layer", "0", "CUSTOM:MyOp"] in lines
    assert ["0", "CUSTOM:MyOp", "1x4", "->", "1x4", "unknown", "0", "0", "8"] in lines


def test_a_name_of_the_zoo_is_as_good_as_a_path(capsys: pytest.CaptureFixture[str]) -> None:
    names = [model.name for model in list_models()]
    assert run(*names, "--json") == 0
    entries = json.loads(capsys.readouterr().out)["models"]
    assert [(e["name"], e["macs"], e["parameters"], e["weight_bytes"]) for e in entries] == [
        (model.name, model.macs, model.parameters, model.weight_bytes) for model in list_models()
    ]


def test_a_misspelt_name_is_answered_with_close_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fdmobilenet_0.25_127_int8") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: fdmobilenet_0.25_127_int8: " in err
    assert "fdmobilenet_0.25_128_int8" in err
