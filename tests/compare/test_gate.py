from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import night_factory as nights
import numpy
import pytest
import record_factory as factory

from benchrunner.compare import Baseline, Report, Settings, Verdict, baselines, check, gate
from benchrunner.compare.baselines import State, Triage
from benchrunner.compare.finding import Again
from benchrunner.errors import BoardError
from benchrunner.history import Point, open_history
from benchrunner.record import Measurement

CREATED_AT = "2026-01-01"


def noisy(
    random: numpy.random.Generator, factor: float = 1.0, *, model: str = "m", **changes: object
) -> Measurement:
    """Five starts of 20 inferences: 0.3 % between the starts, 0.1 % within."""
    starts = [
        (20_000_000 * factor * (1 + level + random.normal(0, 0.001, 20))).astype(int).tolist()
        for level in random.normal(0, 0.003, 5)
    ]
    return nights.linux(nights.linux_latency(*starts), case={"model": model}, **changes)


def exact(
    cycles: int, *, model: str = "m", image: str = "e5", board: str = "stm32h747i-disco"
) -> Measurement:
    return factory.measurement(
        case={"model": model, "board": board},
        latency=factory.timed(*[cycles] * 10, cold=cycles),
        provenance=nights.provenance(image_sha256=image * 32),
    )


def restarts(factor: float, base: float = 20.0, *, keeps: bool = True) -> Callable[..., Again]:
    """A lab in which the candidate takes `factor` times as long as the baseline."""
    random = numpy.random.default_rng(9)

    def again(candidate: Point, baseline: Point, count: int, canary: Point | None) -> Again:
        drawn = random.normal(1, 0.003, (2, count)) * base
        return Again(tuple(drawn[0] * factor), tuple(drawn[1]) if keeps else ())

    return again


class Lab:
    """A folder with nights, and the baseline set at the first of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ids = folder, []
        self.baseline = Baseline("main", (), CREATED_AT)

    def night(self, *measurements: Measurement, **provenance: object) -> None:
        self.ids.append(nights.save_night(self.folder, len(self.ids), *measurements, **provenance))
        if not self.baseline.run_ids:
            self.baseline = replace(self.baseline, run_ids=(self.ids[0],))

    def check(self, **options: object) -> Report:
        with open_history(self.folder) as history:
            return check(history, self.baseline, [self.ids[-1]], **options)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def latency(report: Report) -> gate.Finding:
    (found,) = [finding for finding in report.findings if finding.key.metric == "latency"]
    return found


def noisy_nights(lab: Lab, count: int) -> numpy.random.Generator:
    random = numpy.random.default_rng(1)
    for night in range(count):
        lab.night(noisy(random), revision=f"{night:07x}", image_sha256=f"{night:064x}")
    return random


def test_a_night_like_the_baseline_is_good(lab: Lab) -> None:
    noisy_nights(lab, 12)
    report = lab.check()
    assert report.status == 0
    assert {finding.verdict for finding in report.findings} == {Verdict.SAME}
    assert report.alarms == ()


def test_a_step_is_a_suspect_until_it_was_run_again(lab: Lab) -> None:
    lab.night(noisy(noisy_nights(lab, 12), 1.02), image_sha256="ff" * 32)
    report = lab.check()
    assert (latency(report).verdict, report.status) == (Verdict.SUSPECT, 4)
    assert "--confirm" in latency(report).note


def test_a_step_found_again_in_both_rounds_is_a_regression(lab: Lab) -> None:
    lab.night(noisy(noisy_nights(lab, 12), 1.02), image_sha256="ff" * 32)
    told: list[str] = []
    report = lab.check(rerun=restarts(1.02), told=told.append)
    found = latency(report)
    assert (found.verdict, found.confirmed, report.status) == (Verdict.REGRESSED, True, 1)
    assert found.comparison.change_percent == pytest.approx(2, abs=0.3)
    low, high = found.comparison.interval_percent or (0, 0)
    assert 1.4 < low < 2 < high < 2.6
    assert [text.rpartition("(")[2] for text in told if " latency " in text] == ["1 of 2)", "2 of 2)"]
    (alarm,) = [one for one in report.alarms if one.scope == "case"]
    assert found in alarm.findings


def test_a_step_that_is_not_found_again_is_no_alarm(lab: Lab) -> None:
    lab.night(noisy(noisy_nights(lab, 12), 1.02), image_sha256="ff" * 32)
    report = lab.check(rerun=restarts(1.0))
    assert (latency(report).verdict, latency(report).comparison.reason) == (Verdict.SAME, "not found again")
    assert report.status == 0


def test_a_faster_night_is_no_alarm(lab: Lab) -> None:
    lab.night(noisy(noisy_nights(lab, 12), 0.97), image_sha256="ff" * 32)
    report = lab.check(rerun=restarts(0.97))
    assert (latency(report).verdict, report.status) == (Verdict.IMPROVED, 0)


def test_a_better_night_within_the_scatter_of_its_starts_is_no_improvement(lab: Lab) -> None:
    """Five starts of 5.5 to 10 ms, of which the night's median takes now one and now its neighbour."""

    def starts(*of_starts: int) -> Measurement:
        return nights.linux(nights.linux_latency(*([value] * 20 for value in of_starts)), case={"model": "m"})

    for night in range(8):
        middle = 20_000_000 if night in (0, 7) else 20_500_000
        lab.night(starts(36_000_000, middle, 19_300_000, 20_600_000, 19_500_000), revision=f"{night:07x}")
    found = latency(lab.check())
    assert (found.verdict, found.comparison.reason) == (
        Verdict.SAME, "better than its nights by less than its starts scatter",
    )  # fmt: skip


def test_without_the_baselines_image_its_nights_are_compared_and_that_is_said(lab: Lab) -> None:
    lab.night(noisy(noisy_nights(lab, 12), 1.03), image_sha256="ff" * 32)
    report = lab.check(rerun=restarts(1.03, keeps=False))
    found = latency(report)
    assert (found.verdict, found.confirmed, report.status) == (Verdict.INCONCLUSIVE, False, 4)
    assert "cannot be run" in found.note
    assert "found again 2 times" in found.comparison.reason
    trusting = lab.check(rerun=restarts(1.03, keeps=False), settings=Settings(trust_nights=True))
    assert (latency(trusting).verdict, trusting.status) == (Verdict.REGRESSED, 1)


def test_too_few_restarts_decide_nothing(lab: Lab) -> None:
    lab.night(noisy(noisy_nights(lab, 12), 1.02), image_sha256="ff" * 32)
    report = lab.check(rerun=restarts(1.02), settings=Settings(restarts=4))
    assert (latency(report).verdict, report.status) == (Verdict.INCONCLUSIVE, 4)
    assert latency(report).comparison.reason == "4 restarts against 4 are too few"


def test_a_board_that_does_not_run_again_is_inconclusive_with_its_reason(lab: Lab) -> None:
    lab.night(noisy(noisy_nights(lab, 12), 1.02), image_sha256="ff" * 32)

    def gone(candidate: Point, baseline: Point, count: int, canary: Point | None) -> Again:
        raise BoardError("the board does not answer")

    report = lab.check(rerun=gone)
    assert (latency(report).verdict, report.status) == (Verdict.INCONCLUSIVE, 4)
    assert "the board does not answer" in latency(report).comparison.reason


def test_the_same_image_in_another_time_is_the_labs_fault(lab: Lab) -> None:
    random = numpy.random.default_rng(1)
    for factor in [1.0] * 12 + [1.02]:
        lab.night(noisy(random, factor))
    report = lab.check(rerun=restarts(1.02))
    assert (latency(report).verdict, report.status) == (Verdict.LAB_FAULT, 3)


@pytest.mark.parametrize(
    ("image", "cycles", "verdict", "status"),
    [
        ("e5", 7_000_000, Verdict.SAME, 0),
        ("e5", 7_000_001, Verdict.LAB_FAULT, 3),
        ("f6", 7_000_001, Verdict.SAME, 0),
        ("f6", 7_070_000, Verdict.REGRESSED, 1),
        ("f6", 6_900_000, Verdict.IMPROVED, 0),
    ],
)
def test_an_exact_count_needs_no_history(
    lab: Lab, image: str, cycles: int, verdict: Verdict, status: int
) -> None:
    lab.night(exact(7_000_000))
    lab.night(exact(cycles, image=image))
    report = lab.check()
    assert (latency(report).verdict, report.status) == (verdict, status)


def test_an_exact_count_that_does_not_come_again_is_the_labs_fault(lab: Lab) -> None:
    lab.night(exact(7_000_000))
    lab.night(exact(7_070_000, image="f6"))
    ms = 7_000_000 / 400_000
    assert lab.check(rerun=lambda *_: Again((ms * 1.01,))).status == 1
    report = lab.check(rerun=lambda *_: Again((ms,)))
    assert (latency(report).verdict, report.status) == (Verdict.LAB_FAULT, 3)
    assert "not 17.675" in latency(report).comparison.reason


def test_one_byte_more_of_flash_is_a_regression(lab: Lab) -> None:
    lab.night(exact(7_000_000))
    more = replace(factory.FOOTPRINT, weights_flash_bytes=131_397)
    lab.night(replace(exact(7_000_000, image="f6"), footprint=more))
    report = lab.check()
    assert [f.key.metric for f in report.findings if f.verdict is Verdict.REGRESSED] == ["weights_flash"]
    assert report.status == 1


def test_a_regression_comes_before_a_lab_fault_before_doubt(lab: Lab) -> None:
    random = numpy.random.default_rng(1)
    for _ in range(9):
        lab.night(exact(7_000_000, model="lab"), exact(7_000_000, model="code"), noisy(random, model="noise"))
    changed = exact(7_000_001, model="lab"), noisy(random, 1.05, model="noise")
    lab.night(*changed, exact(7_000_000, model="code"))
    assert lab.check().status == 3
    lab.night(*changed, exact(7_700_000, model="code", image="f6"))
    assert lab.check().status == 1
    lab.night(noisy(random, 1.05, model="noise"), *[exact(7_000_000, model=name) for name in ("lab", "code")])
    assert lab.check().status == 4


def test_a_case_that_fails_now_is_a_failure_and_one_that_is_not_there_is_missing(lab: Lab) -> None:
    lab.night(exact(7_000_000, model="a"), exact(7_000_000, model="b"))
    failed = factory.failed("5 of 5 output values differ")
    lab.night(replace(failed, case=replace(failed.case, model="a")))
    report = lab.check()
    assert {(f.key.model, f.verdict) for f in report.findings} == {
        ("a", Verdict.FAILED),
        ("b", Verdict.MISSING),
    }
    assert report.status == 1
    assert "5 of 5 output values differ" in report.findings[0].comparison.reason


def test_another_environment_is_not_compared_and_named(lab: Lab) -> None:
    random = noisy_nights(lab, 8)
    lab.night(noisy(random, 1.2, conditions={"kernel": "6.12.1", "governor": "performance"}))
    report = lab.check()
    assert latency(report).verdict is Verdict.UNLIKE
    assert latency(report).comparison.reason == "kernel 6.6.48 -> 6.12.1"
    assert report.alarms == ()
    assert report.status == 4


def test_a_canary_that_moved_clears_the_code_and_blames_the_board(lab: Lab) -> None:
    lab.baseline = replace(lab.baseline, canary="canary")
    lab.night(exact(7_000_000, model="canary"), exact(9_000_000, model="code"))
    lab.night(exact(7_140_000, model="canary"), exact(9_180_000, model="code", image="f6"))
    report = lab.check()
    assert {f.verdict for f in report.findings if f.key.metric == "latency"} == {Verdict.LAB_FAULT}
    assert report.status == 3
    reasons = [f.comparison.reason for f in report.findings if f.key.model == "code" and f.verdict.moved]
    assert all("the canary canary moved by +2.00 %" in reason for reason in reasons)


@pytest.mark.parametrize(("boards", "scopes"), [(1, ["board"]), (3, ["lab"])])
def test_a_board_or_a_lab_that_moves_as_a_whole_is_one_alarm(
    lab: Lab, boards: int, scopes: list[str]
) -> None:
    names = ["stm32h747i-disco", "b-u585i-iot02a", "nucleo-l4r5zi"]

    def night(cycles: int, image: str) -> list[Measurement]:
        return [
            exact(cycles if number < boards else 7_000_000, model=model, image=image, board=board)
            for number, board in enumerate(names)
            for model in "abc"
        ]

    lab.night(*night(7_000_000, "e5"))
    lab.night(*night(7_700_000, "f6"))
    report = lab.check()
    assert [alarm.scope for alarm in report.alarms] == scopes
    assert len({finding.key.cell_id for finding in report.alarms[0].findings}) == boards * 3


BOARDS = ["stm32h747i-disco", "b-u585i-iot02a", "nucleo-l4r5zi"]


@pytest.mark.parametrize(
    ("moved", "scopes"),
    [
        ({}, []),
        ({"a": [1.1]}, ["case"]),
        ({"ab": [1.1]}, ["board"]),
        ({"ab": [1.1] * 2}, ["board", "board"]),
        ({"ab": [1.1] * 3}, ["lab"]),
        ({"a": [1.1], "b": [0.9]}, ["case"]),
        ({"a": [1.1] * 3}, ["case", "case", "case"]),
    ],
)
def test_both_cases_of_a_board_that_move_in_one_direction_are_that_board(
    lab: Lab, moved: dict[str, list[float]], scopes: list[str]
) -> None:
    def night(moved: dict[str, list[float]], image: str) -> list[Measurement]:
        factors = {(m, b): f for models, by in moved.items() for m in models for b, f in enumerate(by)}
        return [
            exact(round(7_000_000 * factors.get((model, number), 1)), model=model, image=image, board=board)
            for number, board in enumerate(BOARDS)
            for model in "ab"
        ]

    lab.night(*night({}, "e5"))
    lab.night(*night(moved, "f6"))
    report = lab.check()
    assert [alarm.scope for alarm in report.alarms] == scopes
    if scopes == ["board"]:
        assert report.alarms[0].what == "stm32h747i-disco: 2 of 2 cases moved"


@pytest.mark.parametrize(
    ("factors", "scopes"), [((1.1, 1.1), ["board"]), ((1.1, 0.9), ["board"]), ((1.1,), ["case"])]
)
def test_lab_faults_of_both_cases_are_the_boards_however_they_moved(
    lab: Lab, factors: tuple[float, ...], scopes: list[str]
) -> None:
    lab.night(*(exact(7_000_000, model=model) for model, _ in zip("ab", factors, strict=False)))
    lab.night(*(exact(round(7_000_000 * by), model=model) for model, by in zip("ab", factors, strict=False)))
    report = lab.check()
    assert report.status == 3
    assert [alarm.scope for alarm in report.alarms] == scopes


def test_two_of_three_cases_that_moved_are_two_cases(lab: Lab) -> None:
    lab.night(*(exact(7_000_000, model=model) for model in "abc"))
    lab.night(*(exact(7_000_000 if model == "c" else 7_700_000, model=model, image="f6") for model in "abc"))
    assert [alarm.scope for alarm in lab.check().alarms] == ["case", "case"]


def test_an_acknowledged_change_is_silent_until_it_moves_again(lab: Lab) -> None:
    lab.night(exact(7_000_000))
    lab.night(exact(7_070_000, image="f6"))
    for finding in lab.check().findings:
        if finding.verdict is Verdict.REGRESSED and finding.comparison.after is not None:
            decision = Triage(
                finding.key.cell_id, finding.key.label, State.ACKNOWLEDGED, lab.ids[-1],
                finding.comparison.after.median, "a..b", "known, #12", CREATED_AT,
            )  # fmt: skip
            lab.baseline = lab.baseline.decided(decision)
    report = lab.check()
    assert (report.status, report.alarms, latency(report).known) == (0, (), State.ACKNOWLEDGED)
    lab.night(exact(7_700_000, image="a7"))
    assert lab.check().status == 1


def test_an_expected_change_is_the_new_baseline_of_its_cell_alone(lab: Lab) -> None:
    lab.night(exact(7_000_000, model="a"), exact(7_000_000, model="b"))
    lab.night(exact(7_070_000, model="a", image="f6"), exact(7_000_000, model="b"))
    for finding in lab.check().findings:
        if finding.verdict is Verdict.REGRESSED:
            lab.baseline = lab.baseline.decided(
                Triage(finding.key.cell_id, "", State.EXPECTED, lab.ids[-1], 0.0, "", "", CREATED_AT)
            )
    assert lab.check().status == 0
    lab.night(exact(7_000_000, model="a", image="a7"), exact(7_000_000, model="b"))
    assert {f.key.model for f in lab.check().findings if f.verdict is Verdict.IMPROVED} == {"a"}


def test_limits_learned_when_the_baseline_was_set_hold_from_the_first_night(lab: Lab) -> None:
    random = noisy_nights(lab, 20)
    with open_history(lab.folder) as history:
        limits = gate.limits_of(history, [lab.ids[-1]], Settings())
    cell = next(limit for limit in limits.values() if limit.percent)
    assert cell.nights == 20
    assert 0.3 < cell.percent < 2
    lab.baseline = Baseline("main", (lab.ids[-1],), CREATED_AT, limits=limits)
    baselines.save_baseline(lab.folder, lab.baseline)
    assert baselines.load_baseline(lab.folder, "main") == lab.baseline
    lab.night(noisy(random, 1.05), image_sha256="ff" * 32)
    assert latency(lab.check()).verdict is Verdict.SUSPECT
