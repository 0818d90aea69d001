"""`benchrunner analyze --sweep`: tables, JSON and pictures of families of networks."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from benchrunner.cli import cli
from benchrunner.errors import BenchrunnerError
from benchrunner.networks.sweep import sweep
from benchrunner.report.sweep_svg import sweep_svg

_SVG = "{http://www.w3.org/2000/svg}"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["analyze", *arguments])


def refused(*arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, BenchrunnerError)
    return result.exception.message


def test_the_table_of_fomo_has_the_published_shapes_and_says_which_alphas_are_one_network() -> None:
    result = run("--sweep", "fomo", "--resolution", "320")
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line[:5].strip()[:1] == "0"}
    assert "(40, 40, 96)  (10, 10, 112)" in lines["0.35"]
    assert "(40, 40, 48)  (10, 10, 32)" in lines["0.1"]
    assert "(40, 40, 48)  (10, 10, 16)" in lines["0.05"]
    assert lines["0.1"].split()[-1] == lines["0.05"].split()[-1] != lines["0.35"].split()[-1]
    assert "One network: FOMO with alpha 0.05 and 0.1 at (320, 320, 3)" in result.stdout
    assert "multiple of 8, 8 at the least" in result.stdout


def test_published_accuracy_is_named_with_its_source_and_absent_where_nobody_published_it() -> None:
    result = run("--sweep", "mobilenet_v2", "--alpha", "0.1,0.35", "--resolution", "96")
    small, large = (line for line in result.stdout.splitlines() if "(96, 96, 3)" in line)
    assert small.split()[-2] == "-"
    assert " 45.5 % " in large
    assert "Not measured here" in result.stdout
    assert "top-1" not in run("--sweep", "fdmobilenet", "--resolution", "96").stdout


def test_the_document_has_every_number_of_the_table() -> None:
    document = json.loads(
        run(
            "--sweep", "fomo", "--alpha", "0.05,0.1", "--resolution", "96", "--channels", "1", "--json"
        ).stdout
    )
    assert [n["parameters"] for n in document["networks"]] == [8_818, 8_818]
    assert document["networks"][0]["at_last"] == [3, 3, 16]
    (one,) = document["same_network"]
    assert one["alphas"] == [0.05, 0.1]


def test_the_picture_has_a_spot_for_every_network_in_each_panel(tmp_path: Path) -> None:
    picture = tmp_path / "v1.svg"
    result = run("--sweep", "mobilenet_v1", "--svg", str(picture))
    assert f"Picture: {picture}" in result.stdout
    root = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    assert len(root.findall(f".//{_SVG}circle")) == 2 * 20
    labels = [text.text for text in root.iter(f"{_SVG}text")]
    assert {"α 0.25", "α 0.5", "α 0.75", "α 1", "224"} <= set(labels)
    width, height = (float(size) for size in root.attrib["viewBox"].split()[2:])
    panel = width / 2
    for spot in root.iter(f"{_SVG}circle"):
        assert 0 < float(spot.attrib["cx"]) < panel
        assert 0 < float(spot.attrib["cy"]) < height


def test_widths_with_equal_values_share_a_line_of_the_picture() -> None:
    svg = sweep_svg(sweep("fomo"))
    macs, memory = svg.split("live activations")
    assert "α 0.05, 0.1<" in macs
    assert "α 0.05, 0.1, 0.35<" in memory


def test_with_one_resolution_the_picture_goes_over_the_widths() -> None:
    svg = sweep_svg(sweep("mobilenet_v1", resolutions=(96,)))
    assert "width multiplier, at 96x96x3" in svg
    assert svg.count("<circle") == 2 * 4
    assert sweep_svg(sweep("fomo", alphas=(0.1,), resolutions=(96,))).count("<circle") == 2


def test_what_a_sweep_does_not_take_is_said() -> None:
    assert "takes no MODEL" in refused("fdmobilenet_0.25_128_int8", "--sweep", "fomo")
    assert refused("--alpha", "0.1", "--svg", "x.svg", "x.tflite") == "--alpha, --svg without --sweep"
    assert "no family" in refused("--sweep", "resnet")
    assert "width multiplier 9" in refused("--sweep", "fomo", "--alpha", "9")


@pytest.mark.parametrize("arguments", [("--alpha", "a"), ("--resolution", "1.5"), ("--resolution", "96,")])
def test_what_is_no_list_of_numbers_is_a_usage_error(arguments: tuple[str, str]) -> None:
    result = run("--sweep", "fomo", *arguments)
    assert result.exit_code == 2
    assert "with commas between them" in result.stderr


def test_a_picture_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    assert "cannot be written" in refused("--sweep", "fomo", "--svg", str(tmp_path / "no" / "x.svg"))


def test_help_shows_sweeps() -> None:
    assert "benchrunner analyze --sweep fomo --resolution 320" in run("--help").stdout
