"""A suite that is started twice, and one whose clock went backwards."""

import json
from pathlib import Path

import pytest
from two_processes import Side

from benchrunner.errors import PlaceLockedError, StoreError
from benchrunner.suite import journal as journals
from benchrunner.suite.plan import Plan, PlannedCase

# Argument 3 is the results; 4 tells apart what it says: "first" stops where the run is about to be made.
_SCRIPT = """
from pathlib import Path
import test_two_suites as here
from benchrunner.suite import journal as journals
results, part = Path(sys.argv[3]), sys.argv[4]
real = journals.create
def create(*arguments):
    if part == "first":
        stop("about to make its run")
    return real(*arguments)
journals.create = create
try:
    with journals.begun(results, here.PLAN, lambda: here.RUNS[part], anew=False) as (journal, going_on):
        stop(f"runs {journal.suite_run} {going_on}")
except Exception as error:
    say(f"{type(error).__name__}: {error}")
"""
RUNS = {"first": "20261121T020000Z-00000001", "second": "20261121T020000Z-00000002"}
PLAN = Plan(
    "night",
    (
        PlannedCase(
            1, "stm32h747i-disco", "aot", "m.tflite", "m", "00" * 32, "sim", 10, 1, 1, False, ()
        ),
    ),
    600,
    3,
)  # fmt: skip


def environment() -> dict[str, str]:
    import os

    folder = Path(__file__).parent
    return {"PYTHONPATH": os.pathsep.join(map(str, (folder.parents[1], folder.parent, folder)))}


def side(results: Path, part: str) -> Side:
    return Side(_SCRIPT, results, part, environment=environment())


def test_of_two_that_are_started_at_once_the_second_is_refused_and_no_second_run_is_made(
    tmp_path: Path,
) -> None:
    first = side(tmp_path, "first")
    assert first.word() == "about to make its run"
    second = side(tmp_path, "second")
    assert second.word() == "blocked"
    first.go_on()
    assert first.word() == f"runs {RUNS['first']} False"
    said = second.word()
    assert said.startswith("PlaceLockedError:")
    assert "running already" in said
    first.go_on()
    assert first.end()[0] == 0
    assert second.end()[0] == 0
    assert [path.parent.name for path in (tmp_path / "suites").glob("*/plan.json")] == [RUNS["first"]]


def test_where_the_first_is_killed_as_it_begins_the_second_begins_in_its_place(tmp_path: Path) -> None:
    first = side(tmp_path, "first")
    assert first.word() == "about to make its run"
    second = side(tmp_path, "second")
    assert second.word() == "blocked"
    first.kill()
    assert second.word() == f"runs {RUNS['second']} False"
    second.go_on()
    assert second.end()[0] == 0


def test_where_the_first_is_killed_in_its_run_the_second_goes_on_with_it(tmp_path: Path) -> None:
    first = side(tmp_path, "first")
    assert first.word() == "about to make its run"
    first.go_on()
    assert first.word() == f"runs {RUNS['first']} False"
    first.kill()
    second = side(tmp_path, "second")
    assert second.word() == f"runs {RUNS['first']} True"
    second.go_on()
    assert second.end()[0] == 0


def test_a_second_run_of_the_same_suite_can_be_asked_for(tmp_path: Path) -> None:
    with (
        journals.begun(tmp_path, PLAN, lambda: RUNS["first"], anew=False),
        journals.begun(tmp_path, PLAN, lambda: RUNS["second"], anew=True) as (journal, going_on),
    ):
        assert (journal.suite_run, going_on) == (RUNS["second"], False)
        with (
            pytest.raises(PlaceLockedError),
            journals.begun(tmp_path, PLAN, lambda: "20261121T020000Z-00000003", anew=False),
        ):
            pass


def test_what_was_begun_last_is_gone_on_with_though_the_clock_went_backwards(tmp_path: Path) -> None:
    with journals.begun(tmp_path, PLAN, lambda: "20261121T020000Z-00000001", anew=False) as (journal, _):
        journal.ended(complete=True)
    back = "19700101T000012Z-00000002"
    with journals.begun(tmp_path, PLAN, lambda: back, anew=False) as (_, going_on):
        assert not going_on
    with journals.begun(tmp_path, PLAN, lambda: "19700101T000001Z-00000003", anew=False) as (
        journal,
        going_on,
    ):
        assert (journal.suite_run, going_on) == (back, True)
        journal.ended(complete=True)
    assert journals.unfinished(tmp_path, PLAN) is None


def test_a_run_of_an_earlier_version_has_no_number_and_goes_on(tmp_path: Path) -> None:
    journal = journals.create(tmp_path, RUNS["first"], PLAN)
    fields = json.loads((journal.folder / "plan.json").read_text())
    del fields["number"]
    (journal.folder / "plan.json").write_text(json.dumps(fields))
    with journals.begun(tmp_path, PLAN, lambda: RUNS["second"], anew=False) as (found, going_on):
        assert (found.suite_run, going_on) == (RUNS["first"], True)


def test_records_that_cannot_be_written_end_a_suite_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "2026-11-21").write_text("a file where the folder of that day would be")
    with (
        pytest.raises(StoreError) as caught,
        journals.begun(tmp_path, PLAN, lambda: RUNS["first"], anew=False),
    ):
        pass
    assert "2026-11-21" in caught.value.message
    assert "--out" in caught.value.hint
    assert not (tmp_path / "suites").exists()
