"""A rebuild of the index that is stopped: what was read is kept, the next goes on from there."""

import signal
import subprocess
import sys
from pathlib import Path

import night_factory as nights
import pytest
from two_processes import Side

from benchrunner import store, table
from benchrunner.history import folder, index, open_history

COUNT = 10
_REBUILD = """
from pathlib import Path
from benchrunner.history import folder, index
index._WORTH_A_FILE, folder._BATCH, folder._SETTLED_NS = 1, 4, 0
real = folder._write
batches = []
def write(database, read):
    real(database, read)
    batches.append(len(read))
    if len(batches) == 2:
        stop("in the second transaction")
folder._write = write
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from benchrunner.cli import main
main(["history", "--results", sys.argv[3]])
"""


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(index, "_WORTH_A_FILE", 1)
    monkeypatch.setattr(folder, "_SETTLED_NS", 0)  # the files are new, and stay as they are
    for night in range(COUNT):
        nights.save_night(tmp_path, night)
    return tmp_path


def read_later(results: Path) -> int:
    """How many documents the next one that opens the history reads, which then has them all."""
    read: list[tuple[int, int]] = []
    with open_history(results, told=lambda done, total: read.append((done, total))) as history:
        assert history.notes == ()
        assert history.rows() == table.rows_of(store.load_runs(results).runs)
    assert read == [(number, len(read)) for number in range(len(read))]
    return len(read)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_what_was_read_before_a_rebuild_was_stopped_is_kept(
    results: Path, number: signal.Signals, status: int
) -> None:
    side = Side(_REBUILD, results)
    assert side.word() == "in the second transaction"
    side.process.send_signal(number)
    ended, _, err = side.end()
    assert ended == status
    assert "Traceback" not in err
    assert read_later(results) == COUNT - 4
    assert read_later(results) == 0


def test_a_rebuild_asks_the_index_about_the_documents_of_each_batch_alone(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 000 documents took a look at all runs before, for every one of them."""
    monkeypatch.setattr(folder, "_BATCH", 5)
    asked: list[str] = []
    real = index.Sqlite.query

    def query(self: index.Sqlite, statement: str, **values: object) -> list[tuple[object, ...]]:
        asked.append(statement)
        return real(self, statement, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(index.Sqlite, "query", query)
    open_history(results).close()
    of_all = [one for one in asked if " FROM run" in one and "WHERE" not in one and "imported" in one]
    assert len(of_all) == COUNT // 5 + 1  # one for each transaction
    whole = [one for one in asked if " FROM document" in one and "WHERE" not in one]
    assert len(whole) == 1


_SLOW = """
from benchrunner.cli import main, results
from benchrunner.history import index
index._WORTH_A_FILE = 1
results._WORTH_A_LINE_S = 0.0
main(["history", "--results", sys.argv[1]])
"""


def test_a_rebuild_that_takes_long_says_what_it_does(results: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys\n" + _SLOW, str(results)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"index     of {results}, {COUNT} new documents" in done.stderr
