"""Suspects whose baseline cannot be run in turns, judged as a multiple of their board's canary."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import night_factory as nights
import numpy
import pytest
import record_factory as factory

from benchrunner.compare import Baseline, Report, Settings, Verdict, check
from benchrunner.compare.finding import Again, Finding
from benchrunner.history import Point, open_history
from benchrunner.record import Measurement, ProcessMemory
from benchrunner.report.comparison import report_fields, report_table, report_text
from benchrunner.report.gate_junit import junit

LEVEL_MS = {"latency": 20.0, "cold": 40.075}  # of 20 inferences the slowest is taken twice for the cold one
BOARD = "stm32mp257f-ev1"


class Lab:
    """A Linux board with a case and a canary; every night moves both of them, by up to 2 per cent."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ids = folder, []
        self.random = numpy.random.default_rng(3)
        self.baseline = Baseline("main", (), "2026-01-01", canary="canary")

    def measured(self, model: str, factor: float, **changes: object) -> Measurement:
        """Five starts: 0.3 % between them, 0.1 % within."""
        starts = [
            (20_000_000 * factor * (1 + level + self.random.normal(0, 0.001, 20))).astype(int).tolist()
            for level in self.random.normal(0, 0.003, 5)
        ]
        case = {"model": model, **dict(changes.pop("settings", {}))}  # type: ignore[call-overload]
        no_image = nights.provenance(image_sha256="")
        return nights.linux(nights.linux_latency(*starts), case=case, provenance=no_image, **changes)

    def night(
        self,
        case: float = 1.0,
        canary: float | None = 1.0,
        board: float | None = None,
        **changes: object,
    ) -> None:
        """`canary` None: not measured in that session."""
        board = 1 + self.random.uniform(-0.02, 0.02) if board is None else board
        found = [self.measured("case", case * board, **changes)]
        if canary is not None:
            found.append(self.measured("canary", canary * board, **changes))
        self.ids.append(nights.save_night(self.folder, len(self.ids), *found))
        if not self.baseline.run_ids:
            self.baseline = replace(self.baseline, run_ids=(self.ids[0],))

    def check(self, **options: object) -> Report:
        with open_history(self.folder) as history:
            return check(history, self.baseline, [self.ids[-1]], **options)


def again(case: float = 1.0, canary: float = 1.0) -> Callable[..., Again]:
    """The board when suspects are run again: what each takes then, as a multiple of what it took."""
    random = numpy.random.default_rng(9)

    def rerun(candidate: Point, baseline: Point, count: int, frozen: Point | None) -> Again:
        drawn = random.normal(1, 0.003, (2, count)) * LEVEL_MS[candidate.key.metric]
        other = tuple(drawn[1] * canary) if frozen is not None else ()
        own = canary if candidate.key.model == "canary" else case
        return Again(tuple(drawn[0] * own), (), "both nights ran the same file", other)

    return rerun


def of(report: Report, model: str = "case", metric: str = "latency") -> Finding:
    (found,) = [one for one in report.findings if (one.key.model, one.key.metric) == (model, metric)]
    return found


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@pytest.fixture
def quiet(lab: Lab) -> Lab:
    """Twelve nights in which nothing changed but the board's mood."""
    for _ in range(12):
        lab.night()
    return lab


def test_a_program_that_is_slower_than_its_canary_allows_is_a_regression(quiet: Lab) -> None:
    quiet.night(case=1.03, board=1.0)
    report = quiet.check(rerun=again(case=1.03))
    found = of(report)
    assert (found.verdict, found.confirmed, report.status) == (Verdict.REGRESSED, True, 1)
    assert found.comparison.change_percent == pytest.approx(3, abs=0.5)
    assert "against the canary: it by +" in found.comparison.reason
    assert "in turns with the canary canary" in found.note
    assert "nothing recorded differs" in found.note
    assert of(report, "canary").verdict is Verdict.SAME


def test_a_regression_that_a_fast_night_hides_is_found(quiet: Lab) -> None:
    quiet.night(case=1.03, board=0.98)
    report = quiet.check(rerun=again(case=1.03 * 0.98, canary=0.98))
    assert (of(report).verdict, report.status) == (Verdict.REGRESSED, 1)
    assert quiet.check().status == 4, "a suspect before it was run again"


def test_a_board_that_is_slower_as_a_whole_is_the_labs_fault(quiet: Lab) -> None:
    quiet.night(board=1.09)
    report = quiet.check(rerun=again(case=1.09, canary=1.09))
    assert (of(report).verdict, report.status) == (Verdict.LAB_FAULT, 3)
    assert "the board moved, not the program" in of(report).comparison.reason
    assert of(report, "canary").verdict is Verdict.LAB_FAULT
    assert "it never changes" in of(report, "canary").comparison.reason


def test_a_row_beside_the_canary_says_that_its_change_is_not_that_of_its_columns(quiet: Lab) -> None:
    quiet.night(board=1.09)
    report = quiet.check(rerun=again(case=1.09, canary=1.09))
    found = of(report).comparison
    assert found.before is not None
    assert found.after is not None
    own = (found.after.median / found.before.median - 1) * 100
    assert own > 5 > abs(found.change_percent or 0)
    text = f"{found.change_percent:+.2f} % against the canary ({own:+.2f} % by itself)"
    assert found.change == text
    (row,) = [
        row for row in report_table(report).rows if row[0].startswith(found.key.case) and row[1] == "latency"
    ]
    assert row[4] == text
    assert text in report_text(report, as_markdown=True)
    assert text in junit(report).decode()
    cells = {cell["cell_id"]: cell for cell in report_fields(report)["cells"]}
    cell = cells[found.key.cell_id]
    assert cell["canary"] == "canary"
    assert cell["own_change_percent"] == pytest.approx(own)
    assert cell["canary_change_percent"] == cell["change_percent"] == found.change_percent
    itself = of(report, "canary").comparison
    assert itself.change == f"{itself.change_percent:+.2f} %"
    assert cells[itself.key.cell_id]["canary_change_percent"] is None
    assert [alarm.scope for alarm in report.alarms] == ["board"], "both cases of the board"


def test_a_suspect_beside_the_canary_shows_no_interval_of_something_else(quiet: Lab) -> None:
    quiet.night(case=1.03, board=0.98)
    found = of(quiet.check()).comparison
    assert (found.verdict, found.canary, found.interval_percent) == (Verdict.SUSPECT, "canary", None)
    assert "% against the canary (+" in found.change
    assert abs(found.change_percent or 0) > (found.limit_percent or 0) > 0


def test_in_turns_with_the_baselines_image_nothing_is_beside_the_canary(quiet: Lab) -> None:
    def both(candidate: Point, baseline: Point, count: int, frozen: Point | None) -> Again:
        drawn = numpy.random.default_rng(9).normal(20, 0.06, (2, count))
        return Again(tuple(drawn[0] * 1.03), tuple(drawn[1]))

    quiet.night(case=1.03, board=0.98)
    found = of(quiet.check(rerun=both)).comparison
    assert (found.verdict, found.canary) == (Verdict.REGRESSED, "")
    assert found.change == f"{found.change_percent:+.2f} %"


def test_what_is_not_found_again_is_cleared(quiet: Lab) -> None:
    quiet.night(case=1.05)
    report = quiet.check(rerun=again())
    assert (of(report).verdict, of(report).comparison.reason) == (Verdict.SAME, "not found again")
    assert report.status == 0


def test_a_canary_that_moves_alone_accuses_no_program(quiet: Lab) -> None:
    quiet.night(canary=0.90, board=1.0)
    report = quiet.check(rerun=again(canary=0.90))
    assert (of(report).verdict, report.status) == (Verdict.LAB_FAULT, 3)
    assert "the canary moved alone" in of(report).comparison.reason
    assert of(report, "canary").verdict is Verdict.LAB_FAULT


def test_a_canary_that_is_not_found_moved_again_is_no_fault_of_the_lab(quiet: Lab) -> None:
    quiet.night(canary=0.90, board=1.0)
    assert quiet.check(rerun=again()).status == 0


def test_a_regression_stays_one_in_a_night_in_which_the_board_moved_as_well(quiet: Lab) -> None:
    quiet.night(case=1.05, board=1.09)
    report = quiet.check(rerun=again(case=1.05 * 1.09, canary=1.09))
    assert of(report, "canary").verdict is Verdict.LAB_FAULT
    assert (of(report).verdict, report.status) == (Verdict.REGRESSED, 1)
    assert of(report).comparison.change_percent == pytest.approx(5, abs=0.6)


def test_without_a_canary_it_stays_open_and_says_how_to_declare_one(quiet: Lab) -> None:
    quiet.baseline = replace(quiet.baseline, canary="")
    quiet.night(case=1.09, board=1.0)
    report = quiet.check(rerun=again(case=1.09))
    assert (of(report).verdict, report.status) == (Verdict.INCONCLUSIVE, 4)
    assert "benchrunner baseline canary NAME MODEL" in of(report).comparison.reason
    trusting = quiet.check(rerun=again(case=1.09), settings=Settings(trust_nights=True))
    assert (of(trusting).verdict, trusting.status) == (Verdict.REGRESSED, 1)


def test_a_canary_that_the_board_never_ran_is_asked_for(quiet: Lab) -> None:
    quiet.baseline = replace(quiet.baseline, canary="another")
    quiet.night(case=1.09, board=1.0)
    found = of(quiet.check(rerun=again(case=1.09)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the canary another was never measured at " in found.comparison.reason


@pytest.mark.parametrize(("with_canary", "missing"), [(3, "2 more nights"), (4, "1 more night "), (5, "")])
def test_too_few_nights_with_the_canary_are_counted(lab: Lab, with_canary: int, missing: str) -> None:
    for number in range(12):
        lab.night(canary=1.0 if number >= 12 - with_canary else None, board=1.0)
    lab.night(case=1.05, board=1.0)
    found = of(lab.check(rerun=again(case=1.05)))
    assert found.verdict is (Verdict.INCONCLUSIVE if missing else Verdict.REGRESSED)
    assert missing in found.comparison.reason


def test_a_canary_of_another_file_is_not_the_canary(lab: Lab) -> None:
    for number in range(12):
        lab.night(canary=None)
        other = lab.measured("canary", 1.0, settings={"model_sha256": f"{number // 9:064x}"})
        nights.save_night(lab.folder, number, other, number=1)
    lab.night(case=1.09, canary=None, board=1.0)
    across = Settings(across=frozenset({"model_sha256"}))
    for settings in (Settings(), across):
        found = of(lab.check(rerun=again(case=1.09), settings=settings))
        assert found.verdict is Verdict.INCONCLUSIVE
        assert "2 more nights" in found.comparison.reason


def test_a_ratio_that_came_and_went_before_accuses_nobody(lab: Lab) -> None:
    for number in range(12):
        lab.night(case=1.04 if number == 6 else 1.0)
    lab.night(case=1.04)
    report = lab.check(rerun=again(case=1.04))
    assert (of(report).verdict, report.status) == (Verdict.INCONCLUSIVE, 4)
    assert "as far off on 2026-01-07, and came back" in of(report).comparison.reason


def test_a_regression_that_nobody_fixed_is_one_the_next_nights_too(quiet: Lab) -> None:
    for _ in range(3):
        quiet.night(case=1.04)
        report = quiet.check(rerun=again(case=1.04))
        assert of(report).verdict is Verdict.REGRESSED, of(report)


def test_nights_before_the_baseline_stand_in_while_it_is_at_their_level(lab: Lab) -> None:
    for _ in range(10):
        lab.night()
    lab.baseline = replace(lab.baseline, run_ids=(lab.ids[-1],))
    lab.night(case=1.04)
    assert lab.check(rerun=again(case=1.04)).status == 1


def test_a_baseline_set_because_the_level_changed_has_only_its_own_nights(lab: Lab) -> None:
    for number in range(11):
        lab.night(case=1.0 if number < 10 else 1.05)
    lab.baseline = replace(lab.baseline, run_ids=(lab.ids[-1],))
    lab.night(case=1.05)
    assert of(lab.check(rerun=again(case=1.05))).verdict is Verdict.SAME
    lab.night(case=1.35)
    found = of(lab.check(rerun=again(case=1.35)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "3 more nights" in found.comparison.reason


def test_a_night_without_the_canary_is_judged_once_both_are_run_again(quiet: Lab) -> None:
    quiet.night(case=1.09, canary=None, board=1.0)
    assert of(quiet.check(rerun=again(case=1.09))).verdict is Verdict.REGRESSED


UPGRADED = {"settings": {"engine_version": "2.18.0"}}


def test_a_new_runtime_that_slows_everything_is_refused_and_shown(quiet: Lab) -> None:
    quiet.night(board=1.1, **UPGRADED)
    report = quiet.check(rerun=again(case=1.1, canary=1.1))
    assert report.status == 4
    assert {of(report, model).verdict for model in ("case", "canary")} == {Verdict.UNLIKE}
    (changed,) = report.unlike
    assert changed.differing == (("engine_version", "2.16.1 -> 2.18.0"),)
    assert changed.text.startswith(
        f"{BOARD}: 4 cells of 2 cases not compared: engine_version 2.16.1 -> 2.18.0"
    )
    assert all(8 < percent < 13 for percent in changed.latencies_percent)
    assert "--across engine_version" in changed.text


def test_a_new_runtime_that_is_judged_all_the_same_is_named_with_what_moved(quiet: Lab) -> None:
    quiet.night(board=1.1, **UPGRADED)
    across = Settings(across=frozenset({"engine_version"}))
    report = quiet.check(rerun=again(case=1.1, canary=1.1), settings=across)
    assert (of(report).verdict, report.status) == (Verdict.LAB_FAULT, 3)
    assert "recorded as differing: engine_version 2.16.1 -> 2.18.0" in of(report).note


def test_a_size_is_judged_whatever_the_canary_did(lab: Lab) -> None:
    def mcu(model: str, cycles: int, flash: int, image: str) -> Measurement:
        return factory.measurement(
            case={"model": model},
            latency=factory.timed(*[cycles] * 10, cold=cycles),
            footprint=replace(factory.FOOTPRINT, weights_flash_bytes=flash),
            provenance=nights.provenance(image_sha256=image * 32),
        )

    for number, (cycles, flash) in enumerate([(7_000_000, 131_396), (7_140_000, 140_000)]):
        found = mcu("canary", cycles, 131_396, "e5"), mcu("case", cycles, flash, f"{number:02x}")
        lab.ids.append(nights.save_night(lab.folder, number, *found))
    lab.baseline = replace(lab.baseline, run_ids=(lab.ids[0],))
    report = lab.check()
    assert of(report).verdict is Verdict.LAB_FAULT
    assert of(report, metric="weights_flash").verdict is Verdict.REGRESSED
    assert report.status == 1


@pytest.mark.parametrize(("now", "verdict"), [(60, Verdict.REGRESSED), (50, Verdict.SAME)])
def test_memory_of_the_process_is_no_matter_of_a_bad_night(lab: Lab, now: int, verdict: Verdict) -> None:
    def night(mebibytes: float) -> None:
        memory = ProcessMemory(1 << 20, 1 << 20, int(mebibytes * (1 << 20)), "VmHWM")
        lab.night(board=1.0, process_memory=memory)

    for number in range(8):
        night(50 + number % 3 * 0.05)
    night(60)

    def rerun(candidate: Point, baseline: Point, count: int, canary: Point | None) -> Again:
        assert count == 1
        return Again((now * float(1 << 20),), (), "the same file")

    report = lab.check(rerun=rerun)
    assert of(report, metric="process_peak").verdict is verdict
    assert report.status == (1 if verdict is Verdict.REGRESSED else 0)
