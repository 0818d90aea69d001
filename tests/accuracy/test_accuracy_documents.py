"""What is stored, what is read back, and what is printed and published."""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from digits import DATA, Told, board_request, digits_request

from benchrunner.accuracy.document import (
    ACCURACY_SCHEMA_VERSION,
    Source,
    StoredAccuracy,
    load_accuracies,
    load_accuracy,
    wilson,
)
from benchrunner.accuracy.journal import Answer, Journal
from benchrunner.accuracy.measure import measure_accuracy
from benchrunner.accuracy.table import FigureRow, accuracy_table
from benchrunner.accuracy.text import describe
from benchrunner.cli import cli
from benchrunner.errors import ConfigError, NewerSchemaError, StoreError, UsageError
from benchrunner.publish.blocks import find_blocks
from benchrunner.publish.document import publish
from benchrunner.publish.why import chain, find_cell

PAGE = Path("page.md")


@pytest.fixture
def stored(results: Path) -> StoredAccuracy:
    request = digits_request(results, limit=50, device=board_request(results=results))
    return load_accuracy(measure_accuracy(request, Told()).path)


@pytest.mark.parametrize(
    ("right", "images", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_interval_is_wilsons(right: int, images: int, low: float, high: float) -> None:
    found = wilson(right, images)
    assert [round(value, 4) for value in found] == [low, high]


def test_the_interval_always_holds_the_figure() -> None:
    for images in (1, 2, 3, 10, 101, 5000):
        for right in {0, 1, images // 3, images - 1, images}:
            low, high = wilson(right, images)
            assert 0 <= low <= right / images <= high <= 1
            if 0 < right < images:
                for end in (low, high):  # where the score test has just p = 5 %
                    distance = abs(right / images - end) / math.sqrt(end * (1 - end) / images)
                    assert distance == pytest.approx(1.959964, abs=1e-6)


def test_what_was_stored_is_read_back(stored: StoredAccuracy, results: Path) -> None:
    assert not stored.altered
    found, problems = load_accuracies([results])
    assert found == (stored,)
    assert problems == ()
    document = stored.document
    assert document.provenance["tool_version"] == "0.1.0"
    assert document.dataset.path == str(DATA)
    assert len(document.dataset.sha256) == len(document.model.sha256) == 64
    for figure in document.figures:
        assert sum(map(sum, figure.confusion)) == figure.images == 50
        assert sum(figure.confusion[each][each] for each in range(10)) == figure.right


def test_a_document_that_was_edited_says_so_and_is_not_published(stored: StoredAccuracy) -> None:
    fields = json.loads(stored.path.read_text())
    fields["model"]["name"] = "better"
    stored.path.write_text(json.dumps(fields))
    altered = load_accuracy(stored.path)
    assert altered.altered
    assert accuracy_table([altered]).rows[0][-1] == "host, altered"
    with pytest.raises(ConfigError, match="is not as it was written"):
        publish(PAGE, block("fidelity=simulated"), [], [altered])


def test_counts_that_contradict_the_confusion_matrix_are_damage(stored: StoredAccuracy) -> None:
    fields = json.loads(stored.path.read_text())
    fields["figures"][0]["right"] += 1
    stored.path.write_text(json.dumps(fields))
    with pytest.raises(StoreError, match="contradict its confusion matrix"):
        load_accuracy(stored.path)


def test_documents_cut_off_or_of_a_later_version_are_problems_beside_the_others(
    stored: StoredAccuracy, results: Path
) -> None:
    data = stored.path.read_bytes()
    name = "accuracy-20261121T020000Z-0000000{}.json"
    (stored.path.parent / name.format(1)).write_bytes(data[: len(data) // 2])
    later = json.loads(data) | {"accuracy_schema_version": ACCURACY_SCHEMA_VERSION + 1}
    (stored.path.parent / name.format(2)).write_text(json.dumps(later))
    found, problems = load_accuracies([results])
    assert found == (stored,)
    assert [type(each) for each in problems] == [StoreError, NewerSchemaError]


def test_a_document_of_version_1_is_read_and_shown(stored: StoredAccuracy) -> None:
    fields = json.loads(stored.path.read_text())
    for part, names in (
        (fields, ("comparison", "content_sha256")),
        (fields["board"], ("kernels", "options")),
    ):
        for name in names:
            del part[name]
    fields["accuracy_schema_version"] = 1
    text = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    fields["content_sha256"] = hashlib.sha256(text).hexdigest()
    stored.path.write_text(json.dumps(fields))
    old = load_accuracy(stored.path)
    assert not old.altered
    assert old.document.comparison is None
    assert not old.document.is_wrong
    assert accuracy_table([old]).rows == accuracy_table([stored]).rows
    assert describe(old.document)
    assert "figure      device: " in chain(find_cell(old.document.run_id, [], [old]))


def test_results_of_runs_and_of_accuracy_do_not_mix(stored: StoredAccuracy, results: Path) -> None:
    from benchrunner import store

    assert store.load_runs(results).problems == ()
    assert store.load_runs(results).runs == ()


# --- published --------------------------------------------------------------------------------------------


def block(attributes: str) -> str:
    return (
        f"<!-- benchrunner:begin table=accuracy {attributes} -->\n<!-- benchrunner:end table=accuracy -->\n"
    )


def test_a_block_gets_the_figures_and_stays_as_it_is(stored: StoredAccuracy) -> None:
    new, (made,) = publish(PAGE, block("fidelity=simulated"), [], [stored])
    assert "| digits_cnn_int8 | Int8   | 8x8x1      | 98.00              | 89.50 to 99.65 | 50 " in new
    assert stored.document.run_id in new
    assert new.count("simulated") == 2, "in the marker and in the device's row"
    assert publish(PAGE, new, [], [stored])[0] == new
    assert made.block.end == len(new.splitlines())
    assert len(made.rows) == 2


def test_a_simulated_figure_never_stands_in_a_block_of_measured_ones(stored: StoredAccuracy) -> None:
    with pytest.raises(ConfigError, match="no measured accuracy for this block; there are simulated ones"):
        publish(PAGE, block(""), [], [stored])
    with pytest.raises(ConfigError, match="no emulated accuracy"):
        publish(PAGE, block("fidelity=emulated"), [], [stored])


def test_the_zoos_columns_keep_the_fidelity_of_what_was_not_measured(
    stored: StoredAccuracy, results: Path
) -> None:
    style = "style=st-modelzoo-v2"
    new, _ = publish(PAGE, block(f"fidelity=simulated {style}"), [], [stored])
    assert [cell.strip() for cell in new.splitlines()[2].split("|")[1:-1]] == [
        "Model", "Format", "Resolution", "Top 1 Accuracy (%)", "fidelity",
    ]  # fmt: skip
    host = load_accuracy(measure_accuracy(digits_request(results, limit=50), Told()).path)
    new, _ = publish(PAGE, block(style), [], [stored, host])
    assert "fidelity" not in new.splitlines()[2]
    assert len(find_blocks(PAGE, new)) == 1


def test_the_latest_of_the_same_figure_is_shown_once(stored: StoredAccuracy, results: Path) -> None:
    request = digits_request(results, limit=50, device=board_request(results=results))
    again = load_accuracy(measure_accuracy(request, Told()).path)
    assert accuracy_table([stored, again]).rows == accuracy_table([stored]).rows
    other = load_accuracy(measure_accuracy(digits_request(results, limit=51), Told()).path)
    assert len(accuracy_table([stored, other]).rows) == 3


# --- the command ------------------------------------------------------------------------------------------

ARGUMENTS = ["accuracy", "--model", "digits_cnn_int8", "--dataset", str(DATA), "--scale", "1/16"]
BOARD = ["--board", "stm32h747i-disco", "--sim"]


def test_the_command_prints_the_table_and_stores_the_result(results: Path) -> None:
    done = CliRunner().invoke(cli, [*ARGUMENTS, *BOARD, "--limit", "40", "--out", str(results)])
    assert done.exit_code == 0, done.output
    assert "Top 1 Accuracy (%)" in done.stdout
    assert "the same bytes for 40" in done.stdout
    assert "confusion, device" in done.stdout
    assert "STM32H747I-DISCO, aot" in done.stdout
    (path,) = (results / "accuracy").glob("*.json")
    assert f"result: {path}" in done.stderr


def test_json_is_the_stored_document(results: Path) -> None:
    done = CliRunner().invoke(cli, [*ARGUMENTS, "--limit", "40", "--out", str(results), "--json", "-q"])
    assert done.exit_code == 0, done.output
    (path,) = (results / "accuracy").glob("*.json")
    assert json.loads(done.stdout) == json.loads(path.read_text())


def test_a_device_that_differs_from_the_host_ends_with_status_1(results: Path) -> None:
    faulty = [*BOARD, "--fault", "wrong_output=true"]
    done = CliRunner().invoke(
        cli, [*ARGUMENTS, *faulty, "--limit", "5", "--out", str(results)], standalone_mode=False
    )
    assert done.return_value == 1
    assert "error: the device's output differs from LiteRT" in done.stderr
    assert "builtin-ref for 5 of 5 images, by up to" in done.stderr
    assert "simulated, wrong output" in done.stdout


def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*ARGUMENTS, *BOARD, "--limit", "80", "--out", str(results)]
    kept, add = [0], Journal.add

    def interrupted(self: Journal, answers: Sequence[Answer]) -> None:
        add(self, answers)
        kept[0] += len(answers)
        if kept[0] == 48:
            os.kill(os.getpid(), signal.SIGINT)  # while the line is written

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "add", interrupted)
        done = CliRunner().invoke(cli, command, standalone_mode=False)
    assert done.return_value == 130
    assert "images are answered and kept; the same command goes on" in done.stderr
    done = CliRunner().invoke(cli, command, standalone_mode=False)
    assert done.return_value == 0
    assert "80, 48 of them answered before" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--sim"], "--sim: need --board"),
        (["--host", "root@192.168.7.1"], "--host: need --board"),
        ([*BOARD, "--host", "root@192.168.7.1"], "exclude each other"),
        ([*BOARD, "--threads", "2"], "is a microcontroller board: --threads cannot"),
        ([*BOARD, "--tolerance", "2"], "is a microcontroller board: --tolerance cannot"),
        ([*BOARD, "--emulate"], "exclude each other"),
        (["--fault", "wrong_output=true"], "--fault needs"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: list[str], reason: str) -> None:
    done = CliRunner().invoke(cli, [*ARGUMENTS, *arguments])
    assert isinstance(done.exception, UsageError)
    assert reason in done.exception.message


@pytest.mark.parametrize("number", ["x", "1/0", "1/2/3", ""])
def test_a_scale_that_is_no_number_is_a_usage_error(number: str) -> None:
    done = CliRunner().invoke(cli, [*ARGUMENTS, "--std", number])
    assert done.exit_code == 2
    assert "is no number; examples" in done.stderr


def test_published_accuracy_stands_beside_ours_on_the_data_set_of_that_name(
    stored: StoredAccuracy, tmp_path: Path
) -> None:
    model, figure = stored.document.model, stored.document.figures[0]
    (tmp_path / "vendor.csv").write_text(
        "Model,Dataset,Format,Resolution,Top 1 Accuracy (%)\n"
        + "".join(
            f"{model.name} tfs,{dataset},{model.format},{model.resolution},50\n"
            for dataset in (DATA.stem, "Flowers")
        )
    )
    page = tmp_path / "page.md"
    new, (made,) = publish(page, block("fidelity=simulated beside=vendor.csv"), [], [stored])
    assert stored.document.run_id in new
    ours = [line for line in new.splitlines() if f"| {DATA.stem} " in line and "| Int8 " in line]
    assert len(ours) == sum(each.source is not Source.FLOAT_HOST for each in stored.document.figures)
    share = f"{100 * figure.right / figure.images:.2f}"
    assert any(f"| {share}" in line and f"{float(share) - 50:+.2f}" in line for line in ours)
    (theirs,) = (line for line in new.splitlines() if "| Flowers " in line)
    assert "not measured: there is no result with this data set" in theirs
    of_ours = [row for row in made.rows if isinstance(row, FigureRow)]
    assert len(of_ours) == len(ours)
    assert {row.figure.source for row in of_ours} == {Source.HOST, Source.DEVICE}
    assert None in made.rows, "what is published alone comes from no result"
