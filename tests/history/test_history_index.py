import json
import multiprocessing
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import night_factory as nights
import pandas
import pytest
import record_factory as factory
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from record_strategies import values_of

import benchrunner
from benchrunner import store, table
from benchrunner.history import History, folder, index, open_history
from benchrunner.history.database import Sqlite
from benchrunner.history.entries import entries
from benchrunner.record import CounterUnit, Fidelity, Measurement, NotMeasured

DATA = Path(__file__).parents[1] / "data" / "records"


@pytest.fixture(autouse=True)
def _every_folder_has_an_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(index, "_WORTH_A_FILE", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    found = tmp_path / "results"
    for night in range(3):
        nights.save_night(found, night, factory.MEASUREMENT, factory.failed("hang"))
    return found


def same_as_documents(history: History, path: Path) -> bool:
    loaded = store.load_runs(path)
    assert [str(one) for one in history.problems] == [str(one) for one in loaded.problems]
    return history.rows() == table.rows_of(loaded.runs)


def read_documents(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths that are parsed from now on."""
    read: list[Path] = []

    def load(path: Path) -> store.StoredRun:
        read.append(path)
        return store.load_run(path)

    monkeypatch.setattr(folder, "load_run", load)
    return read


def age(path: Path) -> None:
    """Let every file look as if it had been at rest for a while when it is indexed."""
    for one in path.rglob("*.json"):
        os.utime(one, ns=(10**18, 10**18))


def settled(path: Path) -> History:
    age(path)
    with sqlite3.connect(path / index.INDEX_NAME) as connection:
        for one in path.rglob("*.json"):
            found = one.stat()
            connection.execute(
                "UPDATE document SET mtime_ns = ?, ctime_ns = ? WHERE path = ?",
                (found.st_mtime_ns, found.st_ctime_ns, one.relative_to(path).as_posix()),
            )
    connection.close()
    return open_history(path)


def test_the_index_holds_what_the_documents_say(results: Path) -> None:
    with open_history(results) as history:
        assert same_as_documents(history, results)
        assert history.notes == ()
    assert (results / index.INDEX_NAME).is_file()


def test_a_frame_through_the_index_is_the_frame_of_the_documents(results: Path) -> None:
    (results / "20261122T020000Z-00000000.json").write_text("{")
    with pytest.warns(UserWarning, match="not a result") as caught:
        found = benchrunner.load_results(results)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="not a result") as caught:
        pandas.testing.assert_frame_equal(found, table.load_results(results))
    assert caught[0].filename == __file__


@settings(max_examples=40, deadline=None, derandomize=True, phases=[Phase.generate])
@given(measurements=st.lists(values_of(Measurement), max_size=2))
def test_whatever_can_be_stored_can_be_indexed(measurements: list[Measurement]) -> None:
    run = store.StoredRun(Path("a.json"), factory.document(*measurements), altered=True)
    database = Sqlite(None)
    with database.writing():
        found = entries(run, path="a.json", sha256="0", lab="here", imported=1)
        for one in index.schema.TABLES:
            database.insert(one, found.get(one.name, []))
    history = History(database, Path(), ())
    surrogates = json.dumps([str(row) for row in table.rows_of([run])]).count("\\ud")
    assert surrogates or history.rows() == table.rows_of([run])
    for key in history.cells():
        for point in history.series(key):
            assert point.n == sum(map(len, point.starts))


def test_documents_of_every_released_version_are_indexed(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    for path in DATA.glob("*.json"):
        name = json.loads(path.read_text())["run_id"]
        shutil.copy(path, tmp_path / "results" / f"{name}.json")
    with open_history(tmp_path / "results") as history:
        assert same_as_documents(history, tmp_path / "results")
        assert len(history.rows()) >= 2


def test_a_second_opening_reads_no_document(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_history(results).close()
    settled(results).close()
    read = read_documents(monkeypatch)
    opened = []
    monkeypatch.setattr(Path, "open", lambda self, *rest: opened.append(self))
    with open_history(results) as history:
        assert len(history.runs()) == 3
    assert read == opened == []


def test_only_what_is_new_is_read(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_history(results).close()
    read = read_documents(monkeypatch)
    name = nights.save_night(results, 9)
    with open_history(results) as history:
        assert [path.stem for path in read] == [name]
        assert same_as_documents(history, results)


def test_a_document_touched_but_equal_is_not_parsed_again(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_history(results).close()
    age(results)
    read = read_documents(monkeypatch)
    open_history(results).close()
    assert read == []


def test_a_document_altered_just_after_it_was_read_is_seen(results: Path) -> None:
    open_history(results).close()
    path = sorted(results.rglob("*.json"))[1]
    before = path.stat()
    path.write_text(path.read_text().replace("7092000", "6092000"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # same size, same time of change
    with open_history(results) as history:
        assert [row.altered for row in history.rows()] == [False, False, True, True, False, False]
        assert {point.quality for point in history.points([path.stem])} == {"altered"}


def test_a_document_that_is_gone_is_forgotten(results: Path) -> None:
    open_history(results).close()
    sorted(results.rglob("*.json"))[0].unlink()
    with open_history(results) as history:
        assert len(history.runs()) == 2
        assert same_as_documents(history, results)


def test_of_two_copies_the_first_counts_and_the_second_when_it_is_gone(results: Path) -> None:
    first = sorted(results.rglob("*.json"))[0]
    shutil.copy(first, results / first.name)
    with open_history(results) as history:
        assert len(history.problems) == 1
        assert same_as_documents(history, results)
    first.unlink()
    with open_history(results) as history:
        assert history.problems == []
        assert same_as_documents(history, results)


def test_a_corrupt_document_in_the_middle_costs_only_itself(results: Path) -> None:
    sorted(results.rglob("*.json"))[1].write_text('{"schema_version": 2, "run')
    for _ in range(2):
        with open_history(results) as history:
            assert len(history.runs()) == 2
            assert len(history.problems) == 1
            assert same_as_documents(history, results)


def test_a_document_of_a_newer_version_is_named_each_time(results: Path) -> None:
    path = sorted(results.rglob("*.json"))[1]
    path.write_text(path.read_text().replace('"schema_version": 2', '"schema_version": 9'))
    for _ in range(2):
        with open_history(results) as history:
            assert same_as_documents(history, results)
            assert history.problems[0].exit_status == 2


def test_a_deleted_index_is_built_anew(results: Path) -> None:
    open_history(results).close()
    (results / index.INDEX_NAME).unlink()
    with open_history(results) as history:
        assert same_as_documents(history, results)


@pytest.mark.parametrize("content", [b"", b"nonsense" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_corrupt_index_is_built_anew_with_a_note(results: Path, content: bytes) -> None:
    open_history(results).close()
    (results / index.INDEX_NAME).write_bytes(content)
    with open_history(results) as history:
        assert same_as_documents(history, results)
        assert [("damaged" in note) for note in history.notes] == ([True] if content else [])
    with open_history(results) as history:
        assert history.notes == ()


def test_damage_that_a_later_question_finds_is_repaired(results: Path) -> None:
    open_history(results).close()
    path = results / index.INDEX_NAME
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        ((root,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'measurement'")
        ((size,),) = connection.execute("PRAGMA page_size")
    connection.close()
    data = bytearray(path.read_bytes())
    data[(root - 1) * size : root * size] = b"\xa5" * size
    path.write_bytes(data)
    with open_history(results) as history:
        assert same_as_documents(history, results)
        assert "damaged" in history.notes[0]


def test_an_index_of_another_version_is_built_anew(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_history(results).close()
    with sqlite3.connect(results / index.INDEX_NAME) as connection:
        connection.execute("UPDATE stamp SET stamp = 'older'")
        connection.execute("UPDATE measurement SET latency_median_ms = 1")
        connection.execute("CREATE TABLE left_over (a)")
    connection.close()
    with open_history(results) as history:
        assert same_as_documents(history, results)
        assert history.query("SELECT name FROM sqlite_master WHERE name = 'left_over'") == []


def test_an_import_is_idempotent(results: Path) -> None:
    open_history(results).close()
    with sqlite3.connect(results / index.INDEX_NAME) as connection:
        connection.execute("DELETE FROM document")  # everything is new again
    connection.close()
    with open_history(results) as history:
        assert same_as_documents(history, results)


def test_a_new_run_with_an_older_id_is_in_its_place_and_noted(results: Path) -> None:
    open_history(results).close()
    nights.save_night(results, -5)
    with open_history(results) as history:
        assert history.runs()[0].run_id == nights.run_id(-5)
        assert "clock that went backwards" in history.notes[0]
        assert same_as_documents(history, results)


def test_a_folder_that_cannot_be_written_has_its_index_in_the_cache(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with open_history(results) as history:
        assert same_as_documents(history, results)
        assert history.notes == ()
    assert not (results / index.INDEX_NAME).exists()
    assert len(list((tmp_path / "cache").rglob("*.sqlite"))) == 1


_FULL_DISK = """
import resource, sys
from pathlib import Path
from benchrunner.history import index
index._WORTH_A_FILE = 1
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
with index.open_history(Path(sys.argv[1])) as history:
    print(len(history.rows()), *history.notes, sep="\\n")
"""


def test_on_a_full_disk_the_documents_are_read_and_a_note_says_so(results: Path) -> None:
    # No file may grow beyond two pages: writing fails as it does on a full disk.
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    found = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(results)], capture_output=True, text=True, check=True
    )
    count, *notes = found.stdout.splitlines()
    assert count == "6"
    assert len(notes) == 3  # not beside the documents, not in the cache
    assert notes[-1] == "the documents are read instead, which takes longer"


def _open_repeatedly(path: str, count: int) -> None:
    index._WORTH_A_FILE = 1
    for _ in range(count):
        with open_history(Path(path)) as history:
            history.rows()


def _write_runs(path: str, number: int, count: int) -> None:
    index._WORTH_A_FILE = 1
    for night in range(count):
        nights.save_night(Path(path), night, number=number)
        with open_history(Path(path)) as history:
            assert nights.run_id(night, number) in {run.run_id for run in history.runs()}


def test_two_writers_and_two_readers_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    tmp_path.joinpath("r").mkdir()
    path = str(tmp_path / "r")
    processes = [context.Process(target=_write_runs, args=(path, number, 12)) for number in (1, 2)]
    processes += [context.Process(target=_open_repeatedly, args=(path, 12)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
        assert process.exitcode == 0
    with open_history(tmp_path / "r") as history:
        assert len(history.rows()) == 24
        assert same_as_documents(history, tmp_path / "r")


def test_a_folder_of_a_thousand_runs_is_one_index(tmp_path: Path) -> None:
    for night in range(1000):
        path = tmp_path / f"{nights.run_id(night)}.json"
        if night == 0:
            nights.save_night(tmp_path / "one", 0)
            text = next((tmp_path / "one").rglob("*.json")).read_text()
        path.write_text(text.replace(nights.run_id(0), nights.run_id(night)))
    shutil.rmtree(tmp_path / "one")
    with open_history(tmp_path) as history:
        assert len(history.runs()) == 1000
        (key,) = history.cells("latency")
        assert [point.run_id for point in history.series(key)] == sorted(map(nights.run_id, range(1000)))
        assert len(history.medians()) == 1000


def test_a_small_folder_gets_no_file(results: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    with open_history(results) as history:
        assert same_as_documents(history, results)
    assert not (results / index.INDEX_NAME).exists()


def test_a_point_has_the_samples_and_the_conditions_of_its_start(tmp_path: Path) -> None:
    latency = nights.linux_latency([10, 12, 11], [20, 21, 22], inputs=[0, 3])
    nights.save_night(tmp_path, 0, nights.linux(latency))
    with open_history(tmp_path) as history:
        (key,) = history.cells("latency", "mp257")
        (point,) = history.series(key)
    assert point.starts == ((1e-5, 1.2e-5, 1.1e-5), (2e-5, 2.1e-5, 2.2e-5))
    assert point.inputs == (0, 3)
    assert point.replicates == (1.1e-5, 2.1e-5)
    assert (key.unit, key.better, point.cell_class) == ("ms", "lower", "noisy")
    assert point.environment == {
        "clock_hz": 1_500_000_000,
        "engine_version": "2.16.1",
        "governor": "performance",
        "kernel": "6.6.48",
        "place": "simulated",
    }


def test_what_passes_is_not_part_of_the_environment(tmp_path: Path) -> None:
    warm = nights.linux(nights.linux_latency([10]), conditions={"kernel": "6", "temperature_mc": 41_000})
    hot = nights.linux(nights.linux_latency([10]), conditions={"kernel": "6", "temperature_mc": 71_000})
    other = nights.linux(nights.linux_latency([10]), conditions={"kernel": "7", "temperature_mc": 71_000})
    for night, measurement in enumerate((warm, hot, other)):
        nights.save_night(tmp_path, night, measurement)
    with open_history(tmp_path) as history:
        (key,) = history.cells("latency")
        first, second, third = [point.env_id for point in history.series(key)]
    assert first == second != third


def test_every_metric_of_a_case_is_a_cell_and_a_failed_case_has_none(results: Path) -> None:
    with open_history(results) as history:
        names = [key.metric for key in history.cells()]
        memory = ["activation_ram", "heap", "runtime_ram", "stack", "total_ram", "weights_flash"]
        assert sorted(names) == sorted([*memory, "latency", "cold"])
        assert [len(history.series(key)) for key in history.cells()] == [3] * 8


def test_instructions_stay_instructions_and_share_no_cell_with_time(tmp_path: Path) -> None:
    latency = replace(factory.LATENCY, unit=CounterUnit.INSTRUCTIONS)
    emulated = factory.measurement(
        latency=latency, fidelity=Fidelity.EMULATED, timing_model=NotMeasured("none")
    )
    nights.save_night(tmp_path, 0, factory.MEASUREMENT, emulated)
    with open_history(tmp_path) as history:
        units = {key.fidelity: key.unit for key in history.cells(" latency")}
        assert units == {"simulated": "ms", "emulated": "instructions"}
        (point,) = history.series(history.cells(" latency", "emulated")[0])
        assert point.median == 7_092_000


def test_frames_are_long_with_categories_for_their_keys(results: Path) -> None:
    with open_history(results) as history:
        medians, intervals, samples = history.medians(), history.intervals(), history.samples()
    assert medians["median"].tolist() == [17.73] * 3
    assert intervals["p95"].tolist() == [17.73025] * 3
    assert len(samples) == 30
    assert samples.groupby("run_id", observed=True)["value"].median().tolist() == [17.73] * 3
    for frame in (medians, intervals, samples):
        assert {str(frame[name].dtype) for name in ("run_id", "cell_id", "board")} == {"category"}


def test_frames_of_an_empty_folder_have_their_columns(tmp_path: Path) -> None:
    with open_history(tmp_path) as history:
        assert "median" in history.medians().columns
        assert "value" in history.samples().columns
        assert history.cells() == []
