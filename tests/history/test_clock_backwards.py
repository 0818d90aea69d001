"""Clocks that go backwards, by a night or to 1970, and documents from the future."""

from datetime import UTC, datetime
from pathlib import Path

import night_factory as nights
import pytest
import record_factory as factory
from click.testing import CliRunner

from benchrunner import store, table
from benchrunner.cli import cli
from benchrunner.compare import select
from benchrunner.history import History, open_history
from benchrunner.pages.gather import gather
from benchrunner.record import Measurement

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FAR = "20991231T000000Z-00000001"
EARLY = "19700101T000012Z-00000001"


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_now", lambda: NOW)


def cycles(count: int) -> Measurement:
    return factory.measurement(latency=factory.timed(*[count] * 10))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A night of January 2026, and a run of a host that believed in 2099."""
    folder = tmp_path / "results"
    nights.save_night(folder, 0, cycles(7_000_000))
    store.save_run(factory.document(cycles(9_000_000), run_id=FAR), folder)
    return folder


def test_a_day_is_let_pass_and_no_more() -> None:
    assert not store.is_ahead("20261122T120000Z-00000000", NOW)
    assert store.is_ahead("20261122T120001Z-00000000", NOW)
    assert not store.is_ahead(EARLY, NOW)


def latest(history: History) -> list[str]:
    return select(history, "latest")


def test_a_run_from_the_future_is_not_the_latest_anywhere(results: Path) -> None:
    with open_history(results) as history:
        assert latest(history) == [nights.run_id(0)]
        content = gather("t", store.load_runs(results).runs, history)
    assert [card.row.run_id for card in content.cards] == [nights.run_id(0)]
    rows = table.rows_of(store.load_runs(results).runs)
    assert [row.run_id for row in table.latest(rows)] == [nights.run_id(0)]


def test_where_every_run_is_from_the_future_the_last_of_them_is_the_latest(tmp_path: Path) -> None:
    for run_id in (FAR, "20980101T000000Z-00000001"):
        store.save_run(factory.document(run_id=run_id), tmp_path)
    with open_history(tmp_path) as history:
        assert latest(history) == [FAR]


def test_on_a_host_that_believes_in_1970_its_own_run_is_the_latest(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_now", lambda: datetime(1970, 1, 1, tzinfo=UTC))
    store.save_run(factory.document(run_id=EARLY), results)
    with open_history(results) as history:
        assert latest(history) == [EARLY]
        assert [run.run_id for run in history.runs()] == [EARLY, nights.run_id(0), FAR]


@pytest.mark.parametrize("words", [("table", "--latest"), ("history", "latency"), ("report", "--markdown")])
def test_the_commands_say_that_a_clock_is_wrong(
    results: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results.parent)
    said = CliRunner().invoke(cli, words, standalone_mode=False)
    assert said.exception is None
    assert f"note: 1 run ({FAR} ...) from the future" in said.stderr


def test_a_document_from_the_future_does_not_make_every_later_run_a_late_one(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchrunner.history.index._WORTH_A_FILE", 1)
    open_history(results).close()
    nights.save_night(results, 1)
    with open_history(results) as history:
        assert history.notes == ()


def test_a_run_is_told_when_its_clock_is_behind_the_results(results: Path) -> None:
    said = store.clock_warning(results, EARLY)
    assert "says 1970-01-01" in said
    assert f"{results} has results of 2099-12-31" in said
    assert store.clock_warning(results, "20991230T000000Z-00000001") == ""
    assert store.clock_warning(results / "none", EARLY) == ""


def test_ids_stay_unique_while_a_clock_stands_still() -> None:
    assert len({store.new_run_id(NOW) for _ in range(1000)}) == 1000
