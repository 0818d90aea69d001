import json
from pathlib import Path

import pytest
import record_factory as factory

from benchrunner import cli, store


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(["table", *map(str, arguments)])
    return int(caught.value.code or 0)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results"
    store.save_run(factory.document(factory.failed("hang"), run_id="20261120T020000Z-00000000"), folder)
    store.save_run(factory.document(), folder)
    return folder


def test_the_results_of_the_current_folder_are_printed(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    printed = capsys.readouterr()
    assert "MCU inference time\n" in printed.out
    assert "MCU memory footprint\n" in printed.out
    assert printed.out.index("not measured: failed: hang") < printed.out.index("17.73 ms ±14 %")
    assert printed.err == ""


def test_the_latest_result_of_a_case_alone(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(results, "--latest", "--kind", "latency") == 0
    printed = capsys.readouterr().out
    assert "17.73 ms" in printed
    assert "hang" not in printed
    assert "MCU memory footprint" not in printed


@pytest.mark.parametrize(
    ("layout", "start"),
    [("text", "MCU memory"), ("markdown", "### MCU memory"), ("csv", "run_id,"), ("json", "[\n")],
)
def test_every_format_goes_to_standard_output(
    results: Path, capsys: pytest.CaptureFixture[str], layout: str, start: str
) -> None:
    assert run("--kind", "footprint", "--format", layout) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(start)
    assert printed.out.endswith("\n")
    assert not printed.out.endswith("\n\n")
    assert printed.err == ""


def test_one_document_can_be_named(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = results / "2026-11-20" / "20261120T020000Z-00000000.json"
    assert run(path, "--format", "json") == 0
    assert [row["reason"] for row in json.loads(capsys.readouterr().out)] == ["hang"]


@pytest.mark.parametrize("exists", [True, False])
def test_without_results_the_next_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exists: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    if exists:
        (tmp_path / "results").mkdir()
    assert run() == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: results" if not exists else "error: no results under results\n")
    assert "benchrunner run --board stm32h747i-disco --sim" in printed.err


def test_a_damaged_document_is_a_warning_on_standard_error(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (results / "20261122T020000Z-00000000.json").write_text("{")
    assert run() == 0
    printed = capsys.readouterr()
    assert "17.73 ms" in printed.out
    assert printed.err.startswith("warning: results/20261122T020000Z-00000000.json: not a result")


def test_the_index_of_a_large_folder_gives_the_same_table_and_warnings(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (results / "20261122T020000Z-00000000.json").write_text("{")
    assert run("--format", "json") == 0
    documents = capsys.readouterr()
    (results / ".index.sqlite").touch()  # where there is an index it is used, however small the folder
    assert run("--format", "json") == 0
    assert capsys.readouterr() == documents
    assert (results / ".index.sqlite").stat().st_size > 0


def test_only_a_newer_document_is_an_error_with_the_fix(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results / "2026-11-21" / f"{factory.RUN_ID}.json"
    path.write_text(path.read_text().replace('"schema_version": 2', '"schema_version": 9'))
    assert run(path) == 2
    printed = capsys.readouterr().err
    assert f"{path}: schema version 9, this benchrunner reads up to 2" in printed
    assert "hint: a later benchrunner wrote it: pip install --upgrade benchrunner" in printed
