from dataclasses import replace
from pathlib import Path
from typing import Any

import night_factory as nights
import numpy
import pytest
import record_factory as factory

from benchrunner.compare import Comparison, Settings, Verdict, select, verdicts
from benchrunner.compare.baselines import Baseline, list_baselines, load_baseline, save_baseline
from benchrunner.errors import StoreError, UsageError
from benchrunner.history import open_history
from benchrunner.record import Fidelity, Measurement, NotMeasured


def compared(folder: Path, before: Measurement, after: Measurement, **settings: Any) -> dict[str, Comparison]:
    first, second = nights.save_night(folder, 0, before), nights.save_night(folder, 1, after)
    with open_history(folder) as history:
        found = verdicts(history.points([first]), history.points([second]), Settings(**settings))
    return {one.key.metric: one for one in found}


def drawn(seed: int, factor: float, starts: int = 10) -> Measurement:
    random = numpy.random.default_rng(seed)
    levels = random.normal(0, 0.003, starts)
    counts = [
        (2e7 * factor * (1 + level + random.normal(0, 0.001, 20))).astype(int).tolist() for level in levels
    ]
    return nights.linux(nights.linux_latency(*counts), provenance=nights.provenance(image_sha256=""))


def test_equal_counts_are_the_same(tmp_path: Path) -> None:
    found = compared(tmp_path, factory.MEASUREMENT, factory.MEASUREMENT)
    assert {one.verdict for one in found.values()} == {Verdict.SAME}
    assert found["latency"].change_percent == 0


def test_a_difference_of_noisy_cells_has_an_interval_and_a_p(tmp_path: Path) -> None:
    found = compared(tmp_path, drawn(1, 1.0), drawn(2, 1.03))["latency"]
    assert found.verdict is Verdict.REGRESSED
    low, high = found.interval_percent or (0, 0)
    assert 2 < low < 3 < high < 4
    assert (found.p or 1) < 0.001


def test_noise_is_the_same(tmp_path: Path) -> None:
    found = compared(tmp_path, drawn(1, 1.0), drawn(2, 1.0))["latency"]
    assert found.verdict is Verdict.SAME


def test_one_start_of_a_noisy_cell_decides_nothing_and_says_what_would(tmp_path: Path) -> None:
    found = compared(tmp_path, drawn(1, 1.0, 1), drawn(2, 1.05, 1))["latency"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.p is None
    assert found.reason == "1 starts are too few for a test"


def test_too_few_starts_say_how_many_more_help(tmp_path: Path) -> None:
    found = compared(tmp_path, drawn(1, 1.0, 4), drawn(2, 1.05, 4))["latency"]
    assert (found.verdict, found.advice) == (Verdict.INCONCLUSIVE, "2 more starts for an interval")


@pytest.mark.parametrize(
    ("condition", "change"),
    [
        ("model_sha256", {"case": replace(factory.CASE, model_sha256="ff" * 32)}),
        ("input_sha256", {"case": replace(factory.CASE, input_sha256="ff" * 32)}),
        ("clock_hz", {"case": replace(factory.CASE, clock_hz=480_000_000)}),
        ("fidelity", {"fidelity": Fidelity.MEASURED}),
        ("icache", {"conditions": {**factory.MEASUREMENT.conditions, "icache": False}}),
        ("place", {"provenance": nights.provenance(place="desk-2")}),
        ("timing_model", {"timing_model": NotMeasured("none")}),
    ],
)
def test_unlike_cells_are_refused_by_the_name_of_the_condition(
    tmp_path: Path, condition: str, change: dict[str, Any]
) -> None:
    found = compared(tmp_path, factory.MEASUREMENT, replace(factory.MEASUREMENT, **change))["latency"]
    assert found.verdict is Verdict.UNLIKE
    assert [name for name, _ in found.differing] == [condition]
    assert condition in found.reason
    assert found.change_percent is None


def test_a_condition_may_be_allowed_to_differ(tmp_path: Path) -> None:
    other = factory.measurement(provenance=nights.provenance(place="desk-2"))
    found = compared(tmp_path, factory.MEASUREMENT, other, across=frozenset({"place"}))["latency"]
    assert found.verdict is Verdict.SAME
    assert found.differing == (("place", "simulated -> desk-2"),)


def test_memory_of_an_image_is_compared_wherever_it_ran(tmp_path: Path) -> None:
    other = factory.measurement(provenance=nights.provenance(place="desk-2"))
    found = compared(tmp_path, factory.MEASUREMENT, other)
    assert found["weights_flash"].verdict is Verdict.SAME
    assert found["stack"].verdict is Verdict.SAME


def test_a_metric_of_which_more_is_better_falls(tmp_path: Path) -> None:
    from benchrunner.record import Shares

    def npu(percent: float) -> Measurement:
        shares = Shares(percent, NotMeasured("no GPU"), 100 - percent, "utilisation, sampled")
        return nights.linux(nights.linux_latency([10] * 6), shares=shares)

    found = compared(tmp_path, npu(98.0), npu(11.0))["npu_share"]
    assert found.change_percent == pytest.approx(-88.8, abs=0.1)
    assert found.verdict is Verdict.INCONCLUSIVE  # one sample of what varies
    assert found.key.better == "higher"


def test_cells_of_one_side_alone_are_named(tmp_path: Path) -> None:
    before = nights.linux(nights.linux_latency([10] * 6))
    found = verdicts_of(tmp_path, before, factory.MEASUREMENT)
    assert {one.verdict for one in found} == {Verdict.MISSING, Verdict.NEW}


def verdicts_of(folder: Path, before: Measurement, after: Measurement) -> list[Comparison]:
    first, second = nights.save_night(folder, 0, before), nights.save_night(folder, 1, after)
    with open_history(folder) as history:
        return verdicts(history.points([first]), history.points([second]))


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, list[str]]:
    ids = [
        nights.save_night(tmp_path, 0, revision="599e6ee1aaaa"),
        nights.save_night(tmp_path, 1, suite_run="nightly-1", revision="77aa6ee1aaaa-dirty"),
        nights.save_night(tmp_path, 2, suite_run="nightly-2", revision=""),
        nights.save_night(tmp_path, 2, suite_run="nightly-2", revision="", number=60),
    ]
    return tmp_path, ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("latest", [2, 3]),
        ("nightly-1", [1]),
        ("2026-01-03", [2, 3]),
        ("20260101T", [0]),
        ("599e6ee", [0]),
        ("599e6ee1aaaabbbb", [0]),
        ("77aa6ee1aaaa-dirty", [1]),
        ("release", [0, 1]),
    ],
)
def test_runs_are_named_in_many_ways(runs: tuple[Path, list[str]], text: str, expected: list[int]) -> None:
    folder, ids = runs
    save_baseline(folder, Baseline("release", tuple(ids[:2]), "2026-01-05"))
    with open_history(folder) as history:
        assert select(history, text) == [ids[index] for index in expected]
        assert select(history, ids[1]) == [ids[1]]


def test_without_a_suite_latest_is_the_newest_day(tmp_path: Path) -> None:
    ids = [nights.save_night(tmp_path, night, number=number) for night, number in ((0, 0), (1, 0), (1, 9))]
    with open_history(tmp_path) as history:
        assert select(history, "latest") == ids[1:]


@pytest.mark.parametrize("text", ["nothing", "77aa6ee1aaaa", "2027-01-01", "", "--help"])
def test_what_names_no_run_is_an_error_with_what_there_is(runs: tuple[Path, list[str]], text: str) -> None:
    folder, ids = runs
    with open_history(folder) as history, pytest.raises(UsageError) as caught:
        select(history, text)
    assert ids[-1] in caught.value.hint


def test_the_beginning_of_several_runs_is_ambiguous(runs: tuple[Path, list[str]]) -> None:
    with open_history(runs[0]) as history, pytest.raises(UsageError, match="beginning of 2 run ids"):
        select(history, "20260103T")


def test_baselines_are_files_that_are_listed_and_checked(tmp_path: Path) -> None:
    save_baseline(tmp_path, Baseline("main", ("a", "b"), "2026-01-05", canary="c"))
    assert list_baselines(tmp_path) == ["main"]
    assert load_baseline(tmp_path, "main").run_ids == ("a", "b")
    with pytest.raises(UsageError, match="no such baseline; there is main"):
        load_baseline(tmp_path, "other")
    with pytest.raises(UsageError, match="not a name"):
        load_baseline(tmp_path, "../main")
    (tmp_path / "baselines" / "main.json").write_text('{"version": 1}')
    with pytest.raises(StoreError, match="not a baseline, or damaged"):
        load_baseline(tmp_path, "main")
