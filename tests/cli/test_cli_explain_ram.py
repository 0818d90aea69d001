"""`benchrunner explain-ram` on the command line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from benchrunner.cli import cli
from benchrunner.cli.explain_ram import parse_size
from benchrunner.errors import BenchrunnerError, UsageError

FOMO = ("fomo_0.1_grey_96_int8", "--board", "stm32f469i-disco", "--no-build")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["explain-ram", *arguments])


def test_the_text_says_what_each_kb_is_and_what_leads_to_the_measured_figure() -> None:
    result = run(*FOMO, "--measured", "235k", "--documented", "100kB")
    assert result.exit_code == 0
    text = result.stdout
    assert "peak at layer 5 DEPTHWISE_CONV_2D block_1_depthwise_relu_1" in text
    rows = {" ".join(line.split()[:2]): line for line in text.splitlines()}
    assert "110,592  110.6  48x48x48 int8" in rows["peak input"]
    assert "96x96x1 int8: a copy" in rows["kept input"]
    assert "at most" in text  # nothing was linked
    assert "235,056  sum" in text
    assert "-56  not explained" in text
    assert "160x160x1 (307,200 bytes)" in text
    assert "Not this network with whole tensors" in text
    assert "External RAM" in text


def test_the_document_has_the_same_numbers() -> None:
    document = json.loads(run(*FOMO, "--measured", "235k", "--documented", "100k", "--json").stdout)
    assert sum(part["size_bytes"] for part in document["parts"]) == document["total_bytes"]
    assert document["account"]["unexplained_bytes"] == -56
    assert document["ruled_out"][0] == "160x160x1"
    assert "64x64x1" in document["below_documented"]
    assert document["least_arena_bytes"] == document["arena_bytes"] == 111_024


def test_without_figures_there_is_no_account() -> None:
    result = run(*FOMO, "--resolution", "48")
    assert "measured figure" not in result.stdout
    assert "48x48x1" in result.stdout
    document = json.loads(run(*FOMO, "--json").stdout)
    assert document["account"] is document["below_documented"] is document["ruled_out"] is None


def test_resolutions_that_do_not_exist_share_one_line() -> None:
    text = run("digits_cnn_int8", "--board", "stm32f469i-disco", "--no-build").stdout
    (line,) = (line for line in text.splitlines() if line.startswith("no 64x64x1"))
    assert line.endswith("layer 5 RESHAPE: is for an input of 1x4x4x24")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("235k", 235_000), ("235kB", 235_000), ("1.5 KiB", 1_536), ("2Mi", 2 << 20), ("100000", 100_000)],
)
def test_amounts_of_memory(text: str, expected: int) -> None:
    assert parse_size(text, "--measured") == expected


@pytest.mark.parametrize("text", ["", "much", "-1", "12q", "1e3"])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--measured .*not an amount of memory"):
        parse_size(text, "--measured")


def test_a_misspelt_amount_ends_the_command() -> None:
    result = run(*FOMO, "--measured", "lots")
    assert isinstance(result.exception, BenchrunnerError)


def test_help_has_the_case_as_an_example() -> None:
    assert "--measured 235k --documented 100k" in run("--help").stdout
