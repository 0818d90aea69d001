"""A suite ends with one row for each planned case, whatever happens to boards, cases and itself."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchrunner import store
from benchrunner.errors import PlaceLockedError
from benchrunner.record import Outcome
from benchrunner.suite import journal as journals
from benchrunner.suite import lanes, reports, worker
from benchrunner.suite.engine import CaseRow, Options, Suite
from benchrunner.suite.lanes import Lane
from benchrunner.suite.plan import Plan, PlannedCase

HERE = Path(__file__).parent
RUN = "20261121T020000Z-0000beef"
BOARDS = ("stm32h747i-disco", "stm32f769i-disco", "nucleo-l4r5zi")


class Heard:
    def __init__(self) -> None:
        self.rows: list[CaseRow] = []
        self.notes: list[str] = []

    def row(self, row: CaseRow) -> None:
        self.rows.append(row)

    def tick(self, lanes: object, waiting: int) -> None:
        """Time passes."""

    def note(self, text: str) -> None:
        self.notes.append(text)


def plan(
    *models: str, boards: tuple[str, ...] = BOARDS[:1], deadline_s: int = 300, failures: int = 3
) -> Plan:
    pairs = [(board, model) for board in boards for model in models]
    cases = tuple(
        PlannedCase(number, board, "aot", f"/{model}.tflite", model, "00" * 32, "sim", 10, 1, 1, False, ())
        for number, (board, model) in enumerate(pairs, start=1)
    )
    return Plan("night", cases, deadline_s, failures)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parents[1])]))
    return tmp_path / "results"


def run(
    results: Path, planned: Plan, jobs: int = 0, heard: Heard | None = None
) -> tuple[Heard, list[reports.Result], journals.Journal]:
    heard = heard or Heard()
    journal = journals.create(results, RUN, planned)
    with journals.held(journal.folder):
        Suite(journal, Options(jobs, runner="stub_runner:run", preloaded=()), heard).run()
    return heard, reports.results_of(journal), journal


def outcomes(found: list[reports.Result]) -> dict[str, str]:
    return {result.case.model_name: result.measurement.outcome for result in found}


def test_every_case_of_every_board_has_its_row(results: Path) -> None:
    heard, found, _ = run(results, plan("a", "b", "wrong", boards=BOARDS), jobs=2)
    assert len(found) == len(heard.rows) == 9
    assert [result.case.number for result in found] == list(range(1, 10))
    assert {result.measurement.provenance.suite_run for result in found if not result.good} == {""}
    assert reports.exit_status(found, {row.case.number: row.exit_status for row in heard.rows}) == 1


def test_what_has_no_record_of_its_own_gets_a_row_with_the_reason(results: Path) -> None:
    heard, found, _ = run(results, plan("a", "refused", "dies", "defect", "z", failures=5))
    reasons = {result.case.model_name: result.measurement.reason for result in found}
    assert outcomes(found) == {
        "a": "ok",
        "refused": "failed",
        "dies": "failed",
        "defect": "failed",
        "z": "ok",
    }
    assert reasons["refused"] == "does not fit"
    assert reasons["dies"].startswith("the process of the case ended with 9 in step")
    assert reasons["defect"].startswith("ZeroDivisionError: by zero (stub_runner.py:")
    assert {row.case.model_name: row.exit_status for row in heard.rows} == {
        "a": 0, "refused": 1, "dies": 3, "defect": 3, "z": 0,
    }  # fmt: skip
    assert all(result.measurement.provenance.suite_run == RUN for result in found if not result.good)


def test_a_board_that_fails_again_and_again_is_set_aside_and_the_others_go_on(results: Path) -> None:
    models = ("nolab1", "nolab2", "x", "nolab3", "nolab4", "y", "z")
    heard, found, _ = run(results, plan(*models, boards=BOARDS[:2], failures=2))
    by_board = {board: [r for r in found if r.case.board == board] for board in BOARDS[:2]}
    for rows in by_board.values():
        assert [row.measurement.outcome for row in rows] == ["failed"] * 7
        assert rows[2].measurement.reason.startswith(
            "board set aside: 2 failures in a row, the last: port gone"
        )
    assert len(heard.notes) == 2
    # A good case between two failures begins the count anew.
    _, found, _ = run(results.parent / "other", plan("nolab1", "x", "nolab2", "y", failures=2))
    assert list(outcomes(found).values()) == ["failed", "ok", "failed", "ok"]


def test_a_case_that_hangs_ends_at_its_deadline_and_the_next_goes_on(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "GRACE_S", 600.0)

    class TimePasses(Heard):
        """Their time is up as soon as they hang, however long that took; `wedged` gets no grace either."""

        def tick(self, lanes: Sequence[Lane], waiting: int) -> None:
            for lane in lanes:
                name = lane.case.model_name if lane.case else ""
                begun = (results.parent / f"begun-{lane.board}-{name}").exists()
                if name == "wedged" and lane.stop_s is not None:
                    lane.stop_s -= 600
                elif name in ("hang", "wedged") and begun and lane.stop_s is None:
                    lane.began_s -= 600

    heard, found, _ = run(results, plan("hang", "wedged", "z", deadline_s=600), heard=TimePasses())
    assert outcomes(found) == {"hang": "abandoned", "wedged": "failed", "z": "ok"}
    assert found[1].measurement.reason == "not done within 600 s, in step timed"
    assert [row.exit_status for row in heard.rows] == [3, 3, 0]
    assert found[0].lab_fault
    assert found[1].lab_fault


def test_ctrl_c_ends_the_running_cases_and_the_suite_goes_on_later(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "GRACE_S", 60.0)
    planned = plan("a", "hang", "z")
    journal = journals.create(results, RUN, planned)

    class Stops(Heard):
        def tick(self, lanes: object, waiting: int) -> None:
            if (results.parent / f"begun-{BOARDS[0]}-hang").exists():
                raise KeyboardInterrupt

    with journals.held(journal.folder), pytest.raises(KeyboardInterrupt):
        Suite(journal, Options(runner="stub_runner:run", preloaded=()), Stops()).run()
    assert set(journal.finished()) == {1}
    assert journals.unfinished(results, planned) == RUN
    records = [run.document.measurements[0].outcome for run in store.load_runs(results).runs]
    assert sorted(records) == [Outcome.ABANDONED, Outcome.OK]


def test_a_suite_that_ended_is_not_gone_on_with(results: Path) -> None:
    planned = plan("a")
    run(results, planned)
    assert journals.unfinished(results, planned) is None
    assert journals.unfinished(results, plan("b")) is None


def test_a_suite_runs_once_at_a_time(results: Path) -> None:
    journal = journals.create(results, RUN, plan("a"))
    with (
        journals.held(journal.folder),
        pytest.raises(PlaceLockedError, match="running already"),
        journals.held(journal.folder),
    ):
        pass


def test_a_torn_line_and_noise_in_the_journal_lose_nothing(results: Path) -> None:
    planned = plan("a", "b")
    run(results, planned)
    path = results / "suites" / RUN / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + b"\xff\x00 noise\n[1]\n" + lines[3][:20])
    journal = journals.Journal(results, RUN, planned)
    assert set(journal.finished()) == {1, 2} if len(lines[:3]) > 2 else {1}


def test_junit_tells_failures_from_lab_faults(results: Path) -> None:
    _, found, journal = run(results, plan("a", "wrong", "nolab"))
    regressed = {found[0].finished.run_id: "latency +3.1 %"}
    root = ET.fromstring(reports.junit(journal, found, regressed))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "2", "1")
    kinds = [
        [(child.tag, child.get("type")) for child in case if child.tag in ("failure", "error")]
        for case in root
    ]
    assert kinds == [[("failure", "regression")], [("failure", "failed")], [("error", "lab")]]
    assert len({case.get("name") for case in root}) == 3
    assert root[0].find("properties/property[@name='latency_median_ms']") is not None
    summary = json.loads(reports.summary(journal, found))
    assert summary["counts"]["failed"] == 2
    assert summary["cases"][0]["latency_median_ms"] == 17.73


def test_the_process_of_a_lane_ends_when_its_suite_is_gone(results: Path) -> None:
    # As in `worker.work`: a closed lifeline is seen, and told to the case as a signal.
    heard = threading.Event()
    read, write = os.pipe()
    from multiprocessing.connection import Connection

    lifeline = Connection(read, writable=False)
    assert not worker._is_cut(lifeline)
    os.close(write)
    assert worker._is_cut(lifeline)
    lifeline.close()
    heard.set()


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_a_hundred_moments_no_case_is_lost_and_none_is_there_twice(
    results: Path, seed: int
) -> None:
    """Four times twenty-five, so that they can be run beside each other."""
    planned = plan(*(f"m{number}" for number in range(50)), boards=BOARDS)
    file = results.parent / "plan.json"
    file.write_text(json.dumps(asdict(planned)))
    command = [sys.executable, str(HERE / "suite_process.py"), str(results), str(file)]
    drawn = random.Random(seed)
    kills, ended = 0, False
    while kills < 25 and not ended:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        # After so many rows of this process: at every stage of a case, wherever the scheduler puts it.
        for _ in range(drawn.randint(0, 2)):
            if process.stdout.readline() == "ended\n":
                ended = True
        if not ended:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait(60)
        process.stdout.close()
    last = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert last.stdout.endswith("ended\n")
    assert kills == 25
    (folder,) = [path.parent for path in (results / "suites").glob("*/plan.json")]
    journal = journals.Journal(results, folder.name, planned)
    assert set(journal.finished()) == {case.number for case in planned.cases}
    rows = [
        run.document.measurements[0]
        for run in store.load_runs(results).runs
        if run.document.measurements[0].outcome is not Outcome.ABANDONED
    ]
    assert len(rows) == len(planned.cases)
