"""compare, baseline, check and history as a person types them; re-runs are real, on the simulated board."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import night_factory as nights
import pytest
import record_factory as factory

from benchrunner import cli, store
from benchrunner.record import Latency, Measurement


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main([*map(str, arguments)])
    return int(caught.value.code or 0)


def exact(cycles: int, image: str = "e5") -> Measurement:
    return factory.measurement(
        latency=factory.timed(*[cycles] * 10, cold=cycles),
        provenance=nights.provenance(image_sha256=image * 32, revision=f"{image * 6}"),
    )


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two nights; the second has 1 % more cycles."""
    monkeypatch.chdir(tmp_path)
    nights.save_night(tmp_path / "results", 0, exact(7_000_000))
    nights.save_night(tmp_path / "results", 1, exact(7_070_000, "f6"))
    return tmp_path / "results"


def test_compare_prints_change_and_verdict(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "2026-01-01", "latest", "--metric", "latency") == 0
    printed = capsys.readouterr()
    assert "17.5 ms" in printed.out
    assert "+1.00 %" in printed.out
    assert "regressed" in printed.out
    assert printed.out.endswith("0 of 1 cell the same\n")
    assert printed.err == ""


@pytest.mark.parametrize("layout", ["markdown", "json"])
def test_compare_speaks_markdown_and_json(
    results: Path, capsys: pytest.CaptureFixture[str], layout: str
) -> None:
    assert run("compare", "e5e5e5e", "f6f6f6f", "--metric", "latency", "--format", layout) == 0
    out = capsys.readouterr().out
    if layout == "json":
        (cell,) = json.loads(out)
        assert (cell["verdict"], cell["change_percent"]) == ("regressed", pytest.approx(1.0))
        assert cell["after"]["run_ids"] == [nights.run_id(1)]
    else:
        assert out.startswith("### e5e5e5e and f6f6f6f\n\n| Case")


def test_compare_refuses_unlike_cells_with_the_condition(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nights.save_night(results, 2, exact(7_000_000), place="desk-2")
    assert run("compare", "2026-01-01", "latest", "--metric", "latency") == 4
    assert "place simulated -> desk-2" in capsys.readouterr().out
    assert run("compare", "2026-01-01", "latest", "--metric", "latency", "--across", "place") == 0


def test_an_unknown_metric_is_a_usage_error(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", "latest", "latest", "--metric", "speed") == 2
    assert "one of latency, cold" in capsys.readouterr().err


def test_the_gate_from_baseline_to_junit(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("baseline", "set", "main", "2026-01-01", "--note", "first") == 0
    assert "1 run, 8 cells" in capsys.readouterr().out
    assert run("check", "--baseline", "main", "--junit", "gate.xml") == 1
    printed = capsys.readouterr().out
    assert "case: stm32h747i-disco aot fdmobilenet_0.25_128" in printed
    assert printed.splitlines()[-1] == "6 same, 1 regressed, 1 not judged"
    suite = ElementTree.parse("gate.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("8", "1", "0")
    (failure,) = suite.iter("failure")
    assert (failure.get("type"), failure.get("message")) == ("regressed", "+1.00 %")
    assert run("check", "2026-01-01", "--baseline", "main") == 0


def test_the_gate_refuses_what_ran_elsewhere_and_says_so_in_one_line(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("baseline", "set", "main", "2026-01-01")
    nights.save_night(results, 2, exact(7_700_000), place="desk-2")
    capsys.readouterr()
    assert run("check", "--baseline", "main") == 4
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ! conditions")]
    assert "2 cells of 1 case not compared: place simulated -> desk-2; latency is +10.00 %" in line
    assert run("check", "--baseline", "main", "--json") == 4
    (found,) = json.loads(capsys.readouterr().out)["unlike"]
    assert (found["differing"], found["cells"]) == ({"place": "simulated -> desk-2"}, 2)
    assert run("check", "--baseline", "main", "--across", "place") == 3, "the same image counted otherwise"


def test_a_canary_is_declared_later_and_the_level_stays(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("baseline", "set", "main", "2026-01-01")
    assert run("baseline", "canary", "main", "other") == 2
    assert "put it into the suite; there are fdmobilenet_0.25_128" in capsys.readouterr().err
    assert run("baseline", "canary", "main", "fdmobilenet_0.25_128") == 0
    assert "measured on stm32h747i-disco" in capsys.readouterr().out
    assert run("baseline", "show", "main") == 0
    printed = capsys.readouterr().out
    assert "canary: fdmobilenet_0.25_128" in printed
    assert f"runs: {nights.run_id(0)}" in printed
    assert run("baseline", "canary", "main", "") == 0
    assert capsys.readouterr().out == "canary of main: none\n"


def test_the_gate_as_json(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("baseline", "set", "main", "2026-01-01")
    capsys.readouterr()
    assert run("check", "--baseline", "main", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert report["status"] == 1
    assert [one["metric"] for one in report["cells"] if one["verdict"] == "regressed"] == ["latency"]
    assert [alarm["scope"] for alarm in report["alarms"]] == ["case"]


@pytest.mark.parametrize("state", ["acknowledged", "expected"])
def test_a_decision_ends_the_alarm_and_is_shown(
    results: Path, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    run("baseline", "set", "main", "2026-01-01")
    assert run("baseline", "decide", "main", state, "fdmobilenet latency", "--note", "new kernels") == 0
    assert run("check", "--baseline", "main") == 0
    capsys.readouterr()
    assert run("baseline", "show", "main") == 0
    printed = capsys.readouterr().out
    assert f"{state}: stm32h747i-disco aot" in printed
    assert "(e5e5e5e5e5e5..f6f6f6f6f6f6) new kernels" in printed
    assert run("baseline", "decide", "main", "open", "fdmobilenet latency") == 0
    assert run("check", "--baseline", "main") == (1 if state == "acknowledged" else 0)


def test_a_canary_must_be_among_the_models(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("baseline", "set", "main", "--canary", "other") == 2
    assert "fdmobilenet_0.25_128" in capsys.readouterr().err
    assert run("baseline", "set", "main", "--canary", "fdmobilenet_0.25_128") == 0
    assert run("baseline", "list") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("main  20")


def test_history_lists_cells_and_shows_the_change_with_its_revisions(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("history") == 0
    assert len(capsys.readouterr().out.splitlines()) == 8
    for night in range(2, 12):
        nights.save_night(results, night, exact(7_070_000 if night < 6 else 7_777_000, "f6"))
    assert run("history", "h747i latency") == 0
    printed = capsys.readouterr().out
    assert "2026-01-07  17.68 ms -> 19.44 ms  +10.00 %  f6f6f6f6f6f6..f6f6f6f6f6f6" in printed
    assert run("history", "latency", "--json") == 0
    (cell,) = json.loads(capsys.readouterr().out)
    assert [change["percent"] for change in cell["eras"][0]["changes"]] == pytest.approx([10.0], abs=0.1)
    assert run("history", "flash", "--changes") == 0
    assert capsys.readouterr().out == ""
    assert run("history", "nothing of the kind") == 2


def test_a_suspect_is_run_again_by_the_command_of_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["benchrunner", "run", "--board", "stm32h747i-disco", "--sim", "--quiet"])
    assert run("run", "--board", "stm32h747i-disco", "--sim", "--quiet") == 0
    (stored,) = store.load_runs(Path("results")).runs
    (now,) = stored.document.measurements
    assert isinstance(now.latency, Latency)
    start = now.latency.starts[0]
    faster = tuple(count * 9 // 10 for count in start.timed_counts)
    before = replace(
        now,
        latency=replace(now.latency, starts=(replace(start, timed_counts=faster),)),
        provenance=replace(now.provenance, image_sha256="00" * 32),
    )
    nights.save_night(Path("results"), 0, before)
    assert run("baseline", "set", "main", nights.run_id(0)) == 0
    assert run("check", stored.document.run_id, "--baseline", "main", "--confirm") == 1
    printed = capsys.readouterr()
    assert "run once more" in printed.err
    assert "found again" in printed.out
    assert "is not kept" not in printed.err
    (again,) = Path("results/confirmations").rglob("2*.json")  # evidence, and no night of its own
    assert len(store.load_runs([Path("results")]).runs) == 2
    assert store.load_run(again).document.measurements[0].provenance.image_sha256 == (
        now.provenance.image_sha256
    )
