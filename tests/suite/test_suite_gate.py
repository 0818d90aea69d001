"""A suite that is judged by a baseline the same night, as a person types it, on simulated boards."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchrunner import cli, image, kept, store
from benchrunner.board import load_board
from benchrunner.compare.baselines import pinned
from benchrunner.firmware.simulated import simulated_image
from benchrunner.history import open_history
from benchrunner.record import Latency, RunDocument
from benchrunner.runtime import ORACLE
from benchrunner.zoo import resolve_model

SUITE = """\
name = "night"
target = "sim"
[[matrix]]
boards = ["stm32h747i-disco"]
models = ["fdmobilenet_0.25_128_int8"]
"""


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main([*map(str, arguments)])
    return int(caught.value.code or 0)


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One night of one case, which is the baseline."""
    monkeypatch.chdir(tmp_path)
    Path("night.toml").write_text(SUITE)
    assert run("suite", "night.toml") == 0
    assert run("baseline", "set", "main") == 0
    return tmp_path / "results"


def rewrite_the_baseline(results: Path, *, factor: float, image: str | None = None) -> None:
    """As if the baseline had counted otherwise, perhaps with another image."""
    (stored,) = store.load_runs([results]).runs
    (found,) = stored.document.measurements
    assert isinstance(found.latency, Latency)
    (start,) = found.latency.starts
    counts = tuple(round(count * factor) for count in start.timed_counts)
    latency = replace(found.latency, starts=(replace(start, timed_counts=counts),))
    provenance = replace(found.provenance, image_sha256=image or found.provenance.image_sha256)
    stored.path.unlink()
    store.save_run(
        RunDocument(stored.document.run_id, (replace(found, latency=latency, provenance=provenance),)),
        results,
    )


def test_a_good_night_against_its_baseline(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("suite", "night.toml", "--baseline", "main", "--confirm", "--json", "s.json") == 0
    assert capsys.readouterr().out.endswith("4 same\n")
    assert json.loads(Path("s.json").read_text())["gate"]["status"] == 0


def test_a_regression_is_confirmed_the_same_night_and_is_a_failure_in_junit(
    night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite_the_baseline(night, factor=0.9, image="00" * 32)
    status = run("suite", "night.toml", "--baseline", "main", "--confirm", "--junit", "j.xml")
    printed = capsys.readouterr()
    assert status == 1
    assert "run once more" in printed.err
    assert "found again" in printed.out
    suite = ElementTree.parse("j.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")
    (failure,) = suite.iter("failure")
    assert failure.get("type") == "regression"
    assert str(failure.get("message")).startswith("latency +11.11 %")


def test_an_unchanged_image_that_counts_otherwise_is_an_error_of_the_lab(night: Path) -> None:
    rewrite_the_baseline(night, factor=0.9)
    assert run("suite", "night.toml", "--baseline", "main", "--junit", "j.xml") == 3
    (error,) = ElementTree.parse("j.xml").getroot().iter("error")
    assert error.get("type") == "lab"
    assert "the same image counted otherwise" in str(error.get("message"))


def test_the_baselines_image_is_run_in_turns_and_tells_a_lab_that_moved(
    night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another image, which takes as long as the candidate's now, and not what its record says."""
    board, (model,) = load_board("stm32h747i-disco"), (night / "images").glob("*.tflite")
    data = simulated_image(board, model.read_bytes(), model_name="other", engine="aot", kernels=ORACLE)
    sha256 = image.read(data).image_sha256.hex()
    rewrite_the_baseline(night, factor=0.9, image=sha256)
    assert kept.keep(night, sha256, kept.IMAGE, data) == ""
    assert run("suite", "night.toml", "--baseline", "main", "--confirm", "--json", "s.json") == 3
    assert "run again the baseline's image took 16.94" in Path("s.json").read_text()
    (candidate,) = (night / "confirmations").iterdir()
    ran = [store.load_run(path).document.measurements[0] for path in sorted(candidate.rglob("*.json"))]
    assert sorted(one.provenance.image_sha256 == sha256 for one in ran) == [False, True]


def test_a_kept_file_of_a_wrong_name_does_not_pass_for_the_image(night: Path) -> None:
    (found,) = (night / "images").glob("*.bin")
    rewrite_the_baseline(night, factor=0.9, image="ab" * 32)
    shutil.copy(found, found.with_name(f"{'ab' * 32}.bin"))
    assert run("suite", "night.toml", "--baseline", "main", "--confirm", "--json", "s.json") == 4
    assert f"ran, and not {'ab' * 6}" in Path("s.json").read_text()


def test_a_baseline_that_is_not_there_costs_no_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("night.toml").write_text(SUITE)
    assert run("suite", "night.toml", "--baseline", "main") == 2
    assert run("suite", "night.toml", "--confirm") == 2
    assert not Path("results").exists()


def test_what_a_baseline_ran_is_kept_and_the_rest_is_pruned_oldest_first(night: Path) -> None:
    for number in range(3):
        assert kept.keep(night, f"{number:064x}", kept.IMAGE, bytes(1000)) == ""
    with open_history(night) as history:
        (point, *_) = history.points(run.run_id for run in history.runs())
    assert {point.image_sha256, point.model_sha256} <= pinned(night)
    assert kept.prune(night, lambda: pinned(night), limit_bytes=0) == 3
    assert kept.find(night, point.image_sha256, kept.IMAGE)
    assert kept.find(night, point.model_sha256, kept.MODEL)


def test_an_image_that_is_not_for_the_board_or_the_model_is_refused(
    night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (built,) = (night / "images").glob("*.bin")
    assert run("run", "--board", "stm32h747i-disco", "--sim", "--image", built, "--quiet") == 0
    assert run("run", "--board", "nucleo-f401re", "--sim", "--image", built) == 2
    assert "for a chip 0x450, not 0x433" in capsys.readouterr().err
    other = ("--model", "fdmobilenet_0.25_224_int8")
    assert run("run", "--board", "stm32h747i-disco", "--sim", "--image", built, *other) == 2
    assert "of model" in capsys.readouterr().err
    assert run("run", "--board", "stm32h747i-disco", "--sim", "--image", "night.toml") == 2
    assert run("run", "--board", "stm32mp157f-dk2", "--sim", "--image", built) == 2


def test_two_models_of_one_name_on_a_linux_board_are_run_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("night.toml").write_text(
        'name = "n"\ntarget = "sim"\n[[matrix]]\nboards = ["stm32mp157f-dk2"]\nmodels = ["m.tflite"]\n'
        "starts = [12]\nruns = [3]\n"
    )
    shutil.copy(resolve_model("fdmobilenet_0.25_128_int8"), "m.tflite")
    assert run("suite", "night.toml") == 0
    assert run("baseline", "set", "main") == 0
    shutil.copy(resolve_model("st_fdmobilenet_v1_128_int8"), "m.tflite")
    across = ("--across", "model_sha256", "--across", "input_sha256", "--confirm")
    assert run("suite", "night.toml", "--baseline", "main", *across, "--json", "s.json") == 1
    cells = {one["metric"]: one for one in json.loads(Path("s.json").read_text())["gate"]["cells"]}
    assert (cells["latency"]["verdict"], cells["latency"]["reason"]) == ("regressed", "found again 2 times")
    ran = [
        store.load_run(path).document.measurements[0].case.model_sha256
        for path in sorted(Path("results/confirmations").rglob("2*.json"))
    ]
    assert sorted(Counter(ran).values()) == [2, 2], "two rounds, which all metrics share"
