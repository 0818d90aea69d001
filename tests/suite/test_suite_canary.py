"""Nights of a simulated Linux board as a person types them: baseline, canary, re-runs, exit status."""

import hashlib
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import night_factory as nights
import pytest

from benchrunner import cli, store
from benchrunner.record import Latency, Measurement
from benchrunner.zoo import resolve_model

CASE, CANARY = "fdmobilenet_0.25_128_int8", "st_fdmobilenet_v1_128_int8"
SUITE = """\
name = "night"
target = "sim"
tune = true
[[matrix]]
boards = ["stm32mp157f-dk2"]
models = ["{CASE}", "{CANARY}"]
starts = [12]
runs = [3]
faults = [{faults}]
"""
NIGHTS = 7


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main([*map(str, arguments)])
    return int(caught.value.code or 0)


def suite(*faults: str) -> None:
    named = ", ".join(f'"{fault}"' for fault in faults)
    Path("night.toml").write_text(SUITE.format(CASE=CASE, CANARY=CANARY, faults=named))


def scaled(found: Measurement, factors: list[float]) -> Measurement:
    """As if every start had taken so many times as long."""
    assert isinstance(found.latency, Latency)
    starts = tuple(
        replace(
            start,
            cold_counts=round(start.cold_counts * factor) if isinstance(start.cold_counts, int) else 0,
            timed_counts=tuple(round(count * factor) for count in start.timed_counts),
        )
        for start, factor in zip(found.latency.starts, factors, strict=True)
    )
    return replace(found, latency=replace(found.latency, starts=starts))


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> list[Measurement]:
    """The case and the canary as the simulated board really ran them."""
    folder = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        suite()
        assert run("suite", "night.toml") == 0
    return [run.document.measurements[0] for run in store.load_runs([folder / "results"]).runs]


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_night: list[Measurement]) -> Path:
    """Seven nights, the first of them the baseline: the board drifts, starts vary by 0.3 %."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(7)
    for night in range(NIGHTS):
        board = draw.uniform(0.99, 1.01)
        for number, found in enumerate(first_night):
            factors = [board * draw.gauss(1, 0.003) for _ in range(12)]
            nights.save_night(
                tmp_path / "results",
                night,
                scaled(found, factors),
                number=number,
                suite_run=nights.run_id(night),
            )
    suite()
    assert run("baseline", "set", "main", "2026-01-01", "--canary", CANARY) == 0
    return tmp_path / "results"


def cells(path: str, model: str = CASE) -> dict[str, dict[str, object]]:
    gate = json.loads(Path(path).read_text())["gate"]
    return {cell["metric"]: cell for cell in gate["cells"] if f" {model} " in cell["case"]}


def test_a_night_in_which_nothing_changed_is_good(results: Path) -> None:
    assert run("suite", "night.toml", "--baseline", "main", "--confirm", "--json", "s.json") == 0
    assert cells("s.json")["latency"]["verdict"] == "same"
    assert not (results / "confirmations").exists()


def test_a_slower_program_is_a_regression_where_there_is_a_canary_and_else_stays_open(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sha256 = hashlib.sha256(resolve_model(CASE).read_bytes()).hexdigest()
    suite(f"slow-model={sha256[:8]}:1.05")
    assert run("suite", "night.toml", "--baseline", "main") == 4, "suspects that were not run again"

    assert run("baseline", "canary", "main", "") == 0
    capsys.readouterr()
    assert run("check", "--baseline", "main", "--confirm", "--json") == 4
    assert "benchrunner baseline canary NAME MODEL" in capsys.readouterr().out

    assert run("baseline", "canary", "main", CANARY) == 0
    assert "measured on stm32mp157f-dk2" in capsys.readouterr().out
    again = ("--baseline", "main", "--confirm", "--json", "--junit", "j.xml")
    before = set((results / "confirmations").rglob("2*.json"))
    assert run("check", *again) == 1
    printed = capsys.readouterr().out
    assert "against the canary: it by +" in printed
    assert f"in turns with the canary {CANARY}; nothing recorded differs" in printed
    ran = set((results / "confirmations").rglob("2*.json")) - before
    models = [store.load_run(path).document.measurements[0].case.model for path in ran]
    assert Counter(models) == {CASE: 2, CANARY: 2}, "two rounds, which all metrics share"
    failed = [
        str(case.get("name")) for case in ElementTree.parse("j.xml").getroot().iter("testcase")
        if case.find("failure") is not None
    ]  # fmt: skip
    assert any(" latency " in name for name in failed)
    assert all(f" {CASE} " in name for name in failed), "and of the canary nothing"


def test_a_slower_board_is_the_labs_fault(results: Path) -> None:
    suite("slow-board=1.05")
    assert run("suite", "night.toml", "--baseline", "main", "--confirm", "--json", "s.json") == 3
    case, canary = cells("s.json")["latency"], cells("s.json", CANARY)["latency"]
    assert (case["verdict"], canary["verdict"]) == ("lab fault", "lab fault")
    assert "the board moved, not the program" in str(case["reason"])
    assert "it never changes" in str(canary["reason"])


def test_a_bad_moment_that_does_not_come_again_is_cleared(results: Path) -> None:
    assert run("suite", "night.toml") == 0
    tonight = store.load_runs([results]).runs[2 * NIGHTS :]
    (bad,) = [one for one in tonight if one.document.measurements[0].case.model == CASE]
    (found,) = bad.document.measurements
    bad.path.unlink()
    store.save_run(replace(bad.document, measurements=(scaled(found, [1.05] * 12),)), results)
    assert run("check", "--baseline", "main") == 4
    assert run("check", "--baseline", "main", "--confirm") == 0
