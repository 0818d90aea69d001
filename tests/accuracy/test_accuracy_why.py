"""`benchrunner why` of a published accuracy: from the row back to every single answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from digits import DATA, Told, board_request, digits_request
from linux_digits import linux_request

from benchrunner.accuracy.document import StoredAccuracy, load_accuracy
from benchrunner.accuracy.measure import measure_accuracy
from benchrunner.cli import cli
from benchrunner.errors import UsageError
from benchrunner.zoo import resolve_model

FLOAT = resolve_model("digits_cnn_float")


def run(results: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments, "--results", str(results)], standalone_mode=False)


def why(results: Path, target: str) -> str:
    done = run(results, "why", target)
    assert done.exception is None, done.exception
    return done.stdout


@pytest.fixture
def stored(results: Path) -> StoredAccuracy:
    request = digits_request(results, limit=50, float_model=FLOAT, device=linux_request(results))
    return load_accuracy(measure_accuracy(request, Told()).path)


def published(results: Path, attributes: str) -> dict[str, str]:
    """Lines of the page and what `why` says of each, by the row's text."""
    page = results.parent / "page.md"
    page.write_text(
        f"# T\n\n<!-- benchrunner:begin table=accuracy fidelity=simulated {attributes} -->\n"
        "<!-- benchrunner:end table=accuracy -->\n"
    )
    done = run(results, "publish", str(page))
    assert done.exception is None, done.exception
    return {
        line: why(results, f"{page}:{number}")
        for number, line in enumerate(page.read_text().splitlines(), start=1)
        if line.startswith("| digits")
    }


@pytest.mark.parametrize("style", ["", "style=st-modelzoo-v2"])
def test_each_row_of_a_page_leads_to_what_computed_it(
    style: str, stored: StoredAccuracy, results: Path
) -> None:
    document = stored.document
    told = list(published(results, style).values())
    twin, *others = told
    assert twin.startswith("digits_cnn_float float32 8x8x1  on  the host")
    assert document.float_model is not None
    assert document.float_model.sha256 in twin
    assert "by float host, " in twin
    assert "condition" not in twin
    # The zoo's columns have no place for who computed it: host and board are told apart by fidelity alone.
    host, device = others
    assert "answers by host, " in host
    assert "answers by device, " in device
    assert document.board is not None
    for text in told:
        assert f"{stored.path}: as it was written" in text
        assert str(stored.path.with_suffix(".jsonl")) in text
        assert f"data SHA    {document.dataset.sha256}" in text
        assert f"data set    {DATA}: NPZ, 10 classes" in text
        assert "pixel * 0.0625" in text
        assert "NOT" not in text
    for text in (host, device):
        assert f"model       {document.model.sha256}" in text
    figure = document.figures[-1]
    assert f"figure      device: {figure.right} of 50 images are right" in device
    assert f"engine      tflite {document.board.engine_version}; kernels: default" in device
    assert "image       none: the model file was executed" in device
    assert "output      LiteRT" in device
    assert "condition   runtime = tflite_runtime" in device
    assert "option      threads = 1" in device


def test_the_image_of_a_microcontroller_is_named(results: Path) -> None:
    request = digits_request(results, limit=20, device=board_request(results=results))
    stored = load_accuracy(measure_accuracy(request, Told()).path)
    assert stored.document.board is not None
    text = why(results, stored.document.run_id)
    assert f"image       {stored.document.board.image_sha256}" in text
    assert "engine      aot" in text


def test_a_run_id_gives_all_figures_and_a_number_one_of_them(stored: StoredAccuracy, results: Path) -> None:
    run_id = stored.document.run_id
    every = why(results, run_id)
    for source in ("float host", "host", "device"):
        assert f"figure      {source}: " in every
    assert "figure      host: " not in why(results, f"{run_id}#3")
    fault = run(results, "why", f"{run_id}#4").exception
    assert isinstance(fault, UsageError)
    assert "has figures #1 to #3" in fault.message
    whole = json.loads(run(results, "why", run_id, "--json").stdout)
    assert whole["accuracy"]["run_id"] == run_id
    assert whole["accuracy"]["comparison"]["images"] == 50


def test_a_journal_that_says_something_else_or_is_gone_is_told(stored: StoredAccuracy, results: Path) -> None:
    journal = stored.path.with_suffix(".jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        for answer in line.get("answers", ()):
            answer["device_class"] = 0
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = why(results, f"{stored.document.run_id}#3")
    assert "right, which is NOT the figure" in text
    journal.write_text("{")
    assert "no journal, or damaged" in why(results, stored.document.run_id)
    journal.unlink()
    assert "the single answers are not there" in why(results, stored.document.run_id)


def test_an_edited_document_is_told(stored: StoredAccuracy, results: Path) -> None:
    fields = json.loads(stored.path.read_text())
    fields["model"]["name"] = "better"
    stored.path.write_text(json.dumps(fields))
    assert "NOT as it was written" in why(results, stored.document.run_id)
