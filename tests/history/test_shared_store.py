"""The store of several labs, on a real PostgreSQL server that these tests start."""

import multiprocessing
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import night_factory as nights
import pandas
import pytest
import record_factory as factory
from postgres_server import server

from benchrunner import cli
from benchrunner.errors import StoreError, UsageError
from benchrunner.history import open_history, postgres


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        Path(folder).chmod(0o755)
        with server(Path(folder)) as url:
            yield url


@pytest.fixture
def url(cluster: str) -> str:
    """An empty database."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(cluster.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("DROP SCHEMA public CASCADE"))
        connection.execute(sqlalchemy.text("CREATE SCHEMA public"))
        connection.commit()
    engine.dispose()
    return cluster


def test_two_labs_see_the_results_of_both(tmp_path: Path, url: str) -> None:
    latency = nights.linux_latency([10, 12, 11], [20, 21, 22])
    nights.save_night(tmp_path / "a", 0, factory.MEASUREMENT, factory.failed("hang"))
    nights.save_night(tmp_path / "b", 1, nights.linux(latency))
    with open_history(tmp_path / "a", shared=url) as history:
        assert len(history.rows()) == 2
    with (
        open_history(tmp_path / "b", shared=url) as shared,
        open_history(tmp_path / "a") as a,
        open_history(tmp_path / "b") as b,
    ):
        assert shared.rows() == a.rows() + b.rows()
        assert shared.runs() == a.runs() + b.runs()
        for key in b.cells():
            assert shared.series(key) == b.series(key)
        assert set(shared.cells()) == {*a.cells(), *b.cells()}
        frame = pandas.concat([a.intervals(), b.intervals()], ignore_index=True)
        for name in ("median", "p95", "mad", "n"):
            assert shared.intervals()[name].tolist() == frame[name].tolist()
        assert shared.samples()["value"].tolist() == [*a.samples()["value"], *b.samples()["value"]]


def test_results_are_added_once_and_never_changed(tmp_path: Path, url: str) -> None:
    nights.save_night(tmp_path, 0)
    for _ in range(2):
        with open_history(tmp_path, shared=url) as history:
            assert len(history.rows()) == 1
            assert history.notes == ()
    path = next(tmp_path.rglob("*.json"))
    path.write_text(path.read_text().replace("7092000", "6092000"))
    with open_history(tmp_path, shared=url) as history:
        assert history.rows()[0].latency_median_ms == 17.73
        assert "unlike those of the same id" in history.notes[0]


def test_text_that_the_database_cannot_keep_is_marked(tmp_path: Path, url: str) -> None:
    nights.save_night(tmp_path, 0, factory.failed("got \0 from the board"))
    with open_history(tmp_path, shared=url) as history:
        assert history.rows()[0].reason == "got \N{REPLACEMENT CHARACTER} from the board"


def _contribute(folder: str, url: str) -> None:
    with open_history(Path(folder), shared=url) as history:
        history.rows()


def test_labs_may_add_their_results_at_once(tmp_path: Path, url: str) -> None:
    for lab in range(3):
        for night in range(10):
            nights.save_night(tmp_path / str(lab), night, number=lab)
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_contribute, args=(str(tmp_path / str(lab)), url))
        for lab in range(3)
        for _ in range(2)  # each lab twice at once
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
        assert process.exitcode == 0
    with open_history(tmp_path / "0", shared=url) as history:
        assert len(history.rows()) == len(history.runs()) == 30


def test_a_store_of_another_version_is_refused(tmp_path: Path, url: str) -> None:
    nights.save_night(tmp_path, 0)
    open_history(tmp_path, shared=url).close()
    database = postgres.Postgres(url)
    with database.writing():
        database.change("UPDATE stamp SET stamp = 'older'")
    database.close()
    with pytest.raises(StoreError, match="of another version of benchrunner"):
        open_history(tmp_path, shared=url)


def test_a_server_that_is_not_there_is_a_reason_without_the_password(tmp_path: Path, url: str) -> None:
    nights.save_night(tmp_path, 0)
    with pytest.raises(StoreError) as caught:
        open_history(tmp_path, shared=f"postgresql://me:secret@/nothing?host={tmp_path}")
    assert "secret" not in str(caught.value)
    assert str(caught.value).startswith("postgresql+psycopg://me:***@/nothing")


def test_other_databases_are_not_stores(tmp_path: Path) -> None:
    nights.save_night(tmp_path, 0)
    with pytest.raises(UsageError, match="mysql: not a store"):
        open_history(tmp_path, shared="mysql://localhost/results")


def test_the_commands_take_the_store(
    tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = replace(factory.MEASUREMENT, warnings=("other",))
    nights.save_night(tmp_path / "a", 0)
    nights.save_night(tmp_path / "b", 1, changed)
    monkeypatch.setenv("BENCHRUNNER_STORE", url)
    for lab, count in (("a", "1 row"), ("b", "2 rows")):
        out = tmp_path / f"{lab}.parquet"
        with pytest.raises(SystemExit) as caught:
            cli.main(["export", "--results", str(tmp_path / lab), "--out", str(out)])
        assert caught.value.code == 0
        assert capsys.readouterr().err == f"{out}: {count}\n"
